"""Images that are there more than once: the same pixels, or the same picture."""

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
import scipy.fft
from jaxtyping import Float, Int64, UInt8, UInt64
from PIL import Image

THUMBNAIL_SIDE = 16
"""Height and width of a thumbnail."""

MAX_DISTANCE = 10
"""Bits, of 63, by which the hashes of near duplicates differ at most."""

MAX_DIFFERENCE = 20.0
"""Mean absolute difference, of 255, of the thumbnails of near duplicates at most."""

MAX_PAIRS = 10_000
"""Near duplicates that are listed: a thousand versions of a photo are 499,500 pairs."""

_HASHED_SIDE = 32
_COEFFICIENTS = 8
_MIN_CONTRAST = 1.0
# A block of 64-bit differences stays in the cache of a core.
_ROWS, _COLUMNS = 64, 4096


def thumbnail(image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "s s 3"]:
    """Returns the whole image in 16 × 16 pixels, averaged; its aspect ratio is lost."""
    return np.asarray(_shrunk(Image.fromarray(image), THUMBNAIL_SIDE))


def perceptual_hash(image: UInt8[np.ndarray, "height width 3"]) -> int:
    """Hashes what an image looks like: sizes and encodings change few bits.

    The image's grey values in 32 × 32 pixels go through a cosine transform; each of the
    63 lowest frequencies gives a bit, whether it is above their median. After Zauner:
    Implementation and Benchmarking of Perceptual Image Hash Functions, 2010.

    Args:
        image: RGB, 0..255.

    Returns:
        63 bits; 0 for an image of one colour, whose frequencies are but rounding.
    """
    gray = np.asarray(_shrunk(Image.fromarray(image), _HASHED_SIDE).convert("L"))
    if np.ptp(gray) <= _MIN_CONTRAST:
        return 0
    transform = scipy.fft.dctn(gray.astype(np.float64), norm="ortho")
    low = np.asarray(transform)[:_COEFFICIENTS, :_COEFFICIENTS].ravel()[1:]
    bits = low > np.median(low)
    return int.from_bytes(np.packbits(np.concatenate([[False], bits])).tobytes(), "big")


def exact_groups(digests: Sequence[Hashable]) -> list[list[int]]:
    """Finds equal digests.

    Args:
        digests: One for each image.

    Returns:
        Positions of the members of every group of two or more, in order.
    """
    groups: dict[Hashable, list[int]] = {}
    for position, digest in enumerate(digests):
        groups.setdefault(digest, []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def representatives(groups: Iterable[Sequence[int]], total: int) -> list[int]:
    """Returns all positions but those of a group's second member and later ones."""
    repeated = {position for group in groups for position in group[1:]}
    return [position for position in range(total) if position not in repeated]


def close_hashes(
    hashes: UInt64[np.ndarray, " images"], max_distance: int
) -> Iterator[Int64[np.ndarray, "pairs 2"]]:
    """Finds all pairs of hashes that differ in few bits, by comparing all with all.

    Args:
        hashes: One for each image.
        max_distance: Number of bits that may differ.

    Yields:
        Positions (first < second), sorted, of the pairs of some images after others.
    """
    hashes = np.asarray(hashes, np.uint64)
    for top in range(0, len(hashes), _ROWS):
        rows = hashes[top : top + _ROWS, None]
        pairs = []
        for left in range(top, len(hashes), _COLUMNS):
            bits = np.bitwise_count(rows ^ hashes[left : left + _COLUMNS])
            first, second = np.nonzero(bits <= max_distance)
            found = np.stack([first + top, second + left], axis=1)
            pairs.append(found[found[:, 0] < found[:, 1]])
        found = np.concatenate(pairs)
        yield found[np.lexsort((found[:, 1], found[:, 0]))]


def near_pairs(
    hashes: UInt64[np.ndarray, " images"],
    thumbnails: UInt8[np.ndarray, "images side side 3"],
    max_distance: int = MAX_DISTANCE,
    max_difference: float = MAX_DIFFERENCE,
) -> tuple[Int64[np.ndarray, "pairs 2"], Float[np.ndarray, " pairs"], int]:
    """Finds pairs of images that look the same.

    Hashes alone take many photos on a plain ground for the same one; thumbnails tell
    their colours apart.

    Args:
        hashes: Perceptual hash of each image.
        thumbnails: RGB 0..255 of each.
        max_distance: Number of bits, 0..63, by which the hashes may differ.
        max_difference: Mean absolute difference, 0..255, of the thumbnails at most.

    Returns:
        Positions (first < second) and the difference of their thumbnails, the most
        alike first, `MAX_PAIRS` at most; and how many there are.

    Raises:
        ValueError: A limit is out of its range.
    """
    if not 0 <= max_distance <= 63:
        raise ValueError(f"distance of hashes {max_distance}; allowed are 0..63 bits")
    if not 0 <= max_difference <= 255:
        raise ValueError(f"difference {max_difference}; allowed is 0..255")
    pairs, differences = np.empty((0, 2), np.int64), np.empty(0)
    total = 0
    for close in close_hashes(hashes, max_distance):
        difference = _differences(thumbnails, close)
        same = difference <= max_difference
        if not same.any():
            continue
        total += int(same.sum())
        pairs = np.concatenate([pairs, close[same]])
        differences = np.concatenate([differences, difference[same]])
        order = np.argsort(differences, kind="stable")[:MAX_PAIRS]
        pairs, differences = pairs[order], differences[order]
    return pairs, differences, total


def _differences(
    thumbnails: UInt8[np.ndarray, "images side side 3"],
    pairs: Int64[np.ndarray, "pairs 2"],
) -> Float[np.ndarray, " pairs"]:
    """Mean absolute difference of the thumbnails of each pair."""
    out = np.empty(len(pairs))
    for start in range(0, len(pairs), _COLUMNS):
        part = pairs[start : start + _COLUMNS]
        first, second = thumbnails[part[:, 0]], thumbnails[part[:, 1]]
        difference = np.abs(first.astype(np.int16) - second)
        out[start : start + _COLUMNS] = difference.mean(axis=(1, 2, 3))
    return out


def _shrunk(photo: Image.Image, side: int) -> Image.Image:
    # The gap lets it average big photos roughly first: as good here and much faster.
    return photo.resize((side, side), Image.Resampling.BOX, reducing_gap=3.0)
