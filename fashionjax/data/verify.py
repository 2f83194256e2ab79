"""Compares what lies on disk with what was written."""

import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fashionjax.constants import IMAGE, LABEL
from fashionjax.data.images import decode_label
from fashionjax.data.instances import STACKS, parse_stacks
from fashionjax.data.parallel import map_in_order
from fashionjax.data.photo_builder import IMAGE_IDS
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.progress import progress
from fashionjax.data.raw_folder import RawFolder
from fashionjax.data.resized import FOLDER, INDEX
from fashionjax.data.shards import sha256_of, unreadable_records

_MOST_NAMES = 10


def verify(directory: pathlib.Path) -> int:
    """Reads all files of a prepared dataset and of its caches of a size.

    Args:
        directory: The folder of the prepared version.

    Returns:
        The number of files; all are as they were written.

    Raises:
        ValueError: Some are not. The message names each, and the photos in it that
            cannot be read.
    """
    metadata = json.loads((directory / "metadata.json").read_text())
    if "shards" not in metadata:
        raise ValueError(
            f"{directory} was prepared before there were checksums; prepare it anew:"
            " python -m fashionjax.data prepare … --overwrite"
        )
    image_ids = json.loads((directory / IMAGE_IDS).read_text())
    files = [
        file
        for split, shards in metadata["shards"].items()
        for file in _files(directory, shards, image_ids[split])
    ]
    for path in sorted((directory / FOLDER).glob(f"*/*/{INDEX}")):
        index = json.loads(path.read_text())
        files += _files(path.parent, index["shards"], index["image_ids"])
    damage = [
        f"  {path}: {_describe(path, ids)}"
        for path, sha256, ids in progress(files, len(files), "files")
        if not path.is_file() or sha256_of(path) != sha256
    ]
    if damage:
        raise ValueError(
            f"{len(damage)} of {len(files)} files are not what was written:\n"
            + "\n".join(damage)
            + f"\nWhat is in {directory / FOLDER} may be removed and is made anew; all"
            " else: python -m fashionjax.data prepare … --overwrite"
        )
    return len(files)


def compare_with_raw(directory: pathlib.Path, raw: RawFolder) -> int:
    """Reads the raw files again and compares every photo and label with its record.

    Args:
        directory: The folder of the prepared version.
        raw: The raw files, divided and refined as it was prepared.

    Returns:
        The number of photos; all are as they were, and so are their labels.

    Raises:
        ValueError: Some are not. The message names the first of them.
    """
    metadata = json.loads((directory / "metadata.json").read_text())
    image_ids = json.loads((directory / IMAGE_IDS).read_text())
    left_out = metadata["quarantine"].keys()
    differences = []
    for split, ids in image_ids.items():
        if [i for i in raw.splits.get(split, ()) if i not in left_out] != ids:
            differences.append(f"split {split} has other photos now")
            continue
        differences += _changed(directory, split, ids, raw) if ids else []
    count = sum(map(len, image_ids.values()))
    if differences:
        lines = [f"  {difference}" for difference in differences[:_MOST_NAMES]]
        more = len(differences) - len(lines)
        raise ValueError(
            f"the raw files are not those that {directory} was prepared from:\n"
            + "\n".join(lines + [f"  … and {more} more"] * (more > 0))
            + "\nPrepare it anew: python -m fashionjax.data prepare … --overwrite"
        )
    return count


def _changed(
    directory: pathlib.Path, split: str, image_ids: Sequence[str], raw: RawFolder
) -> list[str]:
    """What differs in a split, a line for each photo."""
    source = PreparedSource(directory, split, None, None)

    def difference(index: int) -> str | None:
        record = source.encoded(index)
        try:
            example = raw.read(image_ids[index])
        except (ValueError, OSError) as error:
            return f"{image_ids[index]}: {error}"
        if example.image != record[IMAGE]:
            return f"{example.image_name} has changed"
        stacks = parse_stacks(record[STACKS].decode()) if STACKS in record else ()
        label = decode_label(record[LABEL])
        if stacks != example.stacks or not np.array_equal(label, example.label):
            return f"{example.label_name} has changed"
        return None

    found = map_in_order(difference, range(len(image_ids)))
    title = f"compare {split} with the raw files"
    return [text for text in progress(found, len(image_ids), title) if text]


def _files(
    folder: pathlib.Path, shards: Sequence[dict[str, Any]], image_ids: Sequence[str]
) -> Iterator[tuple[pathlib.Path, str, Sequence[str]]]:
    """Each file with its checksum and the ids of its photos."""
    start = 0
    for shard in shards:
        end = start + shard["num_records"]
        yield folder / shard["file"], shard["sha256"], image_ids[start:end]
        start = end


def _describe(path: pathlib.Path, image_ids: Sequence[str]) -> str:
    lost = [image_ids[i] for i in unreadable_records(path, len(image_ids))]
    if not lost:
        return f"all its {len(image_ids)} photos can be read"
    more = len(lost) - _MOST_NAMES
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"of its {len(image_ids)} photos {len(lost)} cannot be read:"
        f" {', '.join(lost[:_MOST_NAMES])}{rest}"
    )
