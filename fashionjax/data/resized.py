"""A prepared split at one size under one label map, kept on disk for fast reading.

A record is the label, uint8 `[height, width]`, and the photo as `encode_photo` writes
it behind that. Which size, map and photos these are is in `index.json` beside them.
"""

import bisect
import dataclasses
import hashlib
import itertools
import json
import pathlib
from typing import Any

import numpy as np
import PIL

from fashionjax.constants import IMAGE, LABEL
from fashionjax.data.images import decode_photo, encode_photo
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.locking import locked
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.shards import (
    divide,
    remove_summaries,
    write_shards,
    write_whole,
)

FOLDER = "resized"
"""Where the caches of a prepared dataset lie in its folder, and go with it."""

INDEX = "index.json"
"""What a cache is of, the checksums of its files and the ids of its photos."""

_FORMAT = 1
_SHARD_EXAMPLES = 1000
# zstd makes a fiftieth of a label, and leaves the photo, which is compressed already.
_OPTIONS = "group_size:1,zstd:3"


class ResizedSource:
    """One split from its cache, with the features `image`, `label` and `image_id`.

    It can be pickled, and read from several threads and processes.

    Attributes:
        folder: Where the cache lies.
    """

    def __init__(self, folder: pathlib.Path, label_map: LabelMap) -> None:
        """Opens the cache of a split.

        Args:
            folder: As `resized_folder` names it; it must be there.
            label_map: The one that it was written for.
        """
        self.label_map = label_map
        self.folder = folder
        self._open()

    @property
    def directory(self) -> pathlib.Path:
        """The folder of the prepared version that this is a cache of."""
        return self.folder.parents[2]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the labels."""
        return self.label_map.class_names

    def __len__(self) -> int:
        """Number of examples in the split."""
        return len(self._image_ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Reads one example.

        Returns:
            `image` uint8 `[height, width, 3]`, `label` uint8 `[height, width]` of
            class ids and `image_id` (str).

        Raises:
            IndexError: No example has this index.
            ValueError: The cache is damaged; the message names the image.
        """
        image = np.empty((*self.size, 3), np.uint8)
        label = np.empty(self.size, np.uint8)
        self.read_into(index, image, label)
        return {IMAGE: image, LABEL: label, "image_id": self._image_ids[index]}

    def read_into(self, index: int, image: np.ndarray, label: np.ndarray) -> None:
        """Reads one example to where it is wanted, a row of a batch for example.

        Args:
            index: 0 up to the length, exclusive.
            image: uint8 `[height, width, 3]`, written.
            label: uint8 `[height, width]`, written.

        Raises:
            IndexError: No example has this index.
            ValueError: The cache is damaged; the message names the image.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)} in split {self.split}")
        try:
            # ArrayRecord checks the record by a hash of its own.
            record = memoryview(self._records[index])
            label[...] = np.frombuffer(record, np.uint8, label.size).reshape(self.size)
            decode_photo(record[label.size :], image)
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"cannot read image {self._image_ids[index]!r} of"
                f" {self._file_of(index)}: {error}. Remove {self.folder}, and it is"
                " made anew"
            ) from error

    def _file_of(self, index: int) -> pathlib.Path:
        shard = self._shards[bisect.bisect_right(self._ends, index)]
        return self.folder / shard["file"]

    def _open(self) -> None:
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        index = json.loads((self.folder / INDEX).read_text())
        self.split: str = index["split"]
        self.size: tuple[int, int] = tuple(index["size"])
        self._image_ids: list[str] = index["image_ids"]
        self._shards: list[dict[str, Any]] = index["shards"]
        self._ends = list(itertools.accumulate(s["num_records"] for s in self._shards))
        # Told their lengths it opens no file before it is read.
        self._records = ArrayRecordDataSource(
            [f"{self.folder / s['file']}[0:{s['num_records']}]" for s in self._shards]
        )

    def __getstate__(self) -> dict[str, Any]:
        """What a process needs to open the files itself."""
        return {"folder": self.folder, "label_map": self.label_map}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Reopens the files in the new process."""
        self.__dict__.update(state)
        self._open()


def open_resized(source: PreparedSource) -> ResizedSource:
    """Opens the cache of a split, after writing it if it is not there yet.

    Whoever is interrupted goes on at the next call; two at the same time wait for each
    other.

    Args:
        source: The prepared split, at the size and under the label map that are wanted.

    Returns:
        Examples with the same labels, and with the images as JPEG keeps them.

    Raises:
        ValueError: The source has no size or no label map, or an example cannot be
            read.
    """
    folder = resized_folder(source)
    assert source.label_map is not None
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_name(f"{folder.name}.lock")):
            # Another process may have written it while this one waited.
            if not folder.is_dir():
                _write(source, folder)
    return ResizedSource(folder, source.label_map)


def resized_folder(source: PreparedSource) -> pathlib.Path:
    """Where the cache of a split lies, whether it is there or not.

    The name tells the size and the label map; the digits behind it stand for the
    classes of all ids, those that drop photos, and the prepared records.

    Raises:
        ValueError: The source has no size or no label map.
    """
    if source.size is None or source.label_map is None:
        raise ValueError("a source without a size and a label map has no cache")
    digest = hashlib.sha256()
    key = [_FORMAT, source.size, sorted(source.label_map.target_of.items())]
    key += [sorted(source.label_map.dropped)] * bool(source.label_map.dropped)
    digest.update(json.dumps(key).encode())
    for name in ("dataset_info.json", "metadata.json"):
        digest.update((source.directory / name).read_bytes())
    height, width = source.size
    name = f"{height}x{width}-{source.label_map.name}-{digest.hexdigest()[:8]}"
    return source.directory / FOLDER / name / source.split


def _write(source: PreparedSource, folder: pathlib.Path) -> None:
    """Writes a split; only the last step, a rename, makes it visible."""
    assert source.label_map is not None
    image_ids: list[str] = []

    def make(index: int) -> tuple[bytes, str]:
        example = source[index]
        record = example[LABEL].tobytes() + encode_photo(example[IMAGE])
        return record, example["image_id"]

    staging = folder.with_name(f"{folder.name}.incomplete")
    written = write_shards(
        staging,
        divide(
            range(len(source)),
            _SHARD_EXAMPLES,
            lambda number, _: f"{number:05d}.array_record",
        ),
        make,
        lambda _, image_id: image_ids.append(image_id),
        title=f"{source.split} at {folder.parent.name}",
        options=_OPTIONS,
    )
    index = {
        "format": _FORMAT,
        "split": source.split,
        "size": source.size,
        "label_map": source.label_map.name,
        "pillow": PIL.__version__,
        "shards": [dataclasses.asdict(shard) for shard in written],
        "image_ids": image_ids,
    }
    write_whole(staging / INDEX, json.dumps(index))
    remove_summaries(staging)
    staging.rename(folder)
