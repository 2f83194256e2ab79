"""An exact polygon rasteriser: integer scanlines over NumPy arrays.

Vertices are rounded to 1/64 pixel first, so that nothing after that step depends on
floating point.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashionjax.data.synthetic.geometry import Outline

_SUBPIXEL = 64


class Region(NamedTuple):
    """A bool mask [h, w] whose first row and column lie at (top, left)."""

    top: int
    left: int
    mask: np.ndarray

    @property
    def window(self) -> tuple[slice, slice]:
        """The rows and columns of the photo that the mask covers."""
        height, width = self.mask.shape
        return (
            slice(self.top, self.top + height),
            slice(self.left, self.left + width),
        )


def _edges(
    outlines: Sequence[Outline], scale: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns start and end points int64 [2, edges] (x, y) and windings int8."""
    flat = np.array([point for outline in outlines for point in outline])
    start = np.empty((2, len(flat)), np.int64)
    start[0] = np.rint(flat.real * (scale[1] * _SUBPIXEL))
    start[1] = np.rint(flat.imag * (scale[0] * _SUBPIXEL))
    if len(outlines) == 1:
        following = np.roll(start, -1, axis=1)
        area = (start[0] * following[1] - start[1] * following[0]).sum()
        turn = np.full(len(flat), 1 if area >= 0 else -1, np.int8)
        return start, following, turn
    lengths = np.array([len(outline) for outline in outlines])
    firsts = np.cumsum(lengths) - lengths
    order = np.arange(1, len(flat) + 1)
    order[firsts + lengths - 1] = firsts
    following = start[:, order]
    cross = start[0] * following[1] - start[1] * following[0]
    areas = np.add.reduceat(cross, firsts)
    turn = np.repeat(np.where(areas >= 0, 1, -1).astype(np.int8), lengths)
    return start, following, turn


def fill(
    outlines: Sequence[Outline], size: tuple[int, int], scale: tuple[float, float]
) -> Region | None:
    """Fills the union of closed polygons.

    A pixel belongs to the region when its centre does. Every polygon is turned the
    same way round first, so that with the nonzero rule overlaps stay filled.

    Args:
        outlines: Polygons in canonical pixels, each of at least three points.
        size: Height and width of the photo in pixels.
        scale: Pixels per canonical pixel, down and across.

    Returns:
        The region, cut at the borders of the photo; None where no pixel is left.
    """
    start, end, turn = _edges(outlines, scale)
    half = _SUBPIXEL // 2 - 1
    low, high = start.min(axis=1), start.max(axis=1)
    left, top = (max(0, int(v + half) // _SUBPIXEL) for v in low)
    right = min(size[1], int(high[0] + half) // _SUBPIXEL)
    bottom = min(size[0], int(high[1] + half) // _SUBPIXEL)
    if right <= left or bottom <= top:
        return None
    centres = np.arange(top, bottom)[:, None] * _SUBPIXEL + _SUBPIXEL // 2
    row, edge = np.nonzero((start[1] <= centres) != (end[1] <= centres))
    x0, y0 = start[0][edge], start[1][edge]
    rise = end[1][edge] - y0
    run = end[0][edge] - x0
    cut = x0 + (centres[row, 0] - y0) * run // rise
    column = np.minimum(np.maximum((cut + half) // _SUBPIXEL, left), right) - left
    stride = right - left + 1
    steps = np.zeros((bottom - top) * stride, np.int8)
    np.add.at(steps, row * stride + column, np.where(rise > 0, turn[edge], -turn[edge]))
    winding = np.add.accumulate(steps.reshape(-1, stride), axis=1, dtype=np.int8)
    return Region(top, left, winding[:, :-1] != 0)
