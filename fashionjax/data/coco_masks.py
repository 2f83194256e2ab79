"""Masks of COCO's JSON: polygons and run lengths, plain or compressed.

Source: the comments in the COCO API's `maskApi.h`, which define the compression, and
its results: run lengths are equal, polygons differ in pixels on their outline only.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fashionjax.data.rle import check_runs, runs_of

_FIRST_CHARACTER = 48
_BITS = 5
_MORE = 0x20
_SIGN = 0x10
_MAX_GROUPS = 12  # of five bits: more would not fit 64
_MAX_CROSSINGS = 10_000_000  # of edges and rows: what one polygon may cost


def decode_segmentation(segmentation: Any, shape: tuple[int, int]) -> np.ndarray:
    """Reads the `segmentation` of an annotation.

    Args:
        segmentation: A list of polygons `[x1, y1, x2, y2, …]` in pixels, whose union is
            the mask; or `{"size": [height, width], "counts": …}` with counts as a list
            of integers or as compressed text.
        shape: (height, width) of the image.

    Returns:
        int64 `[n, 2]`, runs as in `fashionjax.data.rle`.

    Raises:
        ValueError: Another form, another size, runs that do not fill the image, or a
            polygon of fewer than three points.
    """
    if isinstance(segmentation, dict):
        size, counts = segmentation.get("size"), segmentation.get("counts")
        if size not in (list(shape), tuple(shape)):
            raise ValueError(f"a mask of size {size}; its image has {list(shape)}")
        if isinstance(counts, str | bytes):
            counts = decode_counts(counts)
        return runs_from_counts(counts, shape)
    if isinstance(segmentation, list | tuple) and segmentation:
        return runs_of(rasterize(segmentation, shape))
    raise ValueError(
        f"segmentation of type {type(segmentation).__name__}; allowed are a list of"
        " polygons, at least one, or a dict of size and counts"
    )


def decode_counts(text: str | bytes) -> list[int]:
    """Decompresses run lengths.

    Five bits a character, low ones first; from the fourth number on, the difference to
    the number two before.

    Args:
        text: Characters 48..111.

    Returns:
        Lengths, of unset and set pixels in turn.

    Raises:
        ValueError: Other characters, or text that ends within a number.
    """
    data = text.encode() if isinstance(text, str) else text
    counts: list[int] = []
    value = shift = 0
    for byte in data:
        group = byte - _FIRST_CHARACTER
        if not 0 <= group < 2 * _MORE or shift >= _BITS * _MAX_GROUPS:
            raise ValueError(f"compressed run lengths hold {chr(byte)!r} out of place")
        value |= (group & (_MORE - 1)) << shift
        shift += _BITS
        if group & _MORE:
            continue
        if group & _SIGN:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("compressed run lengths end within a number")
    return counts


def encode_counts(counts: Sequence[int]) -> str:
    """Compresses run lengths as `decode_counts` reads them."""
    characters = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            group = value & (_MORE - 1)
            value >>= _BITS
            # What is left is nothing but the sign that the group has already.
            done = value == (-1 if group & _SIGN else 0)
            characters.append(chr(_FIRST_CHARACTER + (group | (0 if done else _MORE))))
            if done:
                break
    return "".join(characters)


def runs_from_counts(counts: Any, shape: tuple[int, int]) -> np.ndarray:
    """Converts lengths of unset and set pixels in turn, beginning with unset ones.

    Args:
        counts: Integers that add up to the image.
        shape: (height, width).

    Returns:
        int64 `[n, 2]`, runs as in `fashionjax.data.rle`.

    Raises:
        ValueError: No such integers.
    """
    lengths = np.asarray(counts)
    if lengths.ndim != 1 or not np.issubdtype(lengths.dtype, np.integer):
        raise ValueError("counts of a mask: allowed are a list of integers or text")
    pixels = shape[0] * shape[1]
    if (lengths < 0).any() or (lengths > pixels).any() or lengths.sum() != pixels:
        raise ValueError(
            f"run lengths add up to {sum(map(int, counts))}; the image has {pixels}"
            " pixels, and none may be negative"
        )
    ends = np.cumsum(lengths, dtype=np.int64)
    runs = np.stack([ends[0:-1:2], lengths[1::2].astype(np.int64)], 1)
    runs = runs[runs[:, 1] > 0]
    check_runs(runs, shape)
    return runs


def counts_of(runs: np.ndarray, shape: tuple[int, int]) -> list[int]:
    """Converts runs to what `runs_from_counts` reads."""
    start, length = runs.T
    edges = np.stack([start, start + length], 1).ravel()
    counts = np.diff(edges, prepend=0, append=shape[0] * shape[1]).tolist()
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def rasterize(
    polygons: Sequence[Sequence[float]], shape: tuple[int, int]
) -> np.ndarray:
    """Fills the union of polygons, each by the even-odd rule.

    Args:
        polygons: `[x1, y1, x2, y2, …]` each; pixel (row, column) is the square from
            (column, row) to (column + 1, row + 1) and set when its centre is inside.
        shape: (height, width); what lies outside is cut off.

    Returns:
        bool `[height, width]`.

    Raises:
        ValueError: A polygon of fewer than three points, an odd number of coordinates,
            one that is not finite, or more crossings of edges and rows than any real
            outline has.
    """
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        _fill(mask, _corners(polygon))
    return mask


def _corners(polygon: Sequence[float]) -> np.ndarray:
    try:
        numbers = np.asarray(polygon, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("a polygon is no list of numbers") from error
    if numbers.ndim != 1 or numbers.size % 2 or numbers.size < 6:
        raise ValueError(
            f"a polygon of {numbers.size} coordinates; allowed are x and y of three or"
            " more points"
        )
    if not np.isfinite(numbers).all():
        raise ValueError("a polygon has a coordinate that is not finite")
    return numbers.reshape(-1, 2)


def _fill(mask: np.ndarray, corners: np.ndarray) -> None:
    """Sets the pixels of `mask` whose centre is in the polygon."""
    height, width = mask.shape
    low, high = corners.min(0), corners.max(0)
    top, bottom = _first_centres(np.array([low[1], high[1]]), height)
    left, right = _first_centres(np.array([low[0], high[0]]), width)
    if top >= bottom or left >= right:
        return
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, 0).T
    first = _first_centres(np.minimum(y0, y1), height)
    count = _first_centres(np.maximum(y0, y1), height) - first
    if count.sum() > _MAX_CROSSINGS:
        raise ValueError(
            f"a polygon crosses rows {count.sum()} times; allowed are {_MAX_CROSSINGS}"
        )
    edge = np.repeat(np.arange(len(corners)), count)
    # Every edge's rows: its first, and how far one is behind it.
    row = (
        first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    )
    share = (row + 0.5 - y0[edge]) / (y1 - y0)[edge]
    column = _first_centres(x0[edge] + share * (x1 - x0)[edge], width)
    crossings = np.zeros((bottom - top, right - left + 1), np.uint8)
    column = np.clip(column, left, right) - left
    np.bitwise_xor.at(crossings, (row - top, column), 1)
    inside = np.bitwise_xor.accumulate(crossings[:, :-1], axis=1)
    mask[top:bottom, left:right] |= inside.view(bool)


def _first_centres(position: np.ndarray, size: int) -> np.ndarray:
    """The first pixel 0..size whose centre is not before a position."""
    return np.clip(np.ceil(position - 0.5), 0, size).astype(np.int64)
