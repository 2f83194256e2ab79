from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses import ohem_cross_entropy, softmax_cross_entropy

CLASSES = 3


def _draw():
    rng = np.random.RandomState(0)
    logits = (2 * rng.randn(2, 5, 6, CLASSES)).astype(np.float32)
    label = rng.randint(0, CLASSES, (2, 5, 6))
    label[rng.rand(*label.shape) < 0.2] = IGNORE_INDEX
    return logits, label


def _slow(logits, label, threshold, min_kept):
    """The loss, and which pixels were kept, by sorting."""
    valid = label != IGNORE_INDEX
    z, y = logits[valid].astype(np.float64), label[valid]
    ce = np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]
    order = np.argsort(np.exp(-ce), kind="stable")
    count = max(min_kept * len(label), (np.exp(-ce) < threshold).sum())
    kept = np.zeros(label.shape, bool)
    kept[tuple(index[order[:count]] for index in np.nonzero(valid))] = True
    return ce[order[:count]].mean(), kept


@pytest.mark.parametrize(
    ("threshold", "min_kept"),
    [
        (0.7, 0),  # by the threshold
        (0.1, 12),  # by the number
        (0.1, 23),  # nearly all that have labels
        (0.1, 28),  # more than have labels, fewer than there are
        (0.1, 30),  # all there are
    ],
)
def test_the_loss_is_the_mean_over_the_hardest_pixels(threshold, min_kept):
    logits, label = _draw()
    loss = partial(ohem_cross_entropy, threshold=threshold, min_kept=min_kept)
    value, grad = jax.jit(jax.value_and_grad(loss))(logits, label)
    expected, kept = _slow(logits, label, threshold, min_kept)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(grad).any(-1), kept)


def test_pixels_that_are_equally_hard_are_all_kept():
    # Nothing is harder than the pixel at position min_kept.
    logits = jnp.zeros((1, 4, 4, CLASSES)).at[..., 0].set(3.0)
    label = jnp.zeros((1, 4, 4), jnp.int32)
    np.testing.assert_allclose(
        jax.jit(partial(ohem_cross_entropy, min_kept=5))(logits, label),
        softmax_cross_entropy(logits, label),
        rtol=1e-6,
    )


@pytest.mark.parametrize("options", [{"threshold": 1.1}, {"min_kept": -1}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="of OHEM; allowed is 0"):
        ohem_cross_entropy(*_draw(), **options)
