import jax
import numpy as np
import pytest
from scipy import ndimage

from fashionjax.constants import IGNORE_INDEX
from fashionjax.metrics.boundaries import (
    boundary_metrics,
    boundary_width,
    count_boundaries,
    count_trimaps,
    trimap_metrics,
)
from fashionjax.metrics.class_counts import ClassCounts
from tests.structure import indexed_operations

CLASSES = 4
SIZE = (17, 23)
SQUARE = np.ones((3, 3), bool)


def _maps(seed, num_images=3):
    """Blobs of a few pixels, some without label, and a prediction a little off."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, CLASSES, (num_images, 6, 8))
    label = coarse.repeat(3, axis=1).repeat(3, axis=2)[:, : SIZE[0], : SIZE[1]]
    pred = np.roll(label, (1, -1), axis=(1, 2))
    noise = rng.random(label.shape) < 0.05
    pred = np.where(noise, rng.integers(0, CLASSES, label.shape), pred)
    label[:, 3:6, 5:9] = IGNORE_INDEX
    return label.astype(np.uint8), pred.astype(np.int32)


def _eroded_band(mask, width):
    """Cheng et al.: a mask without what is left of it after `width` erosions."""
    padded = np.pad(mask, 1)
    eroded = ndimage.binary_erosion(padded, SQUARE, width, border_value=1)
    return mask & ~eroded[1:-1, 1:-1]


@pytest.mark.parametrize("width", [1, 2, 5])
def test_boundaries_are_what_erosions_take_away(width):
    label, pred = _maps(0)
    counts = jax.jit(count_boundaries, static_argnums=(2, 3))(
        label, pred, CLASSES, width
    )
    expected = np.zeros((3, len(label), CLASSES), np.int64)
    for image, (truth, guess) in enumerate(zip(label, pred, strict=True)):
        guess = np.where(truth == IGNORE_INDEX, IGNORE_INDEX, guess)
        for k in range(CLASSES):
            true = _eroded_band(truth == k, width)
            found = _eroded_band(guess == k, width)
            expected[:, image, k] = np.sum(true & found), np.sum(true), np.sum(found)
    np.testing.assert_array_equal(np.stack(counts.parts), expected)


def test_trimaps_are_what_is_near_another_true_class():
    radii = (1, 2, 4)
    label, pred = _maps(1)
    counts = jax.jit(count_trimaps, static_argnums=(2, 3))(label, pred, CLASSES, radii)
    expected = np.zeros((3, len(label), len(radii), CLASSES), np.int64)
    for image, (truth, guess) in enumerate(zip(label, pred, strict=True)):
        for r, radius in enumerate(radii):
            near = [
                ndimage.binary_dilation(truth == k, SQUARE, radius)
                for k in range(CLASSES)
            ]
            band = (np.sum(near, axis=0) > 1) & (truth != IGNORE_INDEX)
            for k in range(CLASSES):
                true, found = band & (truth == k), band & (guess == k)
                expected[:, image, r, k] = (
                    np.sum(true & found),
                    np.sum(true),
                    np.sum(found),
                )
    np.testing.assert_array_equal(np.stack(counts.parts), expected)


def test_what_is_predicted_where_there_is_no_label_changes_nothing():
    label, pred = _maps(2)
    other = np.where(label == IGNORE_INDEX, (pred + 1) % CLASSES, pred)
    assert not np.array_equal(pred, other)
    for count, argument in ((count_boundaries, 2), (count_trimaps, (1, 3))):
        for a, b in zip(
            count(label, pred, CLASSES, argument).parts,
            count(label, other, CLASSES, argument).parts,
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


def test_a_perfect_prediction_has_an_iou_of_one():
    label, _ = _maps(3)
    pred = np.where(label == IGNORE_INDEX, 0, label).astype(np.int32)
    sums = jax.tree.map(
        lambda x: x.sum(axis=0), count_boundaries(label, pred, CLASSES, 2)
    )
    metrics = boundary_metrics(sums, "abcd")
    assert set(metrics) == {
        "boundary_iou",
        "boundary_iou_excl_bg",
        *(f"boundary_iou/{name}" for name in "abcd"),
    }
    assert set(metrics.values()) == {1.0}


def test_metrics_are_quotients_of_sums():
    counts = ClassCounts(
        hit=np.array([2, 3, 0]), true=np.array([4, 5, 0]), pred=np.array([6, 3, 0])
    )
    metrics = boundary_metrics(counts, ["background", "a", "b"])
    assert metrics["boundary_iou/background"] == 2 / 8
    assert metrics["boundary_iou/a"] == 3 / 5
    assert metrics["boundary_iou"] == pytest.approx((2 / 8 + 3 / 5) / 2)
    assert metrics["boundary_iou_excl_bg"] == 3 / 5
    assert np.isnan(metrics["boundary_iou/b"])
    zero = boundary_metrics(counts, ["background", "a", "b"], absent="zero")
    assert zero["boundary_iou"] == pytest.approx((2 / 8 + 3 / 5) / 3)
    curve = trimap_metrics(jax.tree.map(lambda x: np.stack([x, 2 * x]), counts), (1, 3))
    assert curve == pytest.approx(
        {
            "trimap_accuracy/1px": 5 / 9,
            "trimap_mean_iou/1px": (2 / 8 + 3 / 5) / 2,
            "trimap_accuracy/3px": 5 / 9,
            "trimap_mean_iou/3px": (2 / 8 + 3 / 5) / 2,
        }
    )


@pytest.mark.parametrize(
    ("size", "ratio", "width"),
    [((288, 192), 0.02, 7), ((600, 400), 0.02, 14), ((16, 16), 0.02, 1)],
)
def test_the_width_is_a_share_of_the_diagonal(size, ratio, width):
    assert boundary_width(*size, ratio) == width


def test_counting_scatters_and_gathers_nothing():
    label, pred = _maps(4)

    def count(label, pred):
        return (
            count_boundaries(label, pred, CLASSES, 2),
            count_trimaps(label, pred, CLASSES, (1, 2)),
        )

    assert indexed_operations(count, label, pred) == set()
