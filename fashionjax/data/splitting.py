"""Dividing photos into splits of given sizes, the same way on every machine."""

from collections.abc import Collection, Iterable, Mapping

import numpy as np


def sizes_of(count: int, percent: Mapping[str, int]) -> dict[str, int]:
    """Sizes of splits in percent; what rounding down leaves goes to the last one.

    Args:
        count: Number of photos.
        percent: Of each split, 100 in all.
    """
    sizes = {split: count * share // 100 for split, share in percent.items()}
    sizes[list(percent)[-1]] += count - sum(sizes.values())
    return sizes


def shuffled_split(
    image_ids: Iterable[str], sizes: Mapping[str, int], *, seed: int = 0
) -> dict[str, list[str]]:
    """Divides photos at random.

    Args:
        image_ids: The photos; their order does not matter.
        sizes: Photos of each split, all together.
        seed: Of the shuffle.

    Returns:
        Sorted ids by split.
    """
    ids = sorted(image_ids)
    order = np.random.default_rng(seed).permutation(len(ids))
    ends = np.cumsum(list(sizes.values()))[:-1]
    parts = np.split(order, ends)
    return {
        split: [ids[i] for i in sorted(part.tolist())]
        for split, part in zip(sizes, parts, strict=True)
    }


def stratified_split(
    categories_of: Mapping[str, Collection[int]],
    sizes: Mapping[str, int],
    *,
    seed: int = 0,
) -> dict[str, list[str]]:
    """Divides photos so that each split has its share of every category.

    Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, 2011, with
    splits of exact size: the rarest category that is left is dealt out first, each
    photo to the split that lacks most of it.

    Args:
        categories_of: What is on each photo.
        sizes: Photos of each split, all together.
        seed: Of the order of photos, which decides between equals.

    Returns:
        Sorted ids by split.
    """
    ids = sorted(categories_of)
    order = np.random.default_rng(seed).permutation(len(ids)).tolist()
    columns = sorted(set().union(*categories_of.values())) if ids else []
    present = np.zeros((len(ids), len(columns)), bool)
    for row, image_id in enumerate(ids):
        present[row] = np.isin(columns, list(categories_of[image_id]))
    room = np.array(list(sizes.values()), np.float64)
    lacking = np.outer(room / max(len(ids), 1), present.sum(0))
    split_of = np.full(len(ids), -1)
    left = present.sum(0)
    while left.any():
        column = int(np.where(left > 0, left, len(ids) + 1).argmin())
        for row in order:
            if split_of[row] >= 0 or not present[row, column]:
                continue
            split = _neediest(lacking[:, column], room)
            split_of[row] = split
            room[split] -= 1
            lacking[split] -= present[row]
            left -= present[row]
    for row in order:
        if split_of[row] < 0:
            split_of[row] = split = _neediest(room, room)
            room[split] -= 1
    return {
        split: [ids[row] for row in np.flatnonzero(split_of == number).tolist()]
        for number, split in enumerate(sizes)
    }


def _neediest(need: np.ndarray, room: np.ndarray) -> int:
    """The split that lacks most, of those with room; of equals, that with most room."""
    return int(np.lexsort((room, np.where(room > 0, need, -np.inf)))[-1])
