import numpy as np
import pytest

from fashionjax.doctor.statistics import (
    count_classes,
    mapped_pixels,
    median_frequency_weights,
    size_spreads,
)
from tests.doctor.toy import MERGED, STORED


@pytest.fixture
def labels():
    """Labels of several sizes and classes, with pixels without a label."""
    rng = np.random.default_rng(3)
    choices = ([0, 1], [0, 2, 255], [0, 1, 2], [3, 0], [0, 255], [1, 1, 2])
    return [
        rng.choice(ids, (5 + i, 7)).astype(np.uint8) for i, ids in enumerate(choices)
    ]


def _pixels(labels):
    return np.stack([np.bincount(label.ravel(), minlength=256) for label in labels])


@pytest.mark.parametrize("label_map", [STORED, MERGED], ids=lambda m: m.name)
def test_counts_equal_those_of_mapped_labels(labels, label_map):
    counts = count_classes(_pixels(labels), label_map)
    kept = [m for m in labels if not set(m.ravel().tolist()) & label_map.dropped]
    mapped = [label_map.apply(label) for label in kept]
    everything = np.concatenate([label.ravel() for label in mapped])
    labelled = everything[everything != 255]
    assert counts.num_images == len(kept) == (6 if label_map is STORED else 5)
    for class_id in range(label_map.num_classes):
        assert counts.images[class_id] == sum((m == class_id).any() for m in mapped)
        assert counts.pixels[class_id] == (labelled == class_id).sum()
        assert counts.shares[class_id] == pytest.approx((labelled == class_id).mean())
    assert counts.ignored_share == pytest.approx((everything == 255).mean())
    assert counts.background_accuracy == pytest.approx((labelled == 0).mean())


def test_mapped_pixels_add_up_the_sources_of_a_class(labels):
    expected = [
        [(MERGED.apply(label) == class_id).sum() for class_id in range(2)]
        for label in labels
    ]
    assert mapped_pixels(_pixels(labels), MERGED).tolist() == expected


def test_median_frequency_weights_of_a_known_case():
    # Class 0: 8 of 20 pixels; class 1: 2 of the 10 of one image; class 2: 10 of 20.
    pixels = np.array([[8, 2, 0, 0], [0, 0, 10, 0]])
    pixels[0] = [6, 2, 2, 0]
    pixels[1] = [2, 0, 8, 0]
    weights = median_frequency_weights(pixels)
    frequencies = [8 / 20, 2 / 10, 10 / 20]
    expected = [0.4 / frequency for frequency in frequencies]
    np.testing.assert_allclose(weights[:3], expected)
    assert np.isnan(weights[3])


def test_a_split_without_labelled_pixels_has_no_accuracy():
    pixels = np.zeros((2, 256), np.int64)
    pixels[:, 255] = 9
    counts = count_classes(pixels, STORED)
    assert counts.background_accuracy is None
    assert counts.weights == [None] * 4
    assert counts.ignored_share == 1


def test_no_image_is_left_of_a_map_that_drops_all():
    pixels = np.zeros((2, 256), np.int64)
    pixels[:, 3] = 9
    counts = count_classes(pixels, MERGED)
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
