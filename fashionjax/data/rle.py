"""Masks as run lengths, with pixels numbered down the columns.

A mask is an array of runs, int64 `[n, 2]` of (start, length): pixel 0 is the upper left
one, pixel 1 the one below it. Kaggle's files write the same as text, counted from 1.

Source: the contests' page on `EncodedPixels`: "pairs of values that contain a start
position and a run length", numbered "from top to bottom, then left to right", from 1.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

_LEAST_EVIDENCE = 20
_CLEAR = 4  # times as many


def parse_runs(
    text: str, shape: tuple[int, int], *, one_indexed: bool = True
) -> np.ndarray:
    """Reads runs as Kaggle's files write them.

    Args:
        text: "start length start length …", in increasing order.
        shape: (height, width) of the image.
        one_indexed: Whether the first pixel is 1, as Kaggle says, or 0.

    Returns:
        int64 `[n, 2]`.

    Raises:
        ValueError: No pairs of integers, an empty or overlapping run, or one that lies
            outside the image.
    """
    try:
        numbers = np.array(text.split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"runs {_brief(text)}: allowed are integers") from error
    if numbers.size % 2 or not numbers.size:
        raise ValueError(
            f"runs {_brief(text)}: {numbers.size} numbers; allowed are pairs of start"
            " and length"
        )
    runs = numbers.reshape(-1, 2)
    check_runs(runs, shape, first=int(one_indexed))
    return runs - (int(one_indexed), 0)


def check_runs(runs: np.ndarray, shape: tuple[int, int], *, first: int = 0) -> None:
    """Refuses runs that no mask of this size has.

    Args:
        runs: int64 `[n, 2]`.
        shape: (height, width) of the image.
        first: The number of the first pixel.

    Raises:
        ValueError: An empty run, one that begins before the end of the one before, or
            one that lies outside the image.
    """
    start, length = runs.T
    pixels = shape[0] * shape[1]
    # Lengths first: only then is an end no overflow.
    bad = (length < 1) | (length > pixels) | (start < first) | (start > pixels)
    if not bad.any():
        bad = start + length > pixels + first
    if bad.any():
        at, size = runs[bad.argmax()].tolist()
        raise ValueError(
            f"run of {size} pixels from {at}: allowed are runs within {first}.."
            f"{pixels - 1 + first}, the pixels of {shape[0]}x{shape[1]}"
        )
    if (start[1:] < start[:-1] + length[:-1]).any():
        raise ValueError("runs overlap or are out of order")


def format_runs(runs: np.ndarray, *, one_indexed: bool = True) -> str:
    """Writes runs as `parse_runs` reads them."""
    numbers = runs + np.array([int(one_indexed), 0])
    return " ".join(map(str, numbers.ravel().tolist()))


def runs_of(mask: np.ndarray) -> np.ndarray:
    """Encodes a mask.

    Args:
        mask: bool `[height, width]`.

    Returns:
        int64 `[n, 2]`, maximal runs in increasing order; none for an empty mask.
    """
    flat = np.zeros(mask.size + 2, np.int8)
    flat[1:-1] = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat))
    return np.stack([edges[::2], edges[1::2] - edges[::2]], 1)


def mask_of(runs: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Decodes runs.

    Args:
        runs: int64 `[n, 2]` that `check_runs` accepts.
        shape: (height, width).

    Returns:
        bool `[height, width]`.
    """
    return flat_mask(runs, 0, shape[0] * shape[1]).reshape(shape[::-1]).T


def flat_mask(runs: np.ndarray, first: int, last: int) -> np.ndarray:
    """The pixels `first` to `last`, exclusive, as bool `[last - first]`.

    No run may lie outside of them.
    """
    steps = np.zeros(last - first + 1, np.int8)
    start, length = runs.T
    steps[start - first] += 1
    # Runs may touch: the step down of one is the step up of the next.
    steps[start - first + length] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).view(bool)


class Evidence(NamedTuple):
    """How many ends of runs lie at the upper or lower border of their image.

    Attributes:
        one: If the first pixel is 1.
        zero: If it is 0.
        starts_at_zero: How many runs start at 0, which nothing counted from 1 does.
    """

    one: int
    zero: int
    starts_at_zero: int

    @property
    def first_pixel(self) -> int | None:
        """The number that the runs are clearly counted from; None if it is not clear.

        Things that are cut off by the photo's border end there in many columns; one
        pixel away from it, no more runs end than by chance.
        """
        if self.starts_at_zero or _is_clear(self.zero, self.one):
            return 0
        return 1 if _is_clear(self.one, self.zero) else None


def _is_clear(found: int, otherwise: int) -> bool:
    return found >= _LEAST_EVIDENCE and found > _CLEAR * otherwise


def find_first_pixel(files: Iterable[tuple[str, int]]) -> Evidence:
    """Collects what tells whether a file's runs are counted from 1 or from 0.

    Args:
        files: Runs as text, and the height of their image. Text that is no pairs of
            numbers says nothing.

    Returns:
        The evidence.
    """
    one = zero = at_zero = 0
    for text, height in files:
        try:
            numbers = np.array(text.split(), np.int64)
        except (ValueError, OverflowError):
            continue
        start, end = numbers[0::2], numbers[0::2][: numbers.size // 2]
        end = end + numbers[1::2]
        if height < 2:
            continue
        one += int(np.count_nonzero(start % height == 1))
        one += int(np.count_nonzero(end % height == 1))
        zero += int(np.count_nonzero(start % height == 0))
        zero += int(np.count_nonzero(end % height == 0))
        at_zero += int(np.count_nonzero(start == 0))
    return Evidence(one, zero, at_zero)


def _brief(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
