"""`python -m fashionjax.data refine`: arguments, the datasets' files, what is told."""

import argparse
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fashionjax.data.card import describe_names
from fashionjax.data.detector import load_detector
from fashionjax.data.images import decode_image, decode_label
from fashionjax.data.label_maps import (
    CCP_59,
    FASHIONPEDIA_47,
    IMATERIALIST_9,
    LabelMap,
)
from fashionjax.data.paths import roots
from fashionjax.data.photo_files import (
    PhotoFolder,
    by_stem,
    check_inside,
    list_files,
)
from fashionjax.data.published import default_data_dir, full_scheme, open_published
from fashionjax.data.quarantine import MAX_BAD_FRACTION, describe
from fashionjax.data.refine import (
    DECISIONS_FILE,
    MIN_SCORE,
    REVIEW,
    VERDICTS_FILE,
    Decision,
    Example,
    read_verdicts,
    refine,
    summarize,
)
from fashionjax.data.unpacking import unpack
from fashionjax.report.review import LeftOver, write_review

SUMMARY_FILE = "summary.json"

_MEANINGS = {
    "images": "photos",
    "several_persons": "  of which with several persons",
    "dropped": "left out by the label map",
    "whole": "left alone",
    "crop_30": "cropped with margins of 30 %",
    "crop_10": "cropped with margins of 10 %",
    "crop_0": "cropped without margins",
    "review": "left over",
    "accepted": "  of which accepted",
    "rejected": "  of which rejected",
    "open": "  of which without a verdict",
    "unreadable": "cannot be read",
    "kept": "kept",
}
_S3 = {"several_persons": "12,188", "review": "about 1,030", "kept": "43,470"}


def add_refine(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its options."""
    command = commands.add_parser(
        "refine", help="crop photos of several people to the one that is annotated"
    )
    command.add_argument("dataset", choices=_READERS)
    command.add_argument(
        "--raw",
        metavar="DIR",
        required=True,
        help="the dataset's files, an archive of them or a folder of archives",
    )
    command.add_argument(
        "--data_dir",
        metavar="DIR",
        help="where prepared datasets lie: archives are unpacked beside them; default:"
        f" {default_data_dir()}",
    )
    add_first_pixel(command)
    command.add_argument(
        "--detector",
        metavar="FILE",
        required=True,
        help="what finds persons: a YOLOX network (.onnx), or what a detector found"
        " (.json, in the form of COCO's results)",
    )
    command.add_argument(
        "--out",
        metavar="DIR",
        help="where the decisions are kept; default:"
        f" {default_data_dir() / 'refined'}/DATASET",
    )
    command.add_argument(
        "--min_score",
        type=float,
        metavar="SCORE",
        default=MIN_SCORE,
        help="from which a detection is a person, 0..1; default: %(default)s",
    )
    command.add_argument(
        "--max_bad",
        type=float,
        metavar="FRACTION",
        default=MAX_BAD_FRACTION,
        help="share of the photos, 0..1, that may be damaged; default: %(default)s",
    )


def add_first_pixel(command: argparse.ArgumentParser) -> None:
    """Adds the option that all have who read raw files before they are prepared."""
    command.add_argument(
        "--first_pixel",
        type=int,
        choices=(0, 1),
        default=1,
        help="the number of a photo's first pixel in run lengths (EncodedPixels);"
        " default: %(default)s",
    )


def run_refine(options: argparse.Namespace) -> None:
    """Decides, writes the page and the summary, and prints how it went.

    Args:
        options: What `add_refine` parses.

    Raises:
        ValueError, OSError: Bad input; see `fashionjax.data.refine.refine`.
        ImportError: onnxruntime is needed and not there.
    """
    out = pathlib.Path(
        options.out or default_data_dir() / "refined" / options.dataset
    ).expanduser()
    examples, unlabelled = _READERS[options.dataset](
        options.raw,
        pathlib.Path(options.data_dir or default_data_dir()),
        options.first_pixel,
    )
    outcome = refine(
        examples,
        load_detector(options.detector),
        out,
        detector_identity=_identity(options.detector),
        min_score=options.min_score,
        max_bad_fraction=options.max_bad,
        num_threads=os.cpu_count() or 1,
    )
    decisions = outcome.decisions
    verdicts = read_verdicts(out / VERDICTS_FILE, decisions)
    summary = summarize(outcome, verdicts)
    numbers = json.dumps({**summary, "reasons": outcome.unreadable}, indent=2)
    (out / SUMMARY_FILE).write_text(numbers + "\n")
    facts = {
        "Dataset": f"{options.dataset}, {summary['images']:,} photos",
        "Detector": pathlib.Path(options.detector).name,
        "Persons": f"score of {options.min_score} or more",
        "Without a label": describe_names(unlabelled),
        "Decisions": str(out / DECISIONS_FILE),
    }
    left_over = _left_over(examples, decisions, verdicts)
    page = write_review(out, left_over, facts, outcome.unreadable)
    print(describe_summary(summary))
    if unlabelled:
        print(f"without a label, and not counted: {describe_names(unlabelled)}")
    if outcome.unreadable:
        print(f"cannot be read, tried again next time:\n{describe(outcome.unreadable)}")
    print(f"decisions in {out / DECISIONS_FILE}")
    if summary["open"]:
        print(
            f"open {page} to judge what is left over, save {VERDICTS_FILE} beside it,"
            " and run this again"
        )


def describe_summary(summary: Mapping[str, int]) -> str:
    """Returns a table of the numbers, with S3's where it tells them."""
    lines = [f"{'':32}{'here':>9}{'%':>8}{'S3':>13}"]
    for name, meaning in _MEANINGS.items():
        share = f"{100 * summary[name] / max(1, summary['images']):.2f}"
        row = f"{meaning:32}{summary[name]:>9,}{share:>8}{_S3.get(name, ''):>13}"
        lines.append(row.rstrip())
    return "\n".join(lines)


def _identity(path: str) -> dict[str, str]:
    """A detector's file may move; another one of its name is another detector."""
    with open(path, "rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _left_over(
    examples: Sequence[Example],
    decisions: Sequence[Decision],
    verdicts: Mapping[str, bool],
) -> Iterator[LeftOver]:
    """What the page shows, read again one at a time."""
    reads = {example.image_id: example.read for example in examples}
    for decision in decisions:
        if decision.path != REVIEW:
            continue
        image, label = reads[decision.image_id]()
        assert label is not None  # or it would not have been left over
        persons, *crops = decision.persons
        tried = ", ".join(map(str, crops)) or "nothing is annotated"
        yield LeftOver(
            image_id=decision.image_id,
            image=image,
            label=label,
            columns=decision.columns,
            boxes=decision.boxes,
            note=f"persons: {persons}; in the crops: {tried}",
            accepted=verdicts.get(decision.image_id),
        )


class _Photos(NamedTuple):
    """The photos that have a label, and the names of those that have none."""

    examples: list[Example]
    unlabelled: Sequence[str]


def _published(
    name: str,
    label_map: LabelMap,
    raw: str,
    data_dir: pathlib.Path,
    first_pixel: int,
) -> _Photos:
    """A dataset's raw files; what the label map has as a class is annotated."""
    scheme = full_scheme(name, first_pixel=first_pixel)
    folder = open_published(name, scheme, raw, data_dir)

    def read(image_id: str) -> tuple[np.ndarray, np.ndarray | None]:
        try:
            found = folder.read(image_id)
        except OSError as error:
            raise ValueError(str(error)) from error
        image = decode_image(found.image, name=found.image_name)
        if label_map.drops(found.source_ids()):
            return image, None
        return image, label_map.apply(found.label, found.stacks)

    ids = sorted(folder.image_ids)
    examples = [Example(i, functools.partial(read, i)) for i in ids]
    return _Photos(examples, folder.unlabelled)


def _folder(raw: str, data_dir: pathlib.Path, first_pixel: int) -> _Photos:
    """Photos in `images/`, and label PNGs of the same names in `labels/`."""
    del first_pixel  # PNGs have no run lengths
    root = unpack(raw, data_dir, _find_folder)

    photos = PhotoFolder(root / "images", root)
    labels = by_stem(list_files(root / "labels", [".png"]))
    named = {image_id: f"{image_id}.jpg" for image_id in labels}
    unlabelled = photos.others(named.values())
    if len(unlabelled) == len(photos.files):
        raise ValueError(f"no photo in {root}/images has a .png file in {root}/labels")

    def read(image_id: str) -> tuple[np.ndarray, np.ndarray]:
        try:
            data, name = photos.read(named[image_id])
            label, *others = labels[image_id]
            if others:
                raise ValueError(f"{label} and {others[0]} are labels of one photo")
            check_inside(label, root)
            found = decode_label(label.read_bytes(), name=str(label))
        except OSError as error:
            raise ValueError(str(error)) from error
        return decode_image(data, name=name), found

    examples = [Example(i, functools.partial(read, i)) for i in sorted(named)]
    return _Photos(examples, unlabelled)


def _find_folder(folder: pathlib.Path) -> pathlib.Path:
    for root in roots(folder):
        if (root / "images").is_dir() and (root / "labels").is_dir():
            return root
    raise ValueError(f"{folder} has no images/ and labels/")


_READERS: dict[str, Callable[[str, pathlib.Path, int], _Photos]] = {
    **{
        name: functools.partial(_published, name, label_map)
        for name, label_map in {
            "ccp": CCP_59,
            "imaterialist2019": IMATERIALIST_9,
            "imaterialist2020": FASHIONPEDIA_47,
            "fashionpedia": FASHIONPEDIA_47,
        }.items()
    },
    "folder": _folder,
}
"""The photos of a dataset's files, and their labels, by its name."""
