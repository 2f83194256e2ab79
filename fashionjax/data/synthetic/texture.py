"""Precomputed tileable tables: fabric patterns, folds and sensor noise.

Every table is integer and is computed once in a process, from fixed keys.
"""

from functools import cache

import numpy as np

from fashionjax.data.synthetic.streams import random_bits

TILE = 64
FOLD = 256
GRAIN = 512


def _value_noise(key: int, size: int, cells: tuple[int, int]) -> np.ndarray:
    """Smooth tileable noise int64 [size, size] in 0..255; cells down and across."""
    down, across = cells
    lattice = (random_bits(key, down * across) >> np.uint64(56)).astype(np.int64)
    lattice = lattice.reshape(down, across)

    def blend(values: np.ndarray, count: int) -> np.ndarray:
        position = np.arange(size) * count * 256 // size
        cell, part = position // 256, position % 256
        weight = part * part * (768 - 2 * part) // 65536
        near, far = values[cell % count], values[(cell + 1) % count]
        return (near * (256 - weight)[:, None] + far * weight[:, None]) // 256

    return blend(blend(lattice, down).T.copy(), across).T.copy()


def _levels(values: np.ndarray, shares: tuple[int, ...]) -> np.ndarray:
    """Cuts values into classes 0, 1, ...: class k starts at percentile shares[k-1]."""
    ranked = np.sort(values, axis=None)
    cuts = [ranked[ranked.size * share // 100] for share in shares]
    return np.searchsorted(np.array(cuts), values, side="right").astype(np.uint8)


@cache
def pattern_tiles() -> np.ndarray:
    """Fabric patterns.

    Returns:
        uint8 [kinds, TILE * TILE] of colour indices 0..3, row by row.
    """
    y, x = np.mgrid[0:TILE, 0:TILE]
    wide = (x % 16 < 8).astype(np.int64)
    uneven = np.where(x % 32 < 4, 1, np.where((x % 32 > 9) & (x % 32 < 12), 2, 0))
    uneven_down = np.where(y % 32 < 4, 1, np.where((y % 32 > 9) & (y % 32 < 12), 2, 0))
    dot = ((x % 16 - 8) ** 2 + (y % 16 - 8) ** 2 < 18).astype(np.int64)
    x_shift = (x + (y // 32) * 16) % 32 - 16
    big_dot = (x_shift**2 + (y % 32 - 16) ** 2 < 74).astype(np.int64)
    ring = (x_shift**2 + (y % 32 - 16) ** 2 < 22).astype(np.int64)
    blotch = _value_noise(1, TILE, (5, 5))
    flower = _value_noise(2, TILE, (9, 9))
    fine = _value_noise(3, TILE, (32, 32))
    melange = _value_noise(4, TILE, (16, 64))
    zigzag = (x + np.abs(y % 16 - 8)) % 16
    tiles = (
        _levels(fine, (25, 50, 75)),
        _levels(melange, (25, 50, 75)),
        wide,
        np.where(x % 16 < 4, 1, 0),
        uneven,
        (wide + (y % 16 < 8)) % 3,
        np.maximum(uneven, uneven_down) + (uneven * uneven_down > 0),
        dot,
        big_dot + ring,
        _levels(blotch, (35, 65, 85)),
        _levels(flower, (70, 85)) + 2 * (_levels(blotch, (80,)) > 0) % 4,
        np.where(zigzag < 7, 0, 1),
        np.where(zigzag % 8 < 4, 0, np.where(y % 8 < 2, 2, 1)),
        np.where((x % 8 < 1) | (y % 8 < 1), 1, 0),
        np.where((y % 16 < 2) | ((x + (y // 16) * 16) % 32 < 2), 1, 0)
        + 2 * (_levels(_value_noise(5, TILE, (4, 2)), (70,)) > 0),
        np.abs((x % 32) - 16) + np.abs((y % 32) - 16) < 12,
    )
    return np.stack([np.minimum(t, 3).astype(np.uint8).reshape(-1) for t in tiles])


@cache
def fold_tiles() -> np.ndarray:
    """Light of folds: soft ridges, longer down than across.

    Returns:
        int16 [3, FOLD, FOLD] around 0, about -40..40.
    """
    kinds = []
    for key, (down, across) in enumerate(((3, 18), (6, 14), (9, 9))):
        coarse = _value_noise(10 + key, FOLD, (down, across))
        detail = _value_noise(20 + key, FOLD, (down * 3, across * 2))
        kinds.append((2 * coarse + detail) // 3 * 80 // 255 - 40)
    return np.stack(kinds).astype(np.int16)


@cache
def grain_tile() -> np.ndarray:
    """Sensor noise with a standard deviation near 3.

    Returns:
        int16 [GRAIN, GRAIN].
    """
    bits = random_bits(30, GRAIN * GRAIN)
    parts = sum((bits >> np.uint64(8 * k)) & np.uint64(7) for k in range(3))
    return (np.asarray(parts).astype(np.int16) - 10).reshape(GRAIN, GRAIN)


@cache
def uneven_light() -> np.ndarray:
    """Large soft spots of light and shade.

    Returns:
        int16 [FOLD, FOLD] around 0, about -22..22.
    """
    spots = _value_noise(40, FOLD, (4, 4)) + _value_noise(41, FOLD, (7, 7))
    return (spots * 44 // 510 - 22).astype(np.int16)
