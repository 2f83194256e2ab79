import itertools

import pytest

from fashionjax.data.splitting import shuffled_split, sizes_of

SIZES = {"train": 700, "val": 90, "test": 210}
IDS = [f"{i:04d}" for i in range(1000)]


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


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_photos_are_divided_too(count):
    sizes = {"train": count, "val": 0, "test": 0}
    _assert_divides(shuffled_split(IDS[:count], sizes), IDS[:count], sizes)
