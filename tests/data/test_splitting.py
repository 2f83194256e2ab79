import itertools

import numpy as np
import pytest

from fashionjax.data.splitting import shuffled_split, sizes_of, stratified_split

SIZES = {"train": 700, "val": 90, "test": 210}
IDS = [f"{i:04d}" for i in range(1000)]


def _categories(seed=0):
    """A common category, several less common ones, and one on ten photos."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.6, 0.3, 0.2, 0.1, 0.05, 0.03, 0.01])
    present = rng.random((1000, 7)) < shares
    present[:, 6] = False
    present[rng.choice(1000, 10, replace=False), 6] = True
    return {i: set(np.flatnonzero(row)) for i, row in zip(IDS, present, strict=True)}


def _assert_divides(splits, ids, sizes):
    assert {split: len(members) for split, members in splits.items()} == sizes
    assert sorted(itertools.chain(*splits.values())) == sorted(ids)
    assert all(members == sorted(members) for members in splits.values())


def test_sizes_sum_up_and_the_last_takes_the_rest():
    percent = {"train": 80, "val": 10, "test": 10}
    assert sizes_of(45_623, percent) == {"train": 36_498, "val": 4_562, "test": 4_563}


def test_a_shuffle_depends_on_ids_and_seed_alone():
    splits = shuffled_split(IDS, SIZES)
    _assert_divides(splits, IDS, SIZES)
    assert splits == shuffled_split(reversed(IDS), SIZES)
    assert splits != shuffled_split(IDS, SIZES, seed=1)
    assert splits["test"] != IDS[-210:]


def test_every_split_has_its_share_of_every_category():
    categories = _categories()
    splits = stratified_split(categories, SIZES)
    _assert_divides(splits, IDS, SIZES)
    for column in range(7):
        total = sum(column in found for found in categories.values())
        for split, ids in splits.items():
            found = sum(column in categories[i] for i in ids)
            assert abs(found - total * SIZES[split] / 1000) <= 2


def test_a_stratified_split_repeats():
    categories = _categories()
    splits = stratified_split(categories, SIZES)
    backwards = dict(reversed(list(categories.items())))
    assert splits == stratified_split(backwards, SIZES)
    assert splits != stratified_split(categories, SIZES, seed=1)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_photos_are_divided_too(count):
    ids = {i: {1} for i in IDS[:count]}
    sizes = {"train": count, "val": 0, "test": 0}
    _assert_divides(stratified_split(ids, sizes), ids, sizes)
    _assert_divides(shuffled_split(ids, sizes), ids, sizes)


def test_photos_of_nothing_fill_what_is_left():
    ids = {i: set() for i in IDS}
    _assert_divides(stratified_split(ids, SIZES), ids, SIZES)
