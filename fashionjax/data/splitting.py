"""Dividing photos into splits at random, the same way on every machine."""

from collections.abc import Collection, Iterable, Mapping, Sequence

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


def chosen_ids(
    splits: Mapping[str, Sequence[str]], image_ids: Collection[str]
) -> dict[str, list[str]]:
    """Leaves only some photos in splits, and no split that is empty then."""
    chosen = set(image_ids)
    parts = {s: [i for i in ids if i in chosen] for s, ids in splits.items()}
    return {split: ids for split, ids in parts.items() if ids}


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
