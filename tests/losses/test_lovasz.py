from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses import lovasz_softmax

CLASSES = 4


def _draw(size=(5, 6), seed=0):
    rng = np.random.RandomState(seed)
    logits = 2 * rng.randn(2, *size, CLASSES)
    # Ties, an absent class and ignored pixels.
    logits = np.round(logits, 1).astype(np.float32)
    label = rng.randint(0, CLASSES - 1, (2, *size))
    label[rng.rand(*label.shape) < 0.2] = IGNORE_INDEX
    return logits, label


def _slow(logits, label, classes="present"):
    """The extension by its definition: the loss of sets that grow pixel by pixel."""
    z = logits.astype(np.float64).reshape(-1, CLASSES)
    y = label.ravel()
    z, y = z[y != IGNORE_INDEX], y[y != IGNORE_INDEX]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    losses = []
    for c in range(CLASSES):
        true = y == c
        if classes == "present" and not true.any():
            continue
        errors = np.where(true, 1 - p[:, c], p[:, c])
        wrong, before, loss = np.zeros(len(y), bool), 0.0, 0.0
        for i in np.argsort(-errors, kind="stable"):
            wrong[i] = True
            pred = true ^ wrong
            union = (true | pred).sum()
            jaccard = 1 - (true & pred).sum() / union if union else 0.0
            loss, before = loss + errors[i] * (jaccard - before), jaccard
        losses.append(loss)
    return np.mean(losses)


@pytest.mark.parametrize("classes", ["present", "all"])
def test_it_is_the_sum_over_growing_sets(classes):
    logits, label = _draw()
    loss = jax.jit(partial(lovasz_softmax, classes=classes))(logits, label)
    np.testing.assert_allclose(loss, _slow(logits, label, classes), rtol=1e-6)


def test_certain_predictions_cost_one_minus_the_mean_iou():
    label = jnp.asarray([[[0, 0, 0, 1, 1, 2]], [[0, 0, 0, 0, 0, 0]]])
    pred = jnp.asarray([[[0, 0, 1, 1, 2, 2]], [[0, 0, 0, 0, 0, 1]]])
    ious = [7 / 9, 1 / 4, 1 / 2]
    loss = jax.jit(lovasz_softmax)(1e3 * jax.nn.one_hot(pred, CLASSES), label)
    np.testing.assert_allclose(loss, 1 - np.mean(ious), rtol=1e-6)


def test_images_one_by_one_are_averaged():
    logits, label = _draw()
    label = np.concatenate([label, np.full_like(label[:1], IGNORE_INDEX)])
    logits = np.concatenate([logits, logits[:1]])
    loss = jax.jit(partial(lovasz_softmax, per_image=True))(logits, label)
    expected = np.mean([_slow(logits[i], label[i]) for i in range(2)])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_the_slopes_of_many_pixels_keep_their_digits():
    # Neighbouring Jaccard losses differ in their seventh digit, all that float32 has:
    # their differences would be off by several percent.
    rng = np.random.RandomState(0)
    label = (rng.rand(1, 300, 500) < 0.2).astype(np.int32)
    logits = np.zeros((1, 300, 500, 2), np.float32)
    logits[..., 1] = rng.randn(300, 500)
    grad = np.asarray(jax.jit(jax.grad(lovasz_softmax))(logits, label))
    p = 1 / (1 + np.exp(-logits[..., 1].astype(np.float64).ravel()))
    y = label.ravel()
    by_p = np.zeros(len(y))
    for c, prob in ((0, 1 - p), (1, p)):
        true = y == c
        order = np.argsort(-np.where(true, 1 - prob, prob), kind="stable")
        hits = np.cumsum(true[order])
        union = true.sum() + np.cumsum(~true[order])
        jaccard = 1 - (true.sum() - hits) / union
        slope = np.diff(jaccard, prepend=0) * np.where(true[order], -1, 1)
        by_p[order] += slope * (1 if c else -1) / 2
    expected = by_p * p * (1 - p)
    found = grad[..., 1].ravel()
    # Pixels whose errors float32 cannot tell apart may have changed places.
    error = np.abs(found - expected) / np.abs(expected)
    assert np.quantile(error, 0.99) < 1e-3
