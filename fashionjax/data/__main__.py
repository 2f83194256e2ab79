"""Command line of the data layer: `python -m fashionjax.data COMMAND DATASET`."""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from fashionjax.constants import BACKGROUND
from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES
from fashionjax.data.datasets.imaterialist import S3_SPLIT
from fashionjax.data.image_size import parse_size
from fashionjax.data.instances import ORDERS, SMALLER_WINS, describe_overlap
from fashionjax.data.label_counts import LabelCounts
from fashionjax.data.label_map_table import describe_label_map
from fashionjax.data.label_maps import (
    IMATERIALIST_9,
    LABEL_MAPS,
    MAPS_OF,
    LabelMap,
)
from fashionjax.data.prepare import (
    Prepared,
    count_labels,
    open_raw,
    open_split,
    prepare,
)
from fashionjax.data.published import DATASETS, check_label_map, default_data_dir
from fashionjax.data.quarantine import MAX_BAD_FRACTION
from fashionjax.data.refine_command import add_first_pixel, add_refine, run_refine
from fashionjax.data.refined import describe_refinement
from fashionjax.data.stratified import describe_counts
from fashionjax.data.synthesize import WRITERS, synthesize
from fashionjax.data.verify import compare_with_raw, verify
from fashionjax.data.weights_command import add_weights, run_weights
from fashionjax.doctor.command import add_doctor, run_doctor


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Words after the program's name; None takes the process's own.

    Returns:
        The exit status: 0, or 1 for an error that is told in one line.
    """
    options = _parser().parse_args(arguments)
    try:
        _COMMANDS[options.command](options)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _prepare(options: argparse.Namespace) -> None:
    label_map = _label_map(options)
    done = prepare(
        options.dataset,
        options.raw,
        options.data_dir,
        scheme=options.split,
        overlap=options.overlap,
        first_pixel=options.first_pixel,
        refined_dir=options.refined,
        max_bad_fraction=options.max_bad,
        overwrite=options.overwrite,
    )
    counts = ", ".join(f"{n} {split}" for split, n in done.num_examples.items())
    verb = "prepared" if done.fresh else "is there already"
    print(f"{options.dataset} {verb}: {counts}\nin {done.directory}")
    if done.card is not None:
        print(f"described in {done.card}")
    if options.size:
        _resize(options, done)
    _describe(options, done, label_map)
    if options.verify:
        _verify(options, done)


def _label_map(options: argparse.Namespace) -> LabelMap:
    """The one that is named, else the one that keeps most classes apart."""
    if options.label_map is None and options.size is not None:
        raise ValueError("--size needs --label_map, the classes of what it writes")
    if options.label_map is None:
        return MAPS_OF[options.dataset][0]
    check_label_map(options.dataset, LABEL_MAPS[options.label_map])
    return LABEL_MAPS[options.label_map]


def _describe(options: argparse.Namespace, done: Prepared, label_map: LabelMap) -> None:
    """What was refined, what overlaps, how alike the splits are, and the classes."""
    if options.refined:
        print(describe_refinement(done.raw))
    if done.overlap:
        print(describe_overlap(**done.overlap, names=FASHIONPEDIA_CATEGORIES))
    counts = count_labels(done)
    if done.scheme.startswith(S3_SPLIT):
        print(f"Photos that contain each merged class:\n{_describe_merged(counts)}")
        print(f"Photos that contain each category:\n{_describe_categories(done)}")
    print(describe_label_map(label_map.name, label_map, [*counts.values()]))


def _verify(options: argparse.Namespace, done: Prepared) -> None:
    """Compares with what was written, and with what it was written from."""
    count = verify(done.directory)
    print(f"{count} files are as they were written")
    if options.raw:
        raw = open_raw(options.dataset, done, options.raw, options.refined)
        count = compare_with_raw(done.directory, raw)
        print(f"{count} photos and their labels are those of the raw files")


def _resize(options: argparse.Namespace, done: Prepared) -> None:
    """Writes the caches of all splits at a size."""
    for split in done.num_examples:
        source = open_split(
            options.dataset,
            done.data_dir,
            split,
            options.size,
            LABEL_MAPS[options.label_map],
            scheme=done.scheme,
            resized=True,
        )
        print(f"{split}: {len(source)} at {options.size[0]}x{options.size[1]}")


def _describe_merged(counts: Mapping[str, LabelCounts]) -> str:
    """How alike the splits are in what they were divided by."""
    sizes = {split: found.num_photos for split, found in counts.items()}
    photos = [
        found.has_classes(IMATERIALIST_9).sum(axis=0) for found in counts.values()
    ]
    # All have a background.
    names = IMATERIALIST_9.class_names[BACKGROUND + 1 :]
    return describe_counts(sizes, np.stack(photos)[:, BACKGROUND + 1 :], names)


def _describe_categories(done: Prepared) -> str:
    """How alike the splits are."""
    counts = [
        [found.get(str(i), 0) for i in range(len(FASHIONPEDIA_CATEGORIES))]
        for found in (done.categories[split] for split in done.num_examples)
    ]
    return describe_counts(done.num_examples, np.array(counts), FASHIONPEDIA_CATEGORIES)


def _synthesize(options: argparse.Namespace) -> None:
    synthesize(options.dataset, pathlib.Path(options.raw), options.count)
    print(f"{options.dataset}: {options.count} drawn photos in {options.raw}")


_COMMANDS = {
    "prepare": _prepare,
    "synthesize": _synthesize,
    "refine": run_refine,
    "doctor": run_doctor,
    "weights": run_weights,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fashionjax.data")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "prepare", help="make a dataset's raw files into records"
    )
    command.add_argument("dataset", choices=DATASETS)
    command.add_argument(
        "--raw",
        metavar="DIR",
        help="the dataset's files, an archive of them or a folder of archives; default:"
        " download them",
    )
    command.add_argument(
        "--data_dir",
        metavar="DIR",
        help=f"where prepared datasets lie; default: {default_data_dir()}",
    )
    schemes = {name: ", ".join(d.schemes()) for name, d in DATASETS.items()}
    command.add_argument(
        "--split",
        metavar="SCHEME",
        help="how photos are divided; default: the first. "
        + "; ".join(f"{name}: {names}" for name, names in schemes.items()),
    )
    command.add_argument(
        "--overlap",
        choices=ORDERS,
        default=SMALLER_WINS,
        help="which of several instances on a pixel is on top; default: %(default)s",
    )
    add_first_pixel(command)
    command.add_argument(
        "--refined",
        metavar="DIR",
        help="crop photos and leave some out as the command refine decided there",
    )
    command.add_argument(
        "--max_bad",
        type=float,
        metavar="FRACTION",
        default=MAX_BAD_FRACTION,
        help="share of the photos, 0..1, that may be left out because they are damaged"
        " or do not fit their labels; default: %(default)s",
    )
    command.add_argument(
        "--overwrite", action="store_true", help="prepare anew even if it is there"
    )
    command.add_argument(
        "--verify",
        action="store_true",
        help="read all that is there and compare it with its checksums, and with --raw"
        " every photo and label with the raw files",
    )
    command.add_argument(
        "--size",
        type=parse_size,
        metavar="HEIGHTxWIDTH",
        help="also write the caches of this size that config.data.resized reads; needs"
        " --label_map",
    )
    command.add_argument(
        "--label_map",
        choices=LABEL_MAPS,
        help="the classes of these caches, and of the table of what becomes of the"
        " dataset's ids; default, of the table: the one that keeps most classes apart",
    )
    command = commands.add_parser(
        "synthesize", help="write drawn people as the raw files of a dataset"
    )
    command.add_argument("dataset", choices=WRITERS)
    command.add_argument(
        "--raw", metavar="DIR", required=True, help="a folder that does not exist yet"
    )
    command.add_argument(
        "--count", type=int, metavar="N", default=100, help="default: %(default)s"
    )
    add_refine(commands)
    add_doctor(commands)
    add_weights(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
