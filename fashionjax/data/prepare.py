"""Makes the raw files of a dataset into records that training can read fast."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from absl import logging

from fashionjax.data.card import describe_names, describe_photos
from fashionjax.data.instances import SMALLER_WINS
from fashionjax.data.label_counts import (
    LabelCounts,
    collect,
    count_label,
    read_counts,
    write_counts,
)
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.locking import locked
from fashionjax.data.parallel import map_in_order
from fashionjax.data.photo_builder import CARD, PhotoBuilder
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.progress import progress
from fashionjax.data.published import (
    check_label_map,
    choose_variant,
    data_root,
    find_dataset,
    find_raw,
    find_variant,
    folder_of,
    open_published,
)
from fashionjax.data.quarantine import MAX_BAD_FRACTION, describe
from fashionjax.data.raw_folder import RawFolder
from fashionjax.data.refined import Refinement, read_refinement
from fashionjax.data.resized import ResizedSource, open_resized
from fashionjax.data.unpacking import find_unpacked, unpacked_name
from fashionjax.data.variant import Variant


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset on disk.

    Attributes:
        data_dir: The folder for all datasets, as sources take it.
        directory: The folder of this dataset, variant and version.
        scheme: How `open_split` calls it: the split scheme, and what else is unusual.
        has_test: Whether the scheme has a test split.
        num_examples: Number of examples by split.
        raw: Counts and hash of the raw files it was made from, and of the decisions.
        quarantine: What is wrong with the photos that were left out, by their ids.
        overlap: Pixels `visible` and `hidden` by category, of datasets of instances;
            see `fashionjax.data.instances.Overlap`.
        card: A page of Markdown that describes it; None if an earlier version of this
            project prepared it.
        categories: Number of photos by split and category, of the same datasets.
        fresh: Whether this call made it, rather than found it.
    """

    data_dir: pathlib.Path
    directory: pathlib.Path
    scheme: str
    has_test: bool
    num_examples: dict[str, int]
    raw: dict[str, Any]
    quarantine: dict[str, str]
    overlap: dict[str, dict[str, int]]
    card: pathlib.Path | None
    categories: dict[str, dict[str, int]]
    fresh: bool


def prepare(  # noqa: PLR0913 (keywords of independent meaning)
    name: str,
    raw_dir: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    scheme: str | None = None,
    overlap: str = SMALLER_WINS,
    first_pixel: int = 1,
    refined_dir: str | os.PathLike[str] | None = None,
    max_bad_fraction: float = MAX_BAD_FRACTION,
    overwrite: bool = False,
) -> Prepared:
    """Prepares a dataset, unless it is there already.

    A preparation that is interrupted leaves nothing that reads as complete, and the
    next one goes on from there; two at the same time wait for each other.

    Args:
        name: One of `DATASETS`.
        raw_dir: The dataset's files as published: their folder, an archive of it, or
            a folder of archives as downloaded; None downloads them.
        data_dir: Where prepared datasets lie; None for `default_data_dir()`.
        scheme: How photos are divided, one of the dataset's `schemes()`, or what
            `Prepared.scheme` says; None for the first of them.
        overlap: Which of several instances on a pixel is on top, one of
            `fashionjax.data.instances.ORDERS`.
        first_pixel: The number of a photo's first pixel in run lengths, 1 or 0; both
            for datasets that have them alone.
        refined_dir: A folder of `refine`'s decisions: photos are cropped or left out
            as it says, and what is kept is divided. None for the photos as they are.
        max_bad_fraction: Share of the photos, 0..1, that may be left out because they
            cannot be read or do not fit their labels; each is told.
        overwrite: Prepare anew even if it is there.

    Returns:
        Where it is and what it holds.

    Raises:
        ValueError: Unknown dataset, scheme or order, or a number that is not allowed;
            the raw files are missing, too many of them damaged, or others than those it
            was prepared from; so are the decisions.
    """
    dataset = find_dataset(name)
    refined = refined_dir is not None
    variant = choose_variant(dataset, scheme, overlap, refined, first_pixel)
    root = data_root(data_dir)
    directory = folder_of(root, dataset, variant.name)
    found = directory.is_dir() and not overwrite
    refinement = _refinement(refined_dir, directory if found else None)
    if not found:
        if variant.refined and refinement is None:
            raise ValueError(
                f"{variant.name} is not prepared in {root}; its decisions are needed:"
                " --refined=DIR"
            )
        (root / name).mkdir(parents=True, exist_ok=True)
        with locked(root / name / "lock"):
            # Another process may have prepared it while this one waited.
            found = directory.is_dir() and not overwrite
            if not found:
                source = find_raw(name, raw_dir, root)
                unpacked = unpacked_name(raw_dir, dataset.find_raw) if raw_dir else ""
                builder = _builder(dataset, root, variant, refinement, max_bad_fraction)
                _write(builder, source, directory, unpacked)
    if found:
        _check_same_files(dataset, directory, raw_dir, root, refinement)
    info = json.loads((directory / "dataset_info.json").read_text())
    counts = {s["name"]: sum(map(int, s["shardLengths"])) for s in info["splits"]}
    metadata = _metadata(directory)
    # Datasets prepared before there was a quarantine have none.
    left_out = metadata.get("quarantine", {})
    card = directory / CARD
    if not found:
        _tell_odd(name, directory, metadata)
    return Prepared(
        data_dir=root,
        directory=directory,
        scheme=variant.name,
        has_test=variant.scheme not in dataset.WITHOUT_TEST,
        num_examples=counts,
        raw=metadata["raw"],
        quarantine=left_out,
        overlap=metadata.get("overlap", {}),
        card=card if card.exists() else None,
        categories=metadata.get("categories", {}),
        fresh=not found,
    )


def _tell_odd(name: str, directory: pathlib.Path, metadata: Mapping[str, Any]) -> None:
    """Says what is not as published in a dataset that has just been prepared."""
    photos, left_out = metadata["photos"], metadata["quarantine"]
    if len({*photos.values()}) > 1:
        print(
            f"{name}: photos with labels: {describe_photos(**photos)}", file=sys.stderr
        )
    if unlabelled := metadata["unlabelled"]:
        print(
            f"{name}: without a label are {describe_names(unlabelled)}; metadata.json"
            " has all names",
            file=sys.stderr,
        )
    if left_out:
        print(
            f"Left out {len(left_out)} of {name}, also listed in"
            f" {directory / 'metadata.json'}:\n{describe(left_out)}",
            file=sys.stderr,
        )


def open_split(
    name: str,
    data_dir: str | os.PathLike[str],
    split: str,
    size: tuple[int, int],
    label_map: LabelMap,
    *,
    scheme: str | None = None,
    resized: bool = False,
) -> PreparedSource | ResizedSource:
    """Opens a split of a prepared dataset.

    Args:
        name: One of `DATASETS`.
        data_dir: The folder that it was prepared into.
        split: `train`, `val` or `test`.
        size: (height, width) of what comes out.
        label_map: A map of the dataset's ids.
        scheme: How photos are divided, or what `Prepared.scheme` says; None for the
            dataset's first scheme.
        resized: Read from the cache of this size and label map, several times faster;
            it is written on first use. Labels are the same, images have been a JPEG
            of quality 95 at their new size.

    Returns:
        The examples.

    Raises:
        ValueError: Unknown dataset or scheme; it is not prepared there, has no such
            split, or the label map is not for it.
    """
    dataset = find_dataset(name)
    check_label_map(name, label_map)
    scheme = scheme or dataset.schemes()[0]
    variant = find_variant(name, scheme)
    directory = folder_of(pathlib.Path(data_dir), dataset, variant.name)
    if not directory.is_dir():
        raise ValueError(
            f"{name} is not prepared in {directory}; run python -m fashionjax.data "
            f"prepare {name} --raw=DIR --data_dir={data_dir} --split={scheme}"
        )
    source = PreparedSource(directory, split, size, label_map)
    return open_resized(source) if resized else source


def open_raw(
    name: str,
    prepared: Prepared,
    raw_dir: str | os.PathLike[str],
    refined_dir: str | os.PathLike[str] | None = None,
) -> RawFolder:
    """Opens raw files as a prepared dataset reads them.

    Args:
        name: One of `DATASETS`.
        prepared: What was prepared of it.
        raw_dir: As `prepare` takes it.
        refined_dir: The decisions, if it was refined.

    Returns:
        The photos that belong in it.

    Raises:
        ValueError: These are no such files, or decisions are missing.
    """
    variant = find_variant(name, prepared.scheme)
    refinement = _refinement(refined_dir, None)
    if variant.refined and refinement is None:
        raise ValueError(
            f"{variant.name} cannot be compared with {raw_dir} without its decisions:"
            " --refined=DIR"
        )
    raw = open_published(name, prepared.scheme, raw_dir, prepared.data_dir)
    return raw if refinement is None else refinement.apply(raw)


def count_labels(done: Prepared) -> dict[str, LabelCounts]:
    """What the labels of each split hold, without any photo being read.

    Datasets that an earlier version prepared have no counts: their labels are read
    once, and the counts are kept from then on.

    Args:
        done: The dataset.

    Returns:
        By split.

    Raises:
        ValueError: The counts or a label cannot be read.
    """
    splits = [split for split, count in done.num_examples.items() if count]
    kept = {split: read_counts(done.directory, split) for split in splits}
    counts = {split: found for split, found in kept.items() if found is not None}
    if len(counts) < len(splits):
        counts = {split: _count_split(done, split) for split in splits}
        write_counts(done.directory, counts)
    return counts


def _count_split(done: Prepared, split: str) -> LabelCounts:
    source = PreparedSource(done.directory, split, None, None)
    counted = map_in_order(
        lambda index: count_label(*source.read_label(index)), range(len(source))
    )
    return collect(progress(counted, len(source), f"Counting the labels of {split}"))


def _refinement(
    folder: str | os.PathLike[str] | None, found: pathlib.Path | None
) -> Refinement | None:
    """The decisions, which may be gone where the dataset is prepared already."""
    if folder is None:
        return None
    folder = pathlib.Path(folder).expanduser()
    if found is not None and not folder.exists():
        print(f"{folder} is gone; {found} is used as it is", file=sys.stderr)
        return None
    return read_refinement(folder)


def _builder(
    dataset: type[PhotoBuilder],
    data_dir: pathlib.Path,
    variant: Variant,
    refinement: Refinement | None,
    max_bad_fraction: float,
) -> PhotoBuilder:
    """Makes the builder of a variant."""
    with _quiet():
        return dataset(
            variant=variant,
            refinement=refinement,
            data_dir=data_dir,
            max_bad_fraction=max_bad_fraction,
        )


def _write(
    builder: PhotoBuilder, raw: pathlib.Path, directory: pathlib.Path, unpacked: str
) -> None:
    """Runs the builder; only its last step, a rename, makes the result visible."""
    # We hold the lock, so what lies here belongs to a process that died.
    staging = directory.with_name(f"{directory.name}.incomplete")
    builder.write(raw, staging, unpacked=unpacked)
    shutil.rmtree(directory, ignore_errors=True)
    staging.rename(directory)


def _check_same_files(
    dataset: type[PhotoBuilder],
    directory: pathlib.Path,
    raw_dir: str | os.PathLike[str] | None,
    data_dir: pathlib.Path,
    refinement: Refinement | None,
) -> None:
    """Refuses raw files and decisions that are not those of the prepared dataset."""
    metadata = _metadata(directory)
    then = metadata["raw"]
    now = dict(then)
    if raw_dir is not None:
        # Datasets prepared before this was kept know of no archive.
        known = metadata.get("unpacked", "")
        source = find_unpacked(raw_dir, data_dir, dataset.find_raw, known)
        if source is not None:
            # Datasets prepared before annotations were hashed have no such hash.
            found = dataset.fingerprint(source)
            now |= {key: value for key, value in found.items() if key in then}
        else:
            print(
                f"{raw_dir} is gone, or what was unpacked of it; {directory} is used as"
                " it is",
                file=sys.stderr,
            )
    if refinement is not None:
        now |= refinement.identity
    if then != now:
        raise ValueError(
            f"{directory} was prepared from other files: {_describe(then)}; there"
            f" are {_describe(now)} now. Choose another --data_dir, or prepare anew: "
            "python -m fashionjax.data prepare … --overwrite"
        )


def _metadata(directory: pathlib.Path) -> dict[str, Any]:
    return json.loads((directory / "metadata.json").read_text())


def _describe(raw: dict[str, Any]) -> str:
    counts = ", ".join(f"{v} {k}" for k, v in raw.items() if isinstance(v, int))
    hashes = [v[:8] for v in raw.values() if isinstance(v, str)]
    return f"{counts} (hash {', '.join(hashes)})"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences TFDS, which warns of configs that are no member of a list."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
