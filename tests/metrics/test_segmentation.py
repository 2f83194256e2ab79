from fractions import Fraction

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
        "foreground_accuracy": 26 / 40,
        "binary_accuracy": 88 / 100,
        "mean_class_accuracy": (50 / 60 + 20 / 30 + 6 / 10) / 3,
        "mean_class_accuracy_excl_bg": (20 / 30 + 6 / 10) / 2,
        "mean_iou": (50 / 62 + 20 / 39 + 6 / 23) / 3,
        "mean_iou_excl_bg": (20 / 39 + 6 / 23) / 2,
        "frequency_weighted_iou": 0.6 * 50 / 62 + 0.3 * 20 / 39 + 0.1 * 6 / 23,
        "mean_dice": (100 / 112 + 40 / 59 + 12 / 29) / 3,
        "mean_dice_excl_bg": (40 / 59 + 12 / 29) / 2,
        "pooled_iou": 76 / (62 + 39 + 23),
        "pooled_iou_excl_bg": 26 / (39 + 23),
        "pooled_dice_excl_bg": 52 / (59 + 29),
        "mask_iou": 38 / 50,
        "mask_dice": 76 / 88,
        "binary_iou": (38 / 50 + 50 / 62) / 2,
        "iou/background": 50 / 62,
        "iou/top": 20 / 39,
        "iou/bag": 6 / 23,
        "acc/background": 50 / 60,
        "acc/top": 20 / 30,
        "acc/bag": 6 / 10,
        "precision/background": 50 / 52,
        "precision/top": 20 / 29,
        "precision/bag": 6 / 19,
        "dice/background": 100 / 112,
        "dice/top": 40 / 59,
        "dice/bag": 12 / 29,
    }
    assert metrics == pytest.approx(expected, rel=1e-12)


def _oracle(confusion, absent):
    """Every metric in exact fractions, pixel sums by loops; 0/0 as `absent` says."""
    counts = [[int(n) for n in row] for row in confusion]
    classes = range(len(counts))
    undefined = {"skip": None, "zero": 0, "one": 1}[absent]

    def divide(a, b, otherwise):
        return Fraction(a, b) if b else otherwise

    def mean(values):
        known = [v for v in values if v is not None]
        return sum(known) / Fraction(len(known)) if known else None

    def sums(classes):
        hit = [counts[k][k] for k in classes]
        true = [sum(counts[k]) for k in classes]
        pred = [sum(row[k] for row in counts) for k in classes]
        return hit, true, pred

    def pooled(classes):
        hit, true, pred = (sum(x) for x in sums(classes))
        union = true + pred - hit
        return [divide(hit, true, None), divide(hit, union, None)]

    hit, true, pred = sums(classes)
    rows = list(zip(hit, true, pred, strict=True))
    iou = [divide(h, t + p - h, undefined) for h, t, p in rows]
    accuracy = [divide(h, t, undefined) for h, t, _ in rows]
    precision = [divide(h, p, undefined) for h, _, p in rows]
    dice = [divide(2 * h, t + p, undefined) for h, t, p in rows]
    total = sum(true)
    foreground = [k for k in classes if k]
    both = sum(counts[i][j] for i in foreground for j in foreground)
    mask_iou = divide(both, total - counts[0][0], undefined)
    fg_hit, fg_true, fg_pred = (sum(x) for x in sums(foreground))
    expected = {
        "pixel_accuracy": pooled(classes)[0],
        "foreground_accuracy": pooled(foreground)[0],
        "binary_accuracy": divide(both + counts[0][0], total, None),
        "frequency_weighted_iou": divide(
            sum(t * v for t, v in zip(true, iou, strict=True) if t), total, None
        ),
        "pooled_iou": pooled(classes)[1],
        "pooled_iou_excl_bg": pooled(foreground)[1],
        "pooled_dice_excl_bg": divide(2 * fg_hit, fg_true + fg_pred, None),
        "mask_iou": mask_iou,
        "mask_dice": divide(2 * both, fg_true + fg_pred, undefined),
        "binary_iou": mean([mask_iou, iou[0]]),
    }
    for name, values in {
        "mean_iou": iou,
        "mean_class_accuracy": accuracy,
        "mean_dice": dice,
    }.items():
        expected |= {name: mean(values), f"{name}_excl_bg": mean(values[1:])}
    for name, values in {
        "iou": iou,
        "acc": accuracy,
        "precision": precision,
        "dice": dice,
    }.items():
        expected |= {f"{name}/c{k}": values[k] for k in classes}
    return {k: np.nan if v is None else float(v) for k, v in expected.items()}


def _random_confusion(seed, num_classes, *, absent=(), never_true=(), never_pred=()):
    """Counts of very different sizes, up to 2**44."""
    rng = np.random.default_rng(seed)
    counts = 2.0 ** rng.uniform(0, 44, (num_classes, num_classes))
    counts = np.where(rng.random(counts.shape) < 0.2, 0, counts).astype(np.int64)
    counts[[*absent, *never_true]] = 0
    counts[:, [*absent, *never_pred]] = 0
    return counts


@pytest.mark.parametrize("absent", ["skip", "zero", "one"])
@pytest.mark.parametrize(
    "classes",
    [
        {},
        {"absent": (2, 5)},
        {"never_true": (3,), "never_pred": (4,)},
        {"absent": (0,)},
        {"absent": range(1, 7)},
    ],
)
def test_all_metrics_equal_exact_fractions(absent, classes):
    for seed in range(3):
        confusion = _random_confusion(seed, 7, **classes)
        assert classes or confusion.max() > 2**31
        names = [f"c{k}" for k in range(7)]
        actual = segmentation_metrics(confusion, names, absent=absent)
        expected = _oracle(confusion, absent)
        assert actual == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_metrics_equal_scikit_learns():
    sklearn = pytest.importorskip("sklearn.metrics")
    confusion = _random_confusion(5, 6, never_true=(3,), never_pred=(4,))
    confusion[0, 0] = 2**44
    true, pred = (x.ravel() for x in np.indices(confusion.shape))
    pixels = {"y_true": true, "y_pred": pred, "sample_weight": confusion.ravel()}
    foreground = {"labels": range(1, 6), "zero_division": 0}
    every = {"labels": range(6), "zero_division": 0}
    names = [f"c{k}" for k in range(6)]
    metrics = segmentation_metrics(confusion, names, absent="zero")
    binary = pixels | {"y_true": true > 0, "y_pred": pred > 0}
    expected = {
        "pixel_accuracy": sklearn.accuracy_score(**pixels),
        "mean_iou": sklearn.jaccard_score(**pixels, **every, average="macro"),
        "mean_iou_excl_bg": sklearn.jaccard_score(
            **pixels, **foreground, average="macro"
        ),
        "pooled_iou": sklearn.jaccard_score(**pixels, **every, average="micro"),
        "pooled_iou_excl_bg": sklearn.jaccard_score(
            **pixels, **foreground, average="micro"
        ),
        "frequency_weighted_iou": sklearn.jaccard_score(
            **pixels, **every, average="weighted"
        ),
        "mask_iou": sklearn.jaccard_score(**binary),
        "mask_dice": sklearn.f1_score(**binary),
        "binary_iou": sklearn.jaccard_score(**binary, average="macro"),
        "binary_accuracy": sklearn.accuracy_score(**binary),
        "mean_class_accuracy": sklearn.recall_score(**pixels, **every, average="macro"),
        "foreground_accuracy": sklearn.recall_score(
            **pixels, **foreground, average="micro"
        ),
        "mean_dice": sklearn.f1_score(**pixels, **every, average="macro"),
        "mean_dice_excl_bg": sklearn.f1_score(**pixels, **foreground, average="macro"),
        "pooled_dice_excl_bg": sklearn.f1_score(
            **pixels, **foreground, average="micro"
        ),
    }
    for metric, score in {
        "iou": sklearn.jaccard_score,
        "acc": sklearn.recall_score,
        "precision": sklearn.precision_score,
        "dice": sklearn.f1_score,
    }.items():
        of_class = score(**pixels, **every, average=None)
        expected |= {f"{metric}/c{k}": of_class[k] for k in range(6)}
    actual = {name: metrics[name] for name in expected}
    assert actual == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("absent", "mean"), [("skip", 31 / 40), ("zero", 31 / 60)])
def test_the_policy_decides_on_a_class_that_never_occurs(absent, mean):
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]], np.int64)
    metrics = segmentation_metrics(confusion, ["background", "a", "b"], absent=absent)
    assert metrics["mean_iou"] == pytest.approx(mean)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="absent='nan'; allowed are skip, zero, one"):
        segmentation_metrics(
            np.eye(2, dtype=np.int64), ["background", "a"], absent="nan"
        )


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
