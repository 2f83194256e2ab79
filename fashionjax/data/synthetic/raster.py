"""An exact polygon rasteriser: integer scanlines over NumPy arrays.

Vertices are rounded to 1/64 pixel first, so that nothing after that step depends on
floating point.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fashionjax.data.synthetic.geometry import Outline

_SUBPIXEL = 64
_NO_TURN = np.ones(0, np.int8)


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
) -> tuple[np.ndarray, np.ndarray]:
    """Lists the edges of all polygons.

    Args:
        outlines: Polygons in canonical pixels.
        scale: Pixels per canonical pixel, down and across.

    Returns:
        x and y of the corners in 1/64 pixel, int64 [2, edges + 1], where edge k runs
        from corner k to corner k + 1; and the winding of every edge: 1, -1, or 0 for
        the jump from one polygon to the next; empty for
        a single polygon, whose direction does not matter.
    """
    flat = []
    for outline in outlines:
        flat += outline
        flat.append(outline[0])
    corners = np.array(flat).view(np.float64).reshape(-1, 2).T * (
        (scale[1] * _SUBPIXEL,),
        (scale[0] * _SUBPIXEL,),
    )
    points = np.rint(corners).astype(np.int64)
    if len(outlines) == 1:
        return points, _NO_TURN
    x, y = points
    cross = x[:-1] * y[1:] - y[:-1] * x[1:]
    turn = np.zeros(len(flat) - 1, np.int8)
    first = 0
    for outline in outlines:
        last = first + len(outline)
        turn[first:last] = 1 if cross[first:last].sum() >= 0 else -1
        first = last + 1
    return points, turn


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
    points, turn = _edges(outlines, scale)
    half = _SUBPIXEL // 2 - 1
    x, y = points
    low = np.minimum.reduce(points, axis=1).tolist()
    high = np.maximum.reduce(points, axis=1).tolist()
    left, top = (max(0, (value + half) // _SUBPIXEL) for value in low)
    right = min(size[1], (high[0] + half) // _SUBPIXEL)
    bottom = min(size[0], (high[1] + half) // _SUBPIXEL)
    if right <= left or bottom <= top:
        return None
    centres = np.arange(top, bottom) * _SUBPIXEL + _SUBPIXEL // 2
    below = y <= centres[:, None]
    row, edge = (below[:, :-1] != below[:, 1:]).nonzero()
    x0, y0 = x[edge], y[edge]
    rise = y[1:][edge] - y0
    cut = x0 + (centres[row] - y0) * (x[1:][edge] - x0) // rise
    cut += half
    cut //= _SUBPIXEL
    column = np.minimum(np.maximum(cut, left), right)
    stride = right - left + 1
    column += row * stride - left
    steps = np.zeros((bottom - top) * stride, np.int8)
    sign = np.sign(rise).astype(np.int8)
    if len(outlines) > 1:
        sign *= turn[edge]
    np.add.at(steps, column, sign)
    winding = np.add.accumulate(steps.reshape(-1, stride), axis=1, dtype=np.int8)
    return Region(top, left, winding[:, :-1] != 0)
