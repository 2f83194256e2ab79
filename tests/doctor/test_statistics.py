import dataclasses

import numpy as np
import pytest

from fashionjax.doctor.statistics import (
    count_classes,
    count_sources,
    size_spreads,
)
from fashionjax.doctor.summary import summarize
from fashionjax.doctor.survey import measure, survey
from tests.doctor.toy import MERGED, STORED, dataset, example

NO_HATS = dataclasses.replace(
    STORED, name="no_hats", target_of={0: 0, 1: 1, 2: 255, 3: 3}
)


@pytest.fixture
def labels():
    """Labels of several sizes and classes, with pixels without a label."""
    rng = np.random.default_rng(3)
    choices = ([0, 1], [0, 2, 255], [0, 1, 2], [3, 0], [0, 255], [1, 1, 2])
    return [
        rng.choice(ids, (5 + i, 7)).astype(np.uint8) for i, ids in enumerate(choices)
    ]


@pytest.mark.parametrize("label_map", [STORED, MERGED, NO_HATS], ids=lambda m: m.name)
def test_counts_equal_those_of_mapped_labels(labels, label_map):
    image = np.zeros((9, 9, 3), np.uint8)
    measured = [measure(example("a", image, m), (NO_HATS, label_map)) for m in labels]
    pixels = np.stack([found.pixels[1] for found in measured if not found.dropped[1]])
    counts = count_classes(pixels, label_map.num_classes)
    kept = [m for m in labels if not set(m.ravel().tolist()) & label_map.dropped]
    mapped = [label_map.apply(label) for label in kept]
    everything = np.concatenate([label.ravel() for label in mapped])
    labelled = everything[everything != 255]
    assert counts.num_images == len(kept) == (5 if label_map is MERGED else 6)
    for class_id in range(label_map.num_classes):
        assert counts.images[class_id] == sum((m == class_id).any() for m in mapped)
        assert counts.pixels[class_id] == (labelled == class_id).sum()
        assert counts.shares[class_id] == pytest.approx((labelled == class_id).mean())
    assert counts.ignored_share == pytest.approx((everything == 255).mean())
    assert counts.background_accuracy == pytest.approx((labelled == 0).mean())


def test_sums_of_many_large_photos_are_exact():
    ids = [f"{i:02d}" for i in range(20)]
    toy = dataset({"train": [example(i) for i in ids]})
    found = survey(toy)
    # As of 20 photos of 96 billion pixels each, or 640,000 of 3 million.
    times = 10**7
    many = dataclasses.replace(
        found,
        pixels=found.pixels * times,
        sources=found.sources * times,
        covered=found.covered * times,
        label_sizes=found.label_sizes * [times, 1],
    )
    few, more = summarize(toy, found), summarize(toy, many)
    for before, after in zip(few.maps, more.maps, strict=True):
        for name, counts in before.splits.items():
            expected = [times * count for count in counts.pixels]
            assert after.splits[name] == dataclasses.replace(counts, pixels=expected)
    assert sum(more.sources.pixels) == times * 20 * 120 * 80
    assert more.sources.nothing == few.sources.nothing
    assert more.sources.shares == few.sources.shares


def test_everything_in_a_stack_is_counted():
    stacks = ((), (1,), (2, 1), (3, 2, 1))
    label = np.array([[0, 1, 1], [2, 2, 3]], np.uint8)
    found = measure(
        example("a", np.zeros((2, 3, 3), np.uint8), label) | {"stacks": stacks},
        (STORED, MERGED, NO_HATS),
    )
    assert found.sources[:5].tolist() == [0, 5, 3, 1, 0]
    assert found.covered[:5].tolist() == [0, 3, 1, 0, 0]
    assert found.pixels[:, :4].tolist() == [[1, 2, 2, 1], [1, 5, 0, 0], [1, 2, 0, 1]]
    assert found.pixels[:, 255].tolist() == [0, 0, 2]
    assert found.dropped.tolist() == [False, True, False]


def test_images_are_counted_for_all_of_their_categories():
    sources = np.zeros((3, 256), np.int64)
    sources[0, :3], sources[1, 2], sources[0, 255] = (5, 3, 2), 10, 7
    rows = {"all": np.ones(3, bool), "test": np.array([False, True, True])}
    counts = count_sources(sources, sources // 5, 40, ("a", "b", "c"), rows)
    assert counts.num_images == {"all": 3, "test": 2}
    assert counts.images == {"all": [1, 1, 2], "test": [0, 0, 1]}
    assert (counts.pixels, counts.covered) == ([5, 3, 12], [1, 0, 2])
    assert counts.shares == [5 / 40, 3 / 40, 12 / 40]
    assert counts.nothing == (40 - 20 + 3) / 40
    assert counts.images_by_number == {0: 1, 1: 1, 3: 1}


def test_a_split_without_labelled_pixels_has_no_accuracy():
    pixels = np.zeros((2, 256), np.int64)
    pixels[:, 255] = 9
    counts = count_classes(pixels, 4)
    assert counts.background_accuracy is None
    assert counts.weights == [None] * 4
    assert counts.ignored_share == 1


def test_no_image_is_left_of_a_map_that_drops_all():
    counts = count_classes(np.zeros((0, 256), np.int64), 2)
    assert (counts.num_images, counts.images) == (0, [0, 0])
    assert counts.background_accuracy is None


def test_size_spreads():
    spreads = size_spreads(np.array([[400, 200], [100, 100], [300, 600]]))
    assert (spreads["height"].min, spreads["height"].max) == (100, 400)
    assert spreads["height"].mean == pytest.approx(800 / 3)
    assert spreads["width"].median == 200
    assert spreads["aspect_ratio"].mean == pytest.approx((2 + 1 + 0.5) / 3)
    assert spreads["megapixels"].max == pytest.approx(0.18)
    assert spreads["width"].std == pytest.approx(np.sqrt(140_000 / 3))
