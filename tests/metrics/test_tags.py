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
    assert metrics["mean_tag_accuracy"] == pytest.approx(2.5 / 3)
    # Together: two right, none wrong, one missing; c is nowhere and in no mean.
    assert metrics["f1_micro"] == pytest.approx(4 / 5)
    assert metrics["f2_micro"] == pytest.approx(10 / 14)
    assert metrics["f1_macro"] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics["f2_macro"] == pytest.approx((1 + 5 / 9) / 2)


def test_averaged_scores_equal_scikit_learns():
    sklearn = pytest.importorskip("sklearn.metrics")
    tags, pred = np.random.default_rng(0).random((2, 50, 6)) < 0.4
    metrics = tag_metrics(pred, tags, "abcdef")
    for name, beta in (("f1", 1), ("f2", 2)):
        for average in ("micro", "macro"):
            expected = sklearn.fbeta_score(tags, pred, beta=beta, average=average)
            assert metrics[f"{name}_{average}"] == pytest.approx(expected)
        expected = sklearn.fbeta_score(
            tags, pred, beta=beta, average="samples", zero_division=0
        )
        assert metrics[name] == pytest.approx(expected, abs=1e-6)
    assert metrics["exact_match"] == sklearn.accuracy_score(tags, pred)


def test_an_image_without_tags_scores_zero():
    empty = np.zeros((1, 2), bool)
    assert tag_metrics(empty, empty, ["a", "b"])["f1"] == 0


def test_no_images_is_undefined():
    metrics = tag_metrics(np.zeros((0, 1), bool), np.zeros((0, 1), bool), ["a"])
    some = np.ones((1, 1), bool)
    assert set(metrics) == set(tag_metrics(some, some, ["a"]))
    assert {"f1", "f2", "exact_match", "tag_accuracy/a"} <= set(metrics)
    assert all(np.isnan(v) for v in metrics.values())
