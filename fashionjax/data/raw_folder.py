"""What a dataset's raw files give, whatever their format."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from fashionjax.data.instances import Stacks


@dataclasses.dataclass(frozen=True)
class RawExample:
    """A photo and its label, as the raw files have them.

    Attributes:
        image: The photo's file.
        image_name: What to call it in errors.
        label_name: What to call the label.
        label: uint8 `[height, width]` of source ids; of stack numbers if there are
            stacks.
        stacks: What overlaps, of datasets that label instances.
    """

    image: bytes
    image_name: str
    label_name: str
    label: np.ndarray
    stacks: Stacks = ()

    def source_ids(self) -> set[int]:
        """The source ids in the label, also those that lie below others."""
        present = np.flatnonzero(np.bincount(self.label.ravel())).tolist()
        if not self.stacks:
            return set(present)
        return set().union(*(self.stacks[number] for number in present))


class RawFolder(Protocol):
    """The raw files of a dataset, divided into splits; read from several threads."""

    @property
    def image_ids(self) -> Collection[str]:
        """Ids of all photos that have a label; the splits may leave some out."""
        ...

    @property
    def unlabelled(self) -> Sequence[str]:
        """Names of the photos in it that have no label."""
        ...

    @property
    def splits(self) -> Mapping[str, Sequence[str]]:
        """Ids of the photos by split; at least one."""
        ...

    def divide(self, image_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Divides some of the photos, as `splits` divides all of them."""
        ...

    def read(self, image_id: str) -> RawExample:
        """Reads a photo and its label.

        Raises:
            ValueError: One of them is damaged or not what it should be.
        """
        ...
