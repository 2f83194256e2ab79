"""Random access to a prepared dataset: photos and labels at the configured size."""

import json
import pathlib
from typing import Any

import numpy as np

from fashionjax.constants import IMAGE, LABEL
from fashionjax.data.images import decode_image, decode_label, resize_label
from fashionjax.data.instances import STACKS, Stacks, parse_stacks
from fashionjax.data.label_counts import read_counts
from fashionjax.data.label_maps import LabelMap


class PreparedSource:
    """One split of a dataset with the features `image`, `label` and `image_id`.

    A dataset of instances has `stacks` too; see `fashionjax.data.instances`.

    It can be pickled, and read from several threads and processes; each process opens
    its own files.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        split: str,
        size: tuple[int, int] | None,
        label_map: LabelMap | None,
    ) -> None:
        """Opens the split.

        Args:
            directory: Folder of the prepared version (with its `dataset_info.json`).
            split: `train`, `val` or `test`.
            size: (height, width) of what comes out; the aspect ratio is not kept. None
                leaves every image and every label as large as it is.
            label_map: From the ids in the files to the classes; None leaves labels as
                they are stored, and gives the stacks of instances with them. Photos
                that the map drops are not there.

        Raises:
            ValueError: The size is not positive, the split does not exist, the label
                map drops all of it, or some and it is not known which.
        """
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(f"size {size}: allowed are (height, width), both positive")
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.split = split
        self.label_map = label_map
        self.directory = directory
        self._records = _open(directory, split)
        self._kept = _kept(directory, split, label_map)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; none without a label map."""
        return () if self.label_map is None else self.label_map.class_names

    def __len__(self) -> int:
        """Number of examples in the split that the label map keeps."""
        return len(self._records) if self._kept is None else len(self._kept)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Reads one example.

        Args:
            index: 0 up to the length, exclusive.

        Returns:
            `image` uint8 `[height, width, 3]`, `label` uint8 `[height, width]` of
            class ids and `image_id` (str). Without a label map the label holds source
            ids; of a dataset of instances it holds numbers of `stacks`, see
            `fashionjax.data.instances`.

        Raises:
            IndexError: No example has this index.
            ValueError: The image or the label cannot be decoded or holds an unknown
                id; the message names the image.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)} in split {self.split}")
        record = self.encoded(index)
        image_id = record["image_id"].decode()
        name = f"image {image_id!r} of {self.directory}"
        image = decode_image(record[IMAGE], name=name, size=self.size)
        label = decode_label(record[LABEL], name=f"the label of {name}")
        try:
            if self.size is not None:
                label = resize_label(label, self.size)
            labelled = self._labelled(label, record)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        return {IMAGE: image, "image_id": image_id} | labelled

    def read_label(self, index: int) -> tuple[np.ndarray, Stacks]:
        """Reads a label as it is stored, without its photo.

        Args:
            index: 0 up to the length, exclusive.

        Returns:
            uint8 `[height, width]` of source ids, or of numbers of the stacks if there
            are any.

        Raises:
            ValueError: It cannot be read.
        """
        record = self.encoded(index)
        name = f"the label of image {record['image_id'].decode()!r} of {self.directory}"
        stacks = parse_stacks(record[STACKS].decode()) if STACKS in record else ()
        return decode_label(record[LABEL], name=name), stacks

    def encoded(self, index: int) -> dict[str, Any]:
        """Reads one example as it is stored.

        Args:
            index: 0 up to the length, exclusive.

        Returns:
            The bytes of the files `image` and `label` and of the texts `image_id` and,
            of a dataset of instances, `stacks`.

        Raises:
            ValueError: The record is damaged.
        """
        try:
            place = index if self._kept is None else int(self._kept[index])
            return self._records[place]
        except RuntimeError as error:  # of ArrayRecord, which checks a hash
            raise ValueError(
                f"cannot read example {index} of split {self.split} of"
                f" {self.directory}: {error}. Prepare it anew:"
                " python -m fashionjax.data prepare … --overwrite"
            ) from error

    def _labelled(self, label: np.ndarray, record: dict[str, Any]) -> dict[str, Any]:
        """From what the record holds to classes."""
        if STACKS not in record:
            if self.label_map is not None:
                label = self.label_map.apply(label)
            return {LABEL: label}
        stacks = parse_stacks(record[STACKS].decode())
        if label.max() >= len(stacks):
            raise ValueError(f"stack {label.max()} of {len(stacks)}")
        if self.label_map is None:
            return {LABEL: label, STACKS: stacks}
        return {LABEL: self.label_map.apply(label, stacks)}

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what a process has to open itself."""
        return self.__dict__ | {"_records": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Reopens the files in the new process."""
        self.__dict__.update(state)
        self._records = _open(self.directory, self.split)


def _kept(
    directory: pathlib.Path, split: str, label_map: LabelMap | None
) -> np.ndarray | None:
    """Positions of the photos that the label map keeps; None: it keeps all."""
    if label_map is None or not label_map.dropped:
        return None
    counts = read_counts(directory, split)
    if counts is None:
        # An earlier version counted photos by category, of datasets of instances.
        metadata = json.loads((directory / "metadata.json").read_text())
        photos = metadata.get("categories", {}).get(split)
        if photos is not None and not photos.keys() & set(map(str, label_map.dropped)):
            return None
        raise ValueError(
            f"label map {label_map.name!r} drops some photos, and which of {directory}"
            " was not counted yet; python -m fashionjax.data prepare"
            f" {directory.parents[1].name} --data_dir={directory.parents[2]}"
            f" --split={directory.parent.name} counts"
        )
    dropped = counts.dropped_by(label_map)
    if dropped.all():
        raise ValueError(
            f"label map {label_map.name!r} drops all {len(dropped)} photos of split"
            f" {split} of {directory}"
        )
    return np.flatnonzero(~dropped) if dropped.any() else None


def _open(directory: pathlib.Path, split: str) -> Any:
    """The records of a split, images and labels still encoded."""
    import tensorflow_datasets as tfds  # half a second that not every user needs

    builder = tfds.builder_from_directory(directory)
    if split not in builder.info.splits:
        raise ValueError(
            f"{directory} has no split {split!r}; allowed are "
            f"{sorted(builder.info.splits)}"
        )
    if not builder.info.splits[split].num_examples:
        raise ValueError(
            f"{directory} has no example in split {split!r}: all are left out, as its"
            " metadata.json tells"
        )
    encoded = {IMAGE: tfds.decode.SkipDecoding(), LABEL: tfds.decode.SkipDecoding()}
    # A decorator of TFDS hides the parameters from type checkers.
    return builder.as_data_source(split=split, decoders=encoded)  # pyright: ignore[reportCallIssue]
