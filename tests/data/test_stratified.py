import itertools

import numpy as np
import pytest

from fashionjax.data.stratified import (
    class_deviations,
    describe_split,
    s3_sizes,
    stratified_ids,
    stratified_split,
)


def random_tags(seed, num_images, num_classes):
    """Classes that depend on each other, from frequent to rare."""
    rng = np.random.default_rng(seed)
    style = rng.normal(size=(num_images, 1)) * rng.choice([-1, 1], num_classes)
    rates = np.linspace(1, -6, num_classes) + style
    return rng.random((num_images, num_classes)) < 1 / (1 + np.exp(-rates))


def test_the_sizes_are_those_of_s3():
    assert s3_sizes(43_470) == (30_429, 3_913, 9_128)
    for n in range(200):
        sizes = s3_sizes(n)
        assert sum(sizes) == n
        assert np.abs(np.subtract(sizes, [0.7 * n, 0.09 * n, 0.21 * n])).max() < 1.3


@pytest.mark.parametrize("num_classes", [1, 8, 46])
@pytest.mark.parametrize("num_images", [1, 7, 100, 1000])
def test_every_image_is_in_one_part_and_the_sizes_are_exact(num_images, num_classes):
    present = random_tags(0, num_images, num_classes)
    for sizes in (s3_sizes(num_images), (num_images,), (0, num_images, 0)):
        part_of = stratified_split(present, sizes, seed=0)
        assert part_of.shape == (num_images,)
        counts = np.bincount(part_of, minlength=len(sizes))
        np.testing.assert_array_equal(counts, sizes)


def test_classes_are_alike_and_more_so_than_by_chance():
    present = random_tags(1, 3000, 20)
    part_of = stratified_split(present, s3_sizes(3000), seed=0)
    worst = np.abs(class_deviations(present, part_of, 3)).max(axis=0)
    rng = np.random.default_rng(0)
    by_chance = [
        np.abs(class_deviations(present, rng.permutation(part_of), 3)).max(axis=0)
        for _ in range(20)
    ]
    # For each class better than the best of twenty, but for what one image makes.
    assert (worst <= np.min(by_chance, axis=0) + 1 / 270).all()
    assert worst.max() < 0.15 * np.mean(by_chance, axis=0).max()
    assert worst.mean() < 0.1 * np.mean(by_chance)


def test_of_exclusive_classes_each_part_has_its_share_to_the_image():
    """With one class an image nothing stands in the way."""
    classes = np.repeat([0, 1, 2, 3], [1000, 200, 30, 10])
    present = np.eye(4, dtype=bool)[np.random.default_rng(0).permutation(classes)]
    part_of = stratified_split(present, (868, 111, 261), seed=5)
    for part, share in enumerate((0.7, 0.09, 0.21)):
        counts = present[part_of == part].sum(axis=0)
        assert np.abs(counts - share * np.array([1000, 200, 30, 10])).max() <= 1


def test_numbers_are_those_of_going_image_by_image():
    """The paper's greedy choice, one image at a time, with parts that can be full."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        # One class an image, or none: then which image goes first changes no number.
        classes = rng.choice(5, 60, p=[0.5, 0.25, 0.15, 0.06, 0.04])
        present = np.eye(5, dtype=bool)[classes][:, 1:]
        sizes = [30, 17, 13]
        part_of = stratified_split(present, sizes, seed)
        room, expected = np.array(sizes), np.zeros((3, 5), int)
        totals = np.bincount(classes, minlength=5)
        order = sorted((c for c in range(1, 5) if totals[c]), key=lambda c: totals[c])
        for c in [*order, 0]:
            lacking = np.array(sizes) / 60 * totals[c]
            for _ in range(totals[c]):
                # Nobody lacks images without a class; they go where there is room.
                wish = [(room[p] if c == 0 else lacking[p], room[p]) for p in range(3)]
                best = max((p for p in range(3) if room[p]), key=wish.__getitem__)
                lacking[best] -= 1
                room[best] -= 1
                expected[best, c] += 1
        counts = [np.bincount(classes[part_of == p], minlength=5) for p in range(3)]
        np.testing.assert_array_equal(counts, expected)


def test_the_seed_decides():
    present = random_tags(2, 500, 8)
    first, again, other = (
        stratified_split(present, s3_sizes(500), seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_order_of_the_ids_changes_nothing():
    present = random_tags(3, 300, 8)
    ids = [f"{i:x}" for i in range(300)]
    splits = stratified_ids(ids, present, seed=0)
    assert {split: len(members) for split, members in splits.items()} == {
        "train": 210,
        "val": 27,
        "test": 63,
    }
    assert sorted(itertools.chain(*splits.values())) == sorted(ids)
    assert all(members == sorted(members) for members in splits.values())
    order = np.random.default_rng(0).permutation(300)
    assert stratified_ids([ids[i] for i in order], present[order], seed=0) == splits


def test_deviations_are_differences_of_shares():
    present = np.array([[1, 0], [1, 0], [0, 0], [1, 1]], bool)
    deviations = class_deviations(present, np.array([0, 0, 0, 1]), 3)
    np.testing.assert_allclose(deviations[0], [2 / 3 - 3 / 4, 0 - 1 / 4])
    np.testing.assert_allclose(deviations[1], [1 - 3 / 4, 1 - 1 / 4])
    assert np.isnan(deviations[2]).all()


def test_the_table_has_a_line_for_each_class():
    present = np.array([[1, 0]] * 6 + [[1, 1]] * 4, bool)
    part_of = np.array([0, 0, 0, 0, 1, 2, 0, 0, 1, 2])
    title, top, bag = describe_split(present, part_of, ["top", "bag"]).splitlines()
    assert " ".join(title.split()) == "% of images all 10 train 6 val 2 test 2"
    assert " ".join(top.split()) == "top 100.000 +0.000 +0.000 +0.000"
    assert " ".join(bag.split()) == "bag 40.000 -6.667 +10.000 +10.000"


@pytest.mark.parametrize("sizes", [(3, 3), (-1, 6), ()])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(ValueError, match="for 5 images; allowed are numbers from 0"):
        stratified_split(np.ones((5, 2), bool), sizes, 0)


def test_what_is_no_table_of_tags_is_refused():
    with pytest.raises(ValueError, match=r"int64\[2, 2\]; allowed are booleans"):
        stratified_split(np.ones((2, 2), np.int64), (2,), 0)
    with pytest.raises(
        ValueError, match="2 image ids, 1 of them different, for 2 rows"
    ):
        stratified_ids(["a", "a"], np.ones((2, 2), bool), 0)
