import jax
import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.metrics import segmentation_metrics
from fashionjax.metrics.class_counts import ClassCounts, count_classes, without_ignored
from fashionjax.metrics.images import (
    batch_mean_metrics,
    image_scores,
    size_buckets,
    size_metrics,
)

CLASSES = 4
NAMES = ("background", "a", "b", "c")


def _maps(num_images=7):
    rng = np.random.default_rng(0)
    label = rng.integers(0, CLASSES, (num_images, 6, 5)).astype(np.uint8)
    pred = np.where(rng.random(label.shape) < 0.5, label, rng.integers(0, CLASSES))
    label[0][label[0] == 2] = 1  # one class is not in every image
    pred[0][pred[0] == 2] = 0
    label[1] = 0  # an image of background alone, found
    pred[1] = 0
    label[2, :2] = IGNORE_INDEX
    return label, pred.astype(np.int32)


def _confusion(label, pred):
    counts = np.zeros((CLASSES, CLASSES), np.int64)
    valid = label != IGNORE_INDEX
    np.add.at(counts, (label[valid], pred[valid]), 1)
    return counts


@pytest.fixture(scope="module")
def regions():
    count = jax.jit(lambda x, y: count_classes(*without_ignored(x, y), CLASSES))
    return jax.device_get(count(*_maps()))


def test_regions_are_the_sums_of_each_image_s_confusion_matrix(regions):
    for image, (label, pred) in enumerate(zip(*_maps(), strict=True)):
        counts = _confusion(label, pred)
        np.testing.assert_array_equal(regions.hit[image], counts.diagonal())
        np.testing.assert_array_equal(regions.true[image], counts.sum(axis=1))
        np.testing.assert_array_equal(regions.pred[image], counts.sum(axis=0))


def test_an_image_scores_what_it_would_alone(regions):
    scores = image_scores(regions)
    assert set(scores) == {
        "pixel_accuracy",
        "mean_iou",
        "pooled_iou_excl_bg",
        "mask_iou",
    }
    for image, (label, pred) in enumerate(zip(*_maps(), strict=True)):
        alone = segmentation_metrics(_confusion(label, pred), NAMES)
        actual = {name: values[image] for name, values in scores.items()}
        expected = {name: alone[name] for name in scores}
        assert actual == pytest.approx(expected, nan_ok=True)
    assert scores["mean_iou"][1] == 1
    assert np.isnan(scores["mask_iou"][1])


@pytest.mark.parametrize("batch_size", [1, 3, 7, 20])
def test_means_over_batches_weigh_them_by_their_images(regions, batch_size):
    label, pred = _maps()
    metrics = batch_mean_metrics(regions, NAMES, batch_size)
    names = ["pooled_iou", "pooled_iou_excl_bg", "mask_iou"]
    names += [f"iou/{name}" for name in NAMES]
    assert set(metrics) == {f"batch_mean/{name}" for name in names}
    parts = [slice(i, i + batch_size) for i in range(0, len(label), batch_size)]
    weights = np.array([len(label[part]) for part in parts])
    batches = [
        segmentation_metrics(_confusion(label[part], pred[part]), NAMES)
        for part in parts
    ]
    for name in names:
        values = np.array([batch[name] for batch in batches])
        known = ~np.isnan(values)
        expected = np.average(values[known], weights=weights[known])
        assert metrics[f"batch_mean/{name}"] == pytest.approx(expected), name


def test_objects_are_divided_by_the_pixels_that_they_have_in_their_image():
    # Three images; class a is small, large and absent, b is small alone.
    regions = ClassCounts(
        hit=np.array([[80, 4, 0], [20, 40, 1], [90, 0, 0]]),
        true=np.array([[90, 10, 0], [28, 70, 2], [100, 0, 0]]),
        pred=np.array([[86, 5, 9], [40, 55, 5], [90, 10, 0]]),
    )
    metrics = size_metrics(regions, (11, 50))
    a, b = 4 / 11, 1 / 6
    assert metrics == pytest.approx(
        {
            "iou_by_size/below_11": (a + b) / 2,
            "pooled_iou_by_size/below_11": 5 / (11 + 6),
            "iou_by_size/11_to_49": np.nan,
            "pooled_iou_by_size/11_to_49": np.nan,
            "iou_by_size/from_50": 40 / 85,
            "pooled_iou_by_size/from_50": 40 / 85,
        },
        nan_ok=True,
    )
    zero = size_metrics(regions, (11, 50), absent="zero")
    assert zero["iou_by_size/from_50"] == pytest.approx(40 / 85 / 2)


def test_every_area_but_zero_is_in_one_bucket():
    area = np.array([0, 1, 10, 11, 49, 50, 10**6])
    buckets = size_buckets(area, (11, 50))
    assert list(buckets) == ["below_11", "11_to_49", "from_50"]
    expected = [None, 0, 0, 1, 1, 2, 2]
    for i, bucket in enumerate(expected):
        found = [j for j, inside in enumerate(buckets.values()) if inside[i]]
        assert found == ([] if bucket is None else [bucket])
