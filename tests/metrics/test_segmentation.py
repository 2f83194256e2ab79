import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.metrics import confusion_matrix, segmentation_metrics


def test_confusion_matrix_equals_a_plain_count():
    rng = np.random.RandomState(0)
    label = rng.randint(0, 7, (3, 11, 13)).astype(np.uint8)
    pred = rng.randint(0, 7, (3, 11, 13))
    label[rng.rand(*label.shape) < 0.2] = IGNORE_INDEX
    expected = np.zeros((7, 7), np.int64)
    for t, p in zip(label.ravel(), pred.ravel(), strict=True):
        if t != IGNORE_INDEX:
            expected[t, p] += 1
    actual = jax.jit(confusion_matrix, static_argnums=2)(
        jnp.asarray(label), jnp.asarray(pred), 7
    )
    assert actual.dtype == jnp.int32
    np.testing.assert_array_equal(actual, expected)


def test_confusion_matrix_is_a_product_without_scatter():
    label = jnp.zeros((2, 4, 4), jnp.uint8)
    text = jax.jit(confusion_matrix, static_argnums=2).lower(label, label, 5).as_text()
    assert "scatter" not in text
    assert "dot_general" in text


def test_known_values():
    #            pred 0  1  2
    confusion = np.array([[50, 5, 5], [2, 20, 8], [0, 4, 6]], np.int64)
    metrics = segmentation_metrics(confusion, ["background", "top", "bag"])
    expected = {
        "pixel_accuracy": 76 / 100,
        "mean_class_accuracy": (50 / 60 + 20 / 30 + 6 / 10) / 3,
        "mean_iou": (50 / 62 + 20 / 39 + 6 / 23) / 3,
        "pooled_iou": 76 / (62 + 39 + 23),
        "pooled_iou_excl_bg": 26 / (39 + 23),
        "mask_iou": 38 / 50,
        "binary_iou": (38 / 50 + 50 / 62) / 2,
        "iou/top": 20 / 39,
        "acc/bag": 6 / 10,
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, rel=1e-12), name


def test_a_class_that_never_occurs_is_undefined_and_left_out_of_means():
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]], np.int64)
    metrics = segmentation_metrics(confusion, ["background", "a", "b"])
    assert np.isnan(metrics["iou/b"])
    assert np.isnan(metrics["acc/b"])
    assert metrics["mean_iou"] == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_a_class_that_is_never_found_counts_zero():
    confusion = np.array([[3, 0], [2, 0]], np.int64)
    metrics = segmentation_metrics(confusion, ["background", "a"])
    assert metrics["iou/a"] == 0
    assert metrics["mean_iou"] == pytest.approx((3 / 5) / 2)


def test_counts_beyond_32_bits_stay_exact():
    confusion = np.array([[2**40, 1], [1, 2**33]], np.int64)
    metrics = segmentation_metrics(confusion, ["background", "a"])
    assert metrics["iou/a"] == 2**33 / (2**33 + 2)


def test_an_empty_split_is_undefined():
    metrics = segmentation_metrics(np.zeros((2, 2), np.int64), ["background", "a"])
    assert all(np.isnan(v) for v in metrics.values())


def test_names_must_fit():
    with pytest.raises(ValueError, match="2 class names"):
        segmentation_metrics(np.zeros((3, 3), np.int64), ["background", "a"])
