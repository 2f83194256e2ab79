"""What the rest of the project knows of a dataset."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from fashionjax.data.label_maps import LabelMap

SPLITS = ("train", "val", "test")


class Source(Protocol):
    """Random access to the examples of a split; can be pickled."""

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns "image" uint8 [H, W, 3], "label" uint8 [H, W] and "image_id"."""
        ...


@runtime_checkable
class RowSource(Source, Protocol):
    """A source that can write to the rows of a batch, which spares a copy."""

    def read_into(self, index: int, image: np.ndarray, label: np.ndarray) -> None:
        """Writes "image" uint8 [H, W, 3] and "label" uint8 [H, W] of an example."""
        ...


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A dataset under one label map, at one size.

    Attributes:
        name: What the dataset is called in configs.
        label_map: Classes and colours.
        image_size: (height, width) of all images.
        sources: One source for each of `SPLITS`; those of `test` and `val` are the
            same where nothing is left to test.
    """

    name: str
    label_map: LabelMap
    image_size: tuple[int, int]
    sources: Mapping[str, Source]

    @property
    def has_test(self) -> bool:
        """Whether `test` is more than another name of `val`."""
        return self.sources["test"] is not self.sources["val"]
