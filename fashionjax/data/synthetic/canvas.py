"""Paints layers back to front and remembers which thing every pixel shows.

A pixel holds an index, `4 * node + colour`, and a light. A node is a thing in the
scene: a wall, an arm, a dress, the sleeve of that dress. Colours are looked up once,
at the end, so painting a layer costs little, and the masks of all instances come
out of the same index.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from fashionjax.data.synthetic.appearance import Look
from fashionjax.data.synthetic.geometry import (
    CANONICAL_HEIGHT,
    CANONICAL_WIDTH,
    Outline,
)
from fashionjax.data.synthetic.raster import Region, fill
from fashionjax.data.synthetic.texture import FOLD, TILE, fold_tiles, pattern_tiles

NO_NODE = -1
FULL_LIGHT = 128
_SMALL = 150  # things under 1/150 of the photo show no folds
_FINE = 12  # bits after the point of texture coordinates


class Canvas:
    """The scene as painted so far.

    Args:
        size: Height and width of the photo in pixels.
        light_from: -1 (light from the left) to 1 (from the right).

    Attributes:
        index: uint16 [height, width], 4 * node + colour index.
        light: int16 [height, width], 128 is the surface's own colour.
        categories: The category of every node, or -1.
        parents: The node that every node is a part of, or -1.
        heights: How far every node stands out, for the shadows.
        palette: Four RGB colours for every node.
    """

    def __init__(self, size: tuple[int, int], light_from: float) -> None:
        height, width = size
        self.size = size
        self.scale = (height / CANONICAL_HEIGHT, width / CANONICAL_WIDTH)
        self.index = np.zeros(size, np.uint16)
        self.light = np.full(size, FULL_LIGHT, np.int16)
        self._fold_rows = np.arange(height) * round(256 / self.scale[0]) >> 8
        self._fold_columns = np.arange(width) * round(512 / self.scale[1]) >> 8
        self.categories: list[int] = []
        self.parents: list[int] = []
        self.heights: list[int] = []
        self.palette: list[Sequence[tuple[int, int, int]]] = []
        self._curves = tuple(
            _rounding(round(8.0 * light_from), depth) for depth in (0, 26, 40)
        )

    def node(
        self, look: Look, category: int = -1, parent: int = NO_NODE, height: int = 0
    ) -> int:
        """Adds a thing and returns its number; nothing is painted yet."""
        self.categories.append(category)
        self.parents.append(parent)
        self.heights.append(height)
        self.palette.append(look.colours)
        return len(self.categories) - 1

    def paint(
        self,
        outlines: Sequence[Outline],
        node: int,
        look: Look,
        round_off: int = 0,
        darker: int = 0,
        inside: int = NO_NODE,
    ) -> None:
        """Paints the union of polygons as a layer on top.

        Args:
            outlines: Polygons in canonical pixels.
            node: The thing that the layer belongs to.
            look: Its surface.
            round_off: How round it looks: 0 flat, 1 somewhat, 2 like a limb.
            darker: Taken off the light, 0..100.
            inside: If given, only pixels that show this thing or a part of it.
        """
        region = fill(outlines, self.size, self.scale)
        if region is None:
            return
        mask = region.mask
        window = region.window
        if inside != NO_NODE:
            mask = mask & self._parts_of(inside)[self.index[window] >> 2]
        if mask.size * _SMALL < self.index.size:
            light = np.full(mask.shape, FULL_LIGHT - darker, np.int16)
        else:
            light = self._folds(region, look)
            light -= darker - FULL_LIGHT
        if round_off:
            light += self._roundness(region, round_off)
        np.copyto(self.light[window], light, where=mask)
        if look.tile < 0:
            self.index[window][mask] = node * 4
        else:
            np.copyto(self.index[window], self._pattern(region, look, node), where=mask)

    def fill_rows(self, top: int, bottom: int, node: int, look: Look) -> None:
        """Paints whole rows [top, bottom) of pixels."""
        if bottom <= top:
            return
        region = Region(top, 0, np.broadcast_to(True, (bottom - top, self.size[1])))
        self.light[region.window] = FULL_LIGHT
        if look.tile < 0:
            self.index[region.window] = node * 4
        else:
            self.index[region.window] = self._pattern(region, look, node)

    def shows(self, node: int) -> np.ndarray:
        """Returns where a node or a part of it is visible, bool [height, width]."""
        table = self._parts_of(node)
        owner = self.index >> 2
        return table[owner] if table[node + 1 :].any() else owner == node

    def _parts_of(self, whole: int) -> np.ndarray:
        """Tells for every node whether it is `whole` or a part of it."""
        table = np.zeros(len(self.parents), bool)
        table[whole] = True
        for node in range(whole + 1, len(self.parents)):  # parts come after wholes
            parent = self.parents[node]
            if parent >= whole and table[parent]:
                table[node] = True
        return table

    def _coordinates(self, region: Region) -> tuple[np.ndarray, np.ndarray]:
        height, width = region.mask.shape
        rows = np.arange(region.top, region.top + height, dtype=np.int32)
        columns = np.arange(region.left, region.left + width, dtype=np.int32)
        return rows, columns

    def _pattern(self, region: Region, look: Look, node: int) -> np.ndarray:
        rows, columns = self._coordinates(region)
        by_x, by_y = (2**_FINE / self.scale[1]), (2**_FINE / self.scale[0])
        right_x, right_y, down_x, down_y = look.turn
        steps = (right_x * by_x, right_y * by_y, down_x * by_x, down_y * by_y)
        a, b, c, d = (round(step) for step in steps)
        right = (columns * a + (look.shift[0] << _FINE)) + (rows * b)[:, None]
        down = (columns * c + (look.shift[1] << _FINE)) + (rows * d)[:, None]
        right >>= _FINE
        right &= TILE - 1
        down >>= _FINE - 6
        down &= (TILE - 1) << 6
        down |= right
        colours = (pattern_tiles()[look.tile] + np.uint16(node * 4)).astype(np.uint16)
        return colours[down]

    def _folds(self, region: Region, look: Look) -> np.ndarray:
        rows, columns = region.window
        down = self._fold_rows[rows] + look.fold_at[0]
        across = self._fold_columns[columns] + look.fold_at[1]
        table = fold_tiles()[look.fold].take(down & (FOLD - 1), axis=0)
        light = table.take(across & (FOLD - 1), axis=1)
        light *= np.int16(look.fold_depth)
        light >>= 3
        return light

    def _roundness(self, region: Region, round_off: int) -> np.ndarray:
        mask = region.mask
        width = mask.shape[1]
        first = mask.argmax(axis=1).astype(np.int32)
        last = width - mask[:, ::-1].argmax(axis=1).astype(np.int32)
        slope = (256 << 8) // np.maximum(last - first, 1)
        place = np.arange(width, dtype=np.int32) * slope[:, None]
        place += (128 * slope // 256 - first * slope)[:, None]
        place >>= 8
        place &= 255
        return self._curves[round_off][place]


@cache
def _rounding(light_from: int, depth: int) -> np.ndarray:
    """Light across a rounded body, int16 [256], from its left to its right side."""
    curve = []
    for step in range(256):
        place = (step - 127.5) / 127.5
        curve.append(
            round(-depth * place * place + depth * 0.0875 * light_from * place) + 6
        )
    return np.array(curve, np.int16)
