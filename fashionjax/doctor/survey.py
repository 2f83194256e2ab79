"""Measures every example of a dataset once; all else works on what this returns."""

import concurrent.futures
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64

from fashionjax.constants import IGNORE_INDEX, IMAGE, LABEL
from fashionjax.data.instances import STACKS, Stacks, format_stacks
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.progress import progress
from fashionjax.doctor.datasets import StoredDataset
from fashionjax.doctor.duplicates import THUMBNAIL_SIDE, perceptual_hash, thumbnail


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What is kept of one example.

    Attributes:
        image_id: Its id.
        size: (height, width) of the image.
        label_size: (height, width) of the label.
        pixels: Number of the label's pixels of each class, under each label map.
        dropped: Whether each label map leaves the image out.
        sources: Number of the label's pixels of each source id, also below others.
        covered: Number of those that lie below others.
        image_digest: Hash of the image's size and pixels.
        label_digest: Hash of the label's size and pixels.
        perceptual_hash: See `duplicates.perceptual_hash`.
        thumbnail: The whole image in few pixels, RGB 0..255.
    """

    image_id: str
    size: tuple[int, int]
    label_size: tuple[int, int]
    pixels: Int64[np.ndarray, "label_maps 256"]
    dropped: Bool[np.ndarray, " label_maps"]
    sources: Int64[np.ndarray, " 256"]
    covered: Int64[np.ndarray, " 256"]
    image_digest: bytes
    label_digest: bytes
    perceptual_hash: int
    thumbnail: UInt8[np.ndarray, "side side 3"]


@dataclasses.dataclass(frozen=True)
class Survey:
    """The measurements of a dataset's readable examples, split after split.

    Attributes:
        splits: Names of the splits, in order.
        image_ids: Id of each example.
        split: Position in `splits` of each example.
        index: Index of each example within its split.
        sizes: (height, width) of each image.
        label_sizes: (height, width) of each label.
        pixels: Number of pixels of each class in each label, under each label map;
            `IGNORE_INDEX` counts those without a label.
        dropped: Whether each label map leaves an image out.
        sources: Number of pixels of each source id, also where it lies below others.
        covered: Number of those that lie below others.
        image_digests: Equal where images are equal pixel for pixel.
        label_digests: Equal where labels are.
        perceptual_hashes: Close in bits where images look the same.
        thumbnails: Each image in few pixels.
        unreadable: (split, index, reason) of every example that could not be read.
    """

    splits: tuple[str, ...]
    image_ids: tuple[str, ...]
    split: Int64[np.ndarray, " images"]
    index: Int64[np.ndarray, " images"]
    sizes: Int64[np.ndarray, "images 2"]
    label_sizes: Int64[np.ndarray, "images 2"]
    pixels: Int64[np.ndarray, "images label_maps 256"]
    dropped: Bool[np.ndarray, "images label_maps"]
    sources: Int64[np.ndarray, "images 256"]
    covered: Int64[np.ndarray, "images 256"]
    image_digests: tuple[bytes, ...]
    label_digests: tuple[bytes, ...]
    perceptual_hashes: UInt64[np.ndarray, " images"]
    thumbnails: UInt8[np.ndarray, "images side side 3"]
    unreadable: tuple[tuple[str, int, str], ...]

    def __len__(self) -> int:
        """Number of examples that could be read."""
        return len(self.image_ids)

    @property
    def shown(self) -> Int64[np.ndarray, "images 256"]:
        """Number of pixels of each class under the first label map."""
        return self.pixels[:, 0]


def measure(example: Mapping[str, Any], label_maps: Sequence[LabelMap]) -> Measurement:
    """Measures an example.

    Args:
        example: "image" uint8 `[H, W, 3]`, "label" uint8 `[H, W]` of source ids and
            "image_id"; of instances also "stacks", whose numbers the label holds.
        label_maps: Under which pixels are counted.

    Raises:
        ValueError: The label has an id that a label map does not know.
    """
    image, label = example[IMAGE], example[LABEL]
    numbers = np.bincount(label.ravel(), minlength=256)
    stacks: Stacks = example.get(STACKS, ())
    sources, covered = _sources(numbers, stacks)
    known = np.delete(sources, IGNORE_INDEX)
    return Measurement(
        image_id=str(example["image_id"]),
        size=image.shape[:2],
        label_size=label.shape,
        pixels=np.stack([_classes(numbers, stacks, m) for m in label_maps]),
        dropped=np.array([known[sorted(m.dropped)].any() for m in label_maps]),
        sources=sources,
        covered=covered,
        image_digest=_digest(image),
        label_digest=_digest(label) + format_stacks(stacks).encode(),
        perceptual_hash=perceptual_hash(image),
        thumbnail=thumbnail(image),
    )


def _sources(numbers: np.ndarray, stacks: Stacks) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each source id, and how many of them lie below others."""
    if not stacks:
        return numbers, np.zeros(256, np.int64)
    pixels, covered = np.zeros((2, 256), np.int64)
    for number, stack in enumerate(stacks):
        pixels[list(stack)] += numbers[number]
        covered[list(stack[1:])] += numbers[number]
    return pixels, covered


def _classes(numbers: np.ndarray, stacks: Stacks, label_map: LabelMap) -> np.ndarray:
    """Pixels of each class."""
    present = np.flatnonzero(numbers).astype(np.uint8)
    classes = label_map.apply(present, stacks)
    return np.bincount(classes, numbers[present], 256).astype(np.int64)


def survey(dataset: StoredDataset, threads: int = 0) -> Survey:
    """Reads and measures every example, in several threads, and tells how far it is.

    Args:
        dataset: Where to read them.
        threads: How many; 0 for one a core.

    Returns:
        The measurements, in the order of splits and indices. An example that its source
        refuses with a ValueError is listed as unreadable.

    Raises:
        ValueError: A negative number of threads, or no example can be read.
    """
    if threads < 0:
        raise ValueError(f"threads {threads}; allowed are 0 (one a core) and more")
    sources, title = dataset.sources, dataset.name
    places = [(s, i) for s, source in sources.items() for i in range(len(source))]

    def read(place: tuple[str, int]) -> Measurement | str:
        split, index = place
        try:
            return measure(sources[split][index], dataset.label_maps)
        except ValueError as error:
            return str(error)

    # Decoding, hashing and resizing let other threads run.
    pool = concurrent.futures.ThreadPoolExecutor(threads or os.cpu_count())
    try:
        results = progress(pool.map(read, places), len(places), f"{title}: examining")
        found = _gather(places, results, tuple(sources), len(dataset.label_maps))
    finally:
        pool.shutdown(cancel_futures=True)  # or Ctrl-C would wait for all of them
    if not found:
        bad = found.unreadable
        reason = f"; the first: {bad[0][2]}" if bad else ""
        raise ValueError(f"{title}: none of {len(places)} examples can be read{reason}")
    return found


def _gather(
    places: Sequence[tuple[str, int]],
    results: Iterable[Measurement | str],
    splits: tuple[str, ...],
    num_maps: int,
) -> Survey:
    """The fields of all measurements as arrays, written as they come."""
    # Ten kilobytes a photo, so there is one copy. 64 bits, since what is summed has the
    # type of its terms.
    columns = [
        ("size", np.int64, (2,)),
        ("label_size", np.int64, (2,)),
        ("pixels", np.int64, (num_maps, 256)),
        ("sources", np.int64, (256,)),
        ("covered", np.int64, (256,)),
        ("perceptual_hash", np.uint64, ()),
        ("dropped", np.bool_, (num_maps,)),
        ("thumbnail", np.uint8, (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)),
    ]
    rows = np.zeros(len(places), np.dtype(columns, align=True))
    good: list[tuple[int, int]] = []
    texts: list[tuple[str, bytes, bytes]] = []
    unreadable: list[tuple[str, int, str]] = []
    for (split, index), found in zip(places, results, strict=True):
        if isinstance(found, str):
            unreadable.append((split, index, found))
            continue
        rows[len(good)] = tuple(getattr(found, name) for name, _, _ in columns)
        good.append((splits.index(split), index))
        texts.append((found.image_id, found.image_digest, found.label_digest))
    rows = rows[: len(good)]
    numbers = np.array(good, np.int64).reshape(-1, 2)
    return Survey(
        splits=splits,
        image_ids=tuple(image_id for image_id, _, _ in texts),
        split=numbers[:, 0],
        index=numbers[:, 1],
        sizes=rows["size"],
        label_sizes=rows["label_size"],
        pixels=rows["pixels"],
        dropped=rows["dropped"],
        sources=rows["sources"],
        covered=rows["covered"],
        image_digests=tuple(digest for _, digest, _ in texts),
        label_digests=tuple(digest for _, _, digest in texts),
        perceptual_hashes=rows["perceptual_hash"],
        thumbnails=rows["thumbnail"],
        unreadable=tuple(unreadable),
    )


def _digest(array: UInt8[np.ndarray, "..."]) -> bytes:
    digest = hashlib.blake2b(repr(array.shape).encode(), digest_size=16)
    digest.update(array.tobytes())
    return digest.digest()
