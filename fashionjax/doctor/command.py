"""The command `python -m fashionjax.data doctor`."""

import argparse
import dataclasses
import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence

from fashionjax.data.detector import PersonDetector, load_detector
from fashionjax.data.label_maps import MAPS_OF, LabelMap
from fashionjax.data.published import default_data_dir, open_published
from fashionjax.data.raw_folder import RawFolder
from fashionjax.doctor.datasets import StoredDataset, open_dataset
from fashionjax.doctor.duplicates import MAX_DISTANCE
from fashionjax.doctor.gallery import draw_duplicates, draw_gallery
from fashionjax.doctor.mapping import describe_mapping
from fashionjax.doctor.page import Chapter, make_page
from fashionjax.doctor.people import People, find_people
from fashionjax.doctor.raw_files import read_raw_files
from fashionjax.doctor.summary import Summary, find_duplicates, image_sizes, summarize
from fashionjax.doctor.survey import Survey, survey

PER_CLASS = 5
"""How many examples of each class are shown, unless the caller says otherwise."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A dataset to examine and what else is known of it.

    Attributes:
        dataset: Where to read it.
        raw: Its raw files, which are compared with what was prepared.
        detector: Finds people, or what one found in the images as prepared.
    """

    dataset: StoredDataset
    raw: RawFolder | None = None
    detector: PersonDetector | People | None = None


def examine(
    requests: Sequence[Request],
    out: pathlib.Path,
    *,
    max_distance: int = MAX_DISTANCE,
    per_class: int = PER_CLASS,
    threads: int = 0,
    seed: int = 0,
    command: str = "",
) -> Summary:
    """Examines datasets and writes `index.html` and `doctor.json`.

    Args:
        requests: The datasets, whose names differ.
        out: The folder to write into.
        max_distance: Bits, of 63, by which hashes of near duplicates may differ.
        per_class: How many examples of each class are shown.
        threads: How many read; 0 for one a core.
        seed: Of the lot that draws examples.
        command: What to show as the page's origin.

    Returns:
        All numbers.

    Raises:
        ValueError: Two datasets of a name, an option out of its range, or a dataset of
            which nothing can be read.
        OSError: A file cannot be written.
    """
    if per_class < 0:
        raise ValueError(f"examples of a class {per_class}; allowed are 0 and more")
    names = [request.dataset.name for request in requests]
    if len(set(names)) != len(names):
        raise ValueError(f"datasets {names}; allowed are different names")
    out.mkdir(parents=True, exist_ok=True)
    surveys, chapters = {}, []
    for request in requests:
        dataset = request.dataset
        surveys[dataset.name] = found = survey(dataset, threads)
        raw = None
        if request.raw is not None:
            raw = read_raw_files(request.raw, found, refined=dataset.refined)
        people = _people(request, found, threads)
        summary = summarize(dataset, found, raw, people)
        gallery = draw_gallery(
            dataset,
            found,
            summary.problems,
            per_class=per_class,
            seed=seed,
            people=people,
        )
        chapters.append(Chapter(dataset, summary, gallery, image_sizes(found, raw)))
    duplicates = find_duplicates(surveys, max_distance)
    photos = draw_duplicates({r.dataset.name: r.dataset for r in requests}, duplicates)
    summary = Summary([chapter.summary for chapter in chapters], duplicates)
    numbers = json.dumps(dataclasses.asdict(summary), indent=1, allow_nan=False)
    (out / "doctor.json").write_text(numbers, encoding="utf-8")
    page = make_page(chapters, duplicates, photos, command)
    (out / "index.html").write_text(page, encoding="utf-8")
    return summary


def _people(request: Request, found: Survey, threads: int) -> People | None:
    detector, dataset = request.detector, request.dataset
    if detector is None or isinstance(detector, Mapping):
        return detector
    return find_people(found, dataset.sources, detector, dataset.name, threads)


def add_doctor(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command's words to those of `python -m fashionjax.data`."""
    parser = commands.add_parser(
        "doctor", help="tell what prepared datasets hold and what is wrong with them"
    )
    parser.add_argument("datasets", nargs="+", choices=MAPS_OF, metavar="DATASET")
    parser.add_argument("--out", required=True, metavar="DIR", help="where to write")
    for name, metavar, text in (
        ("data_dir", "DIR", f"where it is prepared; default: {default_data_dir()}"),
        ("raw", "DIR", "its raw files, as prepare takes them, to compare with"),
        (
            "detector",
            "FILE",
            "finds people: .onnx, or .json of COCO's results",
        ),
        (
            "label_map",
            "NAME",
            "whose classes are shown, and printed with the shares of the pixels before"
            f" and after; default: the first of {_names(MAPS_OF)}",
        ),
    ):
        parser.add_argument(
            f"--{name}",
            action="append",
            metavar=metavar,
            help=f"{text}; once, or once for each dataset in their order",
        )
    parser.add_argument(
        "--split", default="", metavar="SCHEME", help="how photos are divided"
    )
    parser.add_argument(
        "--distance",
        type=int,
        default=MAX_DISTANCE,
        metavar="BITS",
        help="by which hashes of near duplicates may differ, 0..63; default:"
        " %(default)s",
    )
    parser.add_argument(
        "--examples",
        type=int,
        default=PER_CLASS,
        metavar="N",
        help="shown of each class; default: %(default)s",
    )
    parser.add_argument(
        "--threads", type=int, default=0, metavar="N", help="default: one a core"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the examples shown"
    )


def run_doctor(options: argparse.Namespace) -> None:
    """Examines, and prints what was found.

    Args:
        options: What `add_doctor` parses.

    Raises:
        ValueError: A dataset is not prepared, or an option does not fit.
        OSError: A file cannot be read or written.
        ImportError: A network needs onnxruntime, which is not installed.
    """
    out = pathlib.Path(options.out)
    requests = _requests(options)
    summary = examine(
        requests,
        out,
        max_distance=options.distance,
        per_class=options.examples,
        threads=options.threads,
        seed=options.seed,
        command=_command(vars(options)),
    )
    for request, dataset in zip(requests, summary.datasets, strict=True):
        label_map, mapped = request.dataset.label_maps[0], dataset.maps[0]
        title = f"{dataset.name}, {label_map.name}"
        print(describe_mapping(title, label_map, mapped, dataset.sources))
    lines = [
        f"{dataset.name}: {sum(dataset.num_images.values())} images,"
        f" problems: {len(dataset.problems)}"
        for dataset in summary.datasets
    ]
    both = [*summary.duplicates.exact, *summary.duplicates.near]
    lines.append(
        f"duplicates: {len(summary.duplicates.exact)} exact groups,"
        f" {summary.duplicates.num_near} near pairs,"
        f" {sum(d.across_splits for d in both)} across splits"
    )
    print("\n".join([*lines, f"page: {out / 'index.html'}"]))


def _requests(options: argparse.Namespace) -> list[Request]:
    count = len(options.datasets)
    data_dirs = _for_each("data_dir", options.data_dir or [default_data_dir()], count)
    raws = _for_each("raw", options.raw, count)
    detectors = _for_each("detector", options.detector, count)
    label_maps = _for_each("label_map", options.label_map, count)
    requests = []
    for i, name in enumerate(options.datasets):
        dataset = open_dataset(
            name, pathlib.Path(data_dirs[i]), options.split, label_maps[i] or ""
        )
        # The same dataset of two folders needs two names.
        earlier = options.datasets[:i].count(name)
        if earlier:
            dataset = dataclasses.replace(dataset, name=f"{name}-{earlier + 1}")
        raw = raws[i] and open_published(name, dataset.scheme, raws[i], data_dirs[i])
        detector = load_detector(detectors[i]) if detectors[i] else None
        requests.append(Request(dataset, raw or None, detector))
    return requests


def _names(label_maps: Mapping[str, Sequence[LabelMap]]) -> str:
    return "; ".join(
        f"{dataset}: {', '.join(label_map.name for label_map in found)}"
        for dataset, found in label_maps.items()
    )


def _for_each(name: str, values: Sequence | None, count: int) -> Sequence:
    """One value for each dataset."""
    if not values:
        return [None] * count
    if len(values) == 1:
        return list(values) * count
    if len(values) != count:
        raise ValueError(
            f"{len(values)} times --{name} for {count} datasets; allowed is once, or"
            " once for each"
        )
    return values


def _command(options: Mapping[str, object]) -> str:
    words = ["python", "-m", "fashionjax.data", "doctor", *_list(options["datasets"])]
    names = "data_dir", "raw", "detector", "label_map", "split", "distance"
    for name in (*names, "examples", "out"):
        words += [f"--{name}={value}" for value in _list(options[name])]
    return shlex.join(words)


def _list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    return [value] if value not in (None, "") else []
