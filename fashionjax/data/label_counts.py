"""How many pixels of what every photo of a prepared split has, under no label map yet.

Counted while a dataset is prepared and kept beside its records, so that nobody reads
45,000 photos to tell what a label map makes of them, or which of them it drops.
"""

import dataclasses
import pathlib
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence, Set

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from fashionjax.constants import IGNORE_INDEX
from fashionjax.data.instances import Stacks, format_stacks, parse_stacks
from fashionjax.data.label_maps import LabelMap

FILE = "label_counts.npz"
"""Its name, beside the records."""

# What is raised where the file is damaged; the last by a header of another packing.
_DAMAGE = (
    ValueError,
    KeyError,
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
)

Counted = Sequence[tuple[Sequence[int], int]]
"""Source ids that lie on each other, the top one first, and their number of pixels."""


@dataclasses.dataclass(frozen=True)
class LabelCounts:
    """The labels of a split in numbers.

    Attributes:
        num_photos: Number of photos, in the order of the records.
        stacks: Source ids that lie on each other anywhere, the top one first; of a
            dataset without instances, single ids.
        rows: Photo, position in `stacks` and number of pixels, by photo.
    """

    num_photos: int
    stacks: Stacks
    rows: Int64[np.ndarray, "rows 3"]

    def pixels_of_sources(self) -> Int64[np.ndarray, " 256"]:
        """Pixels of each source id, also where it lies below others."""
        pixels = np.zeros(256, np.int64)
        for stack, count in zip(self.stacks, self._pixels_of_stacks(), strict=True):
            pixels[list(stack)] += count
        return pixels

    def pixels_of_nothing(self) -> int:
        """Pixels between the instances."""
        empty = np.array([not stack for stack in self.stacks], bool)
        return int(self._pixels_of_stacks()[empty].sum())

    def pixels_of_classes(self, label_map: LabelMap) -> Int64[np.ndarray, " 256"]:
        """Pixels of each class, `IGNORE_INDEX` last, in the photos that are kept."""
        kept = ~self.dropped_by(label_map)[self.rows[:, 0]]
        pixels = np.zeros(256, np.int64)
        classes = _shown(self.stacks, label_map)[self.rows[kept, 1]]
        np.add.at(pixels, classes, self.rows[kept, 2])
        return pixels

    def dropped_by(self, label_map: LabelMap) -> Bool[np.ndarray, " num_photos"]:
        """Whether a label map leaves a photo out."""
        return self._photos_with(label_map.dropped)

    def has_classes(
        self, label_map: LabelMap
    ) -> Bool[np.ndarray, "num_photos num_classes"]:
        """Whether a photo has a source id of each class, visible or not."""
        present = np.zeros((self.num_photos, label_map.num_classes), bool)
        for class_id in range(label_map.num_classes):
            ids = {s for s, target in label_map.target_of.items() if target == class_id}
            present[:, class_id] = self._photos_with(ids)
        return present

    def _pixels_of_stacks(self) -> Int64[np.ndarray, " stacks"]:
        pixels = np.zeros(len(self.stacks), np.int64)
        np.add.at(pixels, self.rows[:, 1], self.rows[:, 2])
        return pixels

    def _photos_with(self, ids: Set[int]) -> Bool[np.ndarray, " num_photos"]:
        """Whether a photo has one of some source ids."""
        stacks = np.array([not ids.isdisjoint(stack) for stack in self.stacks], bool)
        found = np.zeros(self.num_photos, bool)
        found[self.rows[stacks[self.rows[:, 1]], 0]] = True
        return found


def count_label(label: UInt8[np.ndarray, "height width"], stacks: Stacks) -> Counted:
    """Counts the pixels of a photo's label.

    Args:
        label: Source ids, or numbers of stacks if there are any.
        stacks: See `fashionjax.data.instances`.
    """
    numbers = np.bincount(label.ravel()).tolist()
    return [
        (stacks[i] if stacks else (i,), count)
        for i, count in enumerate(numbers)
        if count
    ]


def collect(photos: Iterable[Counted]) -> LabelCounts:
    """Puts the counts of a split's photos together, in the order of its records."""
    number_of: dict[tuple[int, ...], int] = {}
    rows, num_photos = [], 0
    for counted in photos:
        for stack, count in counted:
            number = number_of.setdefault(tuple(stack), len(number_of))
            rows.append((num_photos, number, count))
        num_photos += 1
    return LabelCounts(
        num_photos, tuple(number_of), np.array(rows, np.int64).reshape(-1, 3)
    )


def write_counts(folder: pathlib.Path, counts: Mapping[str, LabelCounts]) -> None:
    """Writes the counts of all splits into the folder of the records."""
    arrays = {}
    for split, found in counts.items():
        arrays[f"{split}/num_photos"] = np.array(found.num_photos)
        arrays[f"{split}/stacks"] = np.array([format_stacks(found.stacks)])
        arrays[f"{split}/rows"] = found.rows.astype(np.int32)
    part = folder / f"{FILE}.part"
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    part.replace(folder / FILE)


def read_counts(folder: pathlib.Path, split: str) -> LabelCounts | None:
    """Reads the counts of a split.

    Returns:
        The counts; None where none are kept: an earlier version prepared the dataset.

    Raises:
        ValueError: The file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return LabelCounts(
                num_photos=int(arrays[f"{split}/num_photos"]),
                stacks=parse_stacks(str(arrays[f"{split}/stacks"][0])),
                rows=arrays[f"{split}/rows"].astype(np.int64),
            )
    except _DAMAGE as error:
        raise ValueError(
            f"cannot read {path}: {error}. Remove it, and the command prepare counts"
            " anew"
        ) from error


def _shown(stacks: Stacks, label_map: LabelMap) -> UInt8[np.ndarray, " stacks"]:
    """The class that each stack shows."""
    ignored = np.array([stack == (IGNORE_INDEX,) for stack in stacks], bool)
    classes = np.full(len(stacks), IGNORE_INDEX, np.uint8)
    labelled = [s for s, i in zip(stacks, ignored, strict=True) if not i]
    classes[~ignored] = label_map.classes_of(labelled)
    return classes
