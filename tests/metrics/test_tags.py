import numpy as np
import pytest

from fashionjax.metrics import tag_metrics


def test_known_values():
    tags = np.array([[1, 1, 0], [0, 1, 0]], bool)
    pred = np.array([[1, 0, 0], [0, 1, 0]], bool)
    metrics = tag_metrics(pred, tags, ["a", "b", "c"])
    # First image: precision 1, recall 1/2; second: both 1.
    assert metrics["f1"] == pytest.approx((2 / 3 + 1) / 2, rel=1e-6)
    assert metrics["f2"] == pytest.approx((5 * 0.5 / 4.5 + 1) / 2, rel=1e-6)
    assert metrics["exact_match"] == 0.5
    assert metrics["tag_accuracy/a"] == 1.0
    assert metrics["tag_accuracy/b"] == 0.5


def test_an_image_without_tags_scores_zero():
    empty = np.zeros((1, 2), bool)
    assert tag_metrics(empty, empty, ["a", "b"])["f1"] == 0


def test_no_images_is_undefined():
    metrics = tag_metrics(np.zeros((0, 1), bool), np.zeros((0, 1), bool), ["a"])
    assert set(metrics) == {"f1", "f2", "exact_match", "tag_accuracy/a"}
    assert all(np.isnan(v) for v in metrics.values())
