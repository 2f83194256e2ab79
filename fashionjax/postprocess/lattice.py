"""Gaussian filtering of scattered points in few dimensions.

The permutohedral lattice of Adams, Baek and Davis (Fast High-Dimensional Filtering
Using the Permutohedral Lattice, 2010): every point lies in a simplex of the lattice,
its values are spread over the corners (splat), the lattice is blurred along its axes,
and the points read their corners again (slice).

Which corners occur is found by sorting, so that all shapes are known beforehand, but
for the number of different corners, which the caller gives room for. Sums over the
points of a corner are taken over fixed numbers of rows, in trees: nothing is added in
place, where devices with many threads would wait for each other.
"""

import dataclasses
import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from fashionjax.postprocess.stage import stage

_ROWS = 8
"""How many rows one sum has."""

_LARGEST_WORD = 2**32 - 1
"""What no key is: fills up the sorted keys."""


@dataclasses.dataclass(frozen=True)
class KeyLayout:
    """How a corner's coordinates make up a key of one or two unsigned words.

    Corners of one simplex differ by their remainder, 0 to d, which all their d + 1
    coordinates leave when divided by d + 1; they sum to 0. A key has the quotients of
    all coordinates but the first, and not the remainder: corners are sorted by that
    beforehand.

    Attributes:
        lowest: int32 `[d]`, the lowest quotient of each coordinate.
        strides: uint32 `[words, d]`, what a quotient counts in each word.
    """

    lowest: np.ndarray
    strides: np.ndarray


def plan_keys(extents: Sequence[float]) -> KeyLayout:
    """Finds room for the coordinates of all points of a box.

    Args:
        extents: Largest value of each of the d features; the smallest is 0.

    Returns:
        The layout, of one word if that is enough.

    Raises:
        ValueError: If two words are not enough.
    """
    d = len(extents)
    scaled = np.asarray(extents, np.float64) * _scale(d)
    lowest, sizes = [], []
    for axis in range(1, d + 1):
        low = -axis * scaled[axis - 1] / (d + 1)
        high = scaled[axis:].sum() / (d + 1)
        # Rounding, the step to the simplex, its corners and their neighbours.
        lowest.append(math.floor(low) - 3)
        sizes.append(math.ceil(high) + 3 - lowest[-1])
    for first_word in (d, *range(d - 1, 0, -1)):
        words = [sizes[:first_word], sizes[first_word:]]
        if all(math.prod(word) < _LARGEST_WORD for word in words):
            break
    else:
        raise ValueError(
            "features up to " + ", ".join(f"{x:.0f}" for x in extents) + " standard"
            " deviations are more than the lattice can number; choose larger ones"
        )
    strides = np.zeros((1 if first_word == d else 2, d), np.uint32)
    for axis in range(d):
        word = int(axis >= first_word)
        end = d if word else first_word
        strides[word, axis] = math.prod(sizes[axis + 1 : end])
    return KeyLayout(np.asarray(lowest, np.int32), strides)


def _scale(d: int) -> np.ndarray:
    """From features in standard deviations to coordinates in the lattice's plane."""
    axis = np.arange(d)
    return math.sqrt(2 / 3) * (d + 1) / np.sqrt((axis + 1) * (axis + 2))


class Corners(NamedTuple):
    """The corners of all points, sorted. Along `corner` they go by their remainder.

    Attributes:
        weight: Share of each corner in each point, in the order of the points.
        point: Whose corner it is, sorted by remainder and key.
        key: The sorted keys.
        number: Which of all different corners it is, ascending.
    """

    weight: Float[Array, "corner point"]
    point: Int[Array, "corner point"]
    key: UInt32[Array, "words corner point"]
    number: Int[Array, "corner point"]

    @property
    def count(self) -> Int[Array, ""]:
        """How many different corners there are."""
        return self.number[-1, -1] + 1


def find_corners(
    features: Float[Array, "d point"],
    lowest: Int[Array, " d"],
    strides: UInt32[Array, "words d"],
) -> Corners:
    """Finds the simplex of each point, and numbers the corners that occur.

    Args:
        features: Features in standard deviations, within the layout's box.
        lowest: Of the `KeyLayout`.
        strides: Of the `KeyLayout`.

    Returns:
        Sorted corners.
    """
    quotient, rank, weight = _enclose(features)
    d, num_points = features.shape
    offset = (quotient[1:] - lowest[:, None]).astype(jnp.uint32)
    base = jnp.sum(offset * strides[:, :, None], axis=1, dtype=jnp.uint32)
    keys = [
        base
        - jnp.sum(
            (rank[1:] > d - corner) * strides[:, :, None], axis=1, dtype=jnp.uint32
        )
        for corner in range(d + 1)
    ]
    key = jnp.stack(keys, axis=1)
    point = jnp.broadcast_to(jnp.arange(num_points, dtype=jnp.int32), key.shape[1:])
    *words, point = jax.lax.sort(
        (*key, point), dimension=1, is_stable=True, num_keys=len(strides)
    )
    key = jnp.stack(words)
    differs = jnp.any(key[:, :, 1:] != key[:, :, :-1], axis=0)
    is_new = jnp.pad(differs, ((0, 0), (1, 0)), constant_values=True)
    number = jnp.cumsum(is_new.reshape(-1), dtype=jnp.int32) - 1
    return Corners(weight, point, key, number.reshape(is_new.shape))


def _enclose(
    features: Float[Array, "d point"],
) -> tuple[
    Int[Array, "corner point"], Int[Array, "corner point"], Float[Array, "corner point"]
]:
    """The simplex that each point lies in.

    Returns:
        The corner of remainder 0, its coordinates divided by d + 1; the rank of each
        coordinate of the point's way from there, from 0 for the largest; barycentric
        weights of the corners.
    """
    d = len(features)
    # Rounded once: what follows compares the same numbers several times.
    coordinate = jax.lax.optimization_barrier(stage(_project)(features))
    quotient = jnp.round(coordinate * (1 / (d + 1)))
    way = coordinate - quotient * (d + 1)
    quotient = quotient.astype(jnp.int32)
    ranks = [jnp.sum(quotient, axis=0)] * (d + 1)
    for i in range(d + 1):
        for j in range(i + 1, d + 1):
            is_less = (way[i] < way[j]).astype(jnp.int32)
            ranks[i] += is_less
            ranks[j] += 1 - is_less
    rank = jnp.stack(ranks)
    # Coordinates of lattice points sum to 0.
    step = (rank < 0).astype(jnp.int32) - (rank > d).astype(jnp.int32)
    quotient, rank = quotient + step, rank + step * (d + 1)
    way = (way - step * (d + 1)) * (1 / (d + 1))
    ordered = [jnp.sum(jnp.where(rank == r, way, 0), axis=0) for r in range(d + 1)]
    weights = [1 + ordered[d] - ordered[0]]
    weights += [ordered[d - k] - ordered[d + 1 - k] for k in range(1, d + 1)]
    return quotient, rank, jnp.stack(weights)


def _project(features: Float[Array, "d point"]) -> Float[Array, "corner point"]:
    """Coordinates in the lattice's plane, which sum to 0."""
    d = len(features)
    scaled = features * jnp.asarray(_scale(d), jnp.float32)[:, None]
    coordinates, tail = [], jnp.zeros_like(features[0])
    for axis in range(d, 0, -1):
        coordinates.append(tail - axis * scaled[axis - 1])
        tail = tail + scaled[axis - 1]
    return jnp.stack([tail, *coordinates[::-1]])


class _Sums(NamedTuple):
    """How rows that follow one another are summed, up to `_ROWS` at a time.

    The first sums are of the first `_ROWS` rows of each group; behind them come those
    of the further rows of the groups that have more, which the next `_Sums` sums.

    Attributes:
        row: Rows of each sum; the last row of all, which is 0, where there are fewer.
        group: Which group of the next `_Sums` belongs to each group; the last one,
            which is 0, for none.
    """

    row: Int[Array, "rows sum"]
    group: Int[Array, " group"]


@flax.struct.dataclass
class Lattice:
    """A lattice for the points of one image.

    Attributes:
        corner: Number of each corner of each point.
        slice_weight: What it counts when the point reads it.
        point: Points of each sum over points; see `_Sums`.
        splat_weight: What they count there; 0 where there are fewer.
        sums: Sums of these sums.
        group: `_Sums.group` of the first sums.
        neighbor: Numbers of the two neighbours of each corner along each axis; the
            last corner of all, which is 0, for one that does not occur.
    """

    corner: Int[Array, "corner point"]
    slice_weight: Float[Array, "corner point"]
    point: Int[Array, "rows sum"]
    splat_weight: Float[Array, "rows sum"]
    group: Int[Array, " number"]
    sums: tuple[_Sums, ...]
    neighbor: Int[Array, "axis 2 number"]

    @property
    def num_points(self) -> int:
        """How many points there are."""
        return self.corner.shape[1]

    def filter(
        self, values: Float[Array, "point channels"]
    ) -> Float[Array, "point channels"]:
        """Splats, blurs and slices."""
        rows = stage(_weighted_sum)(values, self.point, self.splat_weight)
        table = stage(_total)(rows, self.group, self.sums)
        table, _ = jax.lax.scan(_blur, table, self.neighbor)
        return _weighted_sum(table, self.corner, self.slice_weight)

    def scaled(
        self, by: Float[Array, " point"], factor: Float[Array, ""] | float = 1.0
    ) -> "Lattice":
        """The lattice that multiplies by something before, and after.

        Args:
            by: Multiplies values before they are splatted and after they are sliced.
            factor: Multiplies what is sliced.
        """
        return dataclasses.replace(
            self,
            splat_weight=self.splat_weight * _take(by, self.point),
            slice_weight=self.slice_weight * (by * factor),
        )


def _take(values: Array, index: Int[Array, "..."]) -> Array:
    return values.at[index].get(mode="promise_in_bounds")


def _sum(values: Array, index: Int[Array, "rows sum"]) -> Array:
    """Sums over rows of values."""
    return functools.reduce(operator.add, (_take(values, row) for row in index))


def _weighted_sum(
    values: Array, index: Int[Array, "rows sum"], weights: Float[Array, "rows sum"]
) -> Array:
    """Weighted sums over rows of values."""
    parts = zip(index, weights, strict=True)
    terms = (weight[:, None] * _take(values, row) for row, weight in parts)
    return functools.reduce(operator.add, terms)


def _blur(table: Array, neighbor: Int[Array, "2 number"]) -> tuple[Array, None]:
    """Blurs along one axis."""
    forward, backward = neighbor
    return table + 0.5 * (_take(table, forward) + _take(table, backward)), None


def _total(rows: Array, group: Int[Array, " group"], sums: Sequence[_Sums]) -> Array:
    """The sum of each group, from the sums of its first and of its further rows."""
    first, further = rows[: len(group)], rows[len(group) :]
    if not sums:
        return first
    rows = stage(_sum)(further, sums[0].row)
    return first + _take(_total(rows, sums[0].group, sums[1:]), group)


def make_lattice(
    corners: Corners, strides: UInt32[Array, "words d"], capacity: int
) -> Lattice:
    """Makes the tables that filtering goes by.

    Args:
        corners: What `find_corners` returned.
        strides: Of the `KeyLayout`.
        capacity: Room for corners; more than `corners.count`.
    """
    num_corners, num_points = corners.number.shape
    size = num_corners * num_points
    number = corners.number.reshape(-1)
    is_new = jnp.diff(number, prepend=-1) > 0
    entry = jnp.arange(size, dtype=jnp.int32)
    start = jnp.full(capacity, size, jnp.int32)
    start = start.at[jnp.where(is_new, number, capacity)].set(entry, mode="drop")
    stop = jnp.append(start[1:], size)
    # Of each remainder, where its corners begin.
    bounds = jnp.append(corners.number[:, 0], corners.count)
    remainder = jnp.sum(jnp.arange(capacity) >= bounds[1:-1, None], axis=0)
    row, is_row, group, sums = _plan_sums(start, stop, size)
    point = _take(corners.point.reshape(-1), row)
    owner = _take(number, row)
    weight_index = _take(remainder, owner) * num_points + point
    weight = _take(corners.weight.reshape(-1), weight_index)
    of_point = jnp.zeros_like(corners.number)
    kind = jnp.arange(num_corners)[:, None]
    of_point = of_point.at[kind, corners.point].set(
        corners.number, unique_indices=True, mode="promise_in_bounds"
    )
    return Lattice(
        corner=of_point,
        # What the blur adds, given that it adds half of two neighbours.
        slice_weight=corners.weight / (1 + 2.0 ** -(num_corners - 1)),
        point=point,
        splat_weight=jnp.where(is_row, weight, 0),
        group=group,
        sums=sums,
        neighbor=_find_neighbors(corners, start, remainder, bounds, strides),
    )


def _find_neighbors(
    corners: Corners,
    start: Int[Array, " number"],
    remainder: Int[Array, " number"],
    bounds: Int[Array, " remainder"],
    strides: UInt32[Array, "words d"],
) -> Int[Array, "axis 2 number"]:
    """Looks the neighbours of all corners up, by bisection.

    Along axis j a corner's neighbour has the next remainder, and coordinate j is d
    less.
    """
    num_corners, num_points = corners.number.shape
    capacity, size = len(start), num_corners * num_points
    flat = corners.key.reshape(len(strides), -1)
    key = flat[:, jnp.minimum(start, size - 1)]
    is_last = remainder == num_corners - 1
    # The first coordinate has no part in the key.
    along = jnp.pad(strides, ((0, 0), (1, 0)))[:, :, None]
    whole = jnp.sum(strides, axis=1, dtype=jnp.uint32)[:, None, None]
    wanted = key[:, None] + jnp.where(is_last, whole, jnp.uint32(0)) - along
    following = jnp.where(is_last, 0, remainder + 1)
    low = jnp.broadcast_to(_take(bounds, following), wanted.shape[1:])
    end = jnp.broadcast_to(_take(bounds, following + 1), wanted.shape[1:])

    def halve(_: Any, span: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = span
        middle = (low + high) // 2
        is_less = _is_less(_take_words(key, middle), wanted) & (low < high)
        return jnp.where(is_less, middle + 1, low), jnp.where(is_less, high, middle)

    low, _ = jax.lax.fori_loop(0, capacity.bit_length(), halve, (low, end))
    is_found = (low < end) & jnp.all(_take_words(key, low) == wanted, axis=0)
    number = jnp.arange(capacity, dtype=jnp.int32)
    is_found &= number < corners.count
    forward = jnp.where(is_found, low, capacity - 1)
    axis = jnp.arange(num_corners)[:, None]
    backward = jnp.full_like(forward, capacity - 1)
    backward = backward.at[axis, jnp.where(is_found, low, capacity)].set(
        jnp.broadcast_to(number, forward.shape), mode="drop"
    )
    return jnp.stack([forward, backward], axis=1)


def _take_words(key: Array, index: Int[Array, "..."]) -> Array:
    return jnp.stack([_take(word, index) for word in key])


def _is_less(a: UInt32[Array, "words ..."], b: UInt32[Array, "words ..."]) -> Array:
    """Compares keys, the first word first."""
    less: Bool[Array, ...] = a[-1] < b[-1]
    for x, y in zip(a[-2::-1], b[-2::-1], strict=True):
        less = (x < y) | ((x == y) & less)
    return less


def _plan_sums(
    start: Int[Array, " group"], stop: Int[Array, " group"], num_rows: int
) -> tuple[
    Int[Array, "rows sum"],
    Bool[Array, "rows sum"],
    Int[Array, " group"],
    tuple[_Sums, ...],
]:
    """Plans the sums over groups of rows that follow one another.

    Args:
        start: First row of each group, ascending.
        stop: Row behind its last.
        num_rows: Number of all rows.

    Returns:
        Rows of each sum, some row where there are fewer; whether there is one; and
        `group` and `sums` as of a `Lattice`.
    """
    num_groups = len(start)
    # Sums beyond the first of each group are over whole eights but for its last.
    num_further = (num_rows - 1) // _ROWS + 1
    count = jnp.maximum(stop - start - 1, 0) // _ROWS
    is_large = count > 0
    end, large = jnp.cumsum(jnp.stack([count, is_large]), axis=1, dtype=jnp.int32)
    begin = end - count
    place = jnp.arange(num_further, dtype=jnp.int32)
    owner = jnp.searchsorted(end, place, side="right", method="scan")
    owner = jnp.minimum(owner, num_groups - 1)
    skipped = (place - begin[owner] + 1) * _ROWS
    first = jnp.concatenate([start, start[owner] + skipped])
    last = jnp.concatenate([stop, jnp.where(place < end[-1], stop[owner], 0)])
    row = first + jnp.arange(_ROWS, dtype=jnp.int32)[:, None]
    is_row = row < last
    row = jnp.clip(row, 0, num_rows - 1)
    if num_rows <= _ROWS:
        return row, is_row, jnp.zeros_like(start), ()
    # Groups with further rows, and one that is empty.
    num_large = min(num_groups, num_further) + 1
    group = jnp.where(is_large, large - 1, num_large - 1)
    place = jnp.where(is_large, large - 1, num_large)
    next_start = jnp.full(num_large, num_further, jnp.int32)
    next_start = next_start.at[place].set(begin, mode="drop")
    next_stop = jnp.full(num_large, num_further, jnp.int32)
    next_stop = next_stop.at[place].set(end, mode="drop")
    inner, is_inner, inner_group, sums = _plan_sums(next_start, next_stop, num_further)
    inner = jnp.where(is_inner, inner, num_further - 1)
    return row, is_row, group, (_Sums(inner, inner_group), *sums)
