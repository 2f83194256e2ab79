from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses import dice, tversky

LABEL = jnp.asarray([[[0, 0, 0, 1, 1, 2]], [[0, 0, 0, 0, 0, 0]]])
PRED = jnp.asarray([[[0, 0, 1, 1, 2, 2]], [[0, 0, 0, 0, 0, 1]]])
CERTAIN = 1e3 * jax.nn.one_hot(PRED, 4)
"""Of the classes 0..3 TP, FP and FN are 7, 0, 2; then 1, 2, 1; 1, 1, 0; and none."""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [2 / 16, 3 / 5, 1 / 3]),
        ({"smooth": 2.0}, [2 / 18, 3 / 7, 1 / 5]),
        # Class 3 neither occurs nor is predicted.
        ({"smooth": 2.0, "classes": "all"}, [2 / 18, 3 / 7, 1 / 5, 0]),
        ({"class_weights": [0.0, 1.0, 3.0, 5.0]}, [3 / 5, 1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_dice_of_certain_predictions_is_that_of_counts(options, expected):
    loss = jax.jit(partial(dice, **options))(CERTAIN, LABEL)
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"alpha": 1.0, "beta": 1.0}, [2 / 9, 3 / 4, 1 / 2]),  # one minus the IoU
        # One minus precision, one minus recall.
        ({"alpha": 1.0, "beta": 0.0}, [0, 2 / 3, 1 / 2]),
        ({"alpha": 0.0, "beta": 1.0}, [2 / 9, 1 / 2, 0]),
        ({"alpha": 0.0, "beta": 1.0, "gamma": 2.0}, [4 / 81, 1 / 4, 0]),
    ],
)
def test_tversky_weighs_false_positives_and_negatives(options, expected):
    loss = jax.jit(partial(tversky, **options))(CERTAIN, LABEL)
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-6)


def test_regions_of_each_image_are_averaged_over_images_with_labels():
    # Of the first image 1 is missed of class 0, 1 each too many and too few of class 1,
    # and 1 too many of class 2; of the second, 1 of 6.
    first = np.mean([1 / 5, 2 / 4, 1 / 3])
    second = 1 / 11
    label = jnp.concatenate([LABEL, jnp.full((1, 1, 6), IGNORE_INDEX)])
    logits = jnp.concatenate([CERTAIN, CERTAIN[:1]])
    loss = jax.jit(partial(dice, per_image=True))(logits, label)
    np.testing.assert_allclose(loss, (first + second) / 2, rtol=1e-6)


def test_only_smoothing_teaches_that_an_absent_class_is_absent():
    logits, label = jnp.zeros((1, 1, 1, 4)), jnp.zeros((1, 1, 1), jnp.int32)
    for smooth, pushes in ((0.0, False), (1.0, True)):
        own = [0.0, 0.0, 0.0, 1.0]
        loss = partial(dice, smooth=smooth, classes="all", class_weights=own)
        grad = jax.jit(jax.grad(loss))(logits, label)
        assert (grad[0, 0, 0, 3] > 0) == pushes


@pytest.mark.parametrize(
    "options", [{"alpha": -1.0}, {"beta": -1.0}, {"smooth": -1.0}, {"gamma": 0.0}]
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="allowed are 0 or more"):
        tversky(CERTAIN, LABEL, **options)


def test_unknown_classes_are_refused():
    with pytest.raises(ValueError, match="classes 'some'; allowed are present, all"):
        dice(CERTAIN, LABEL, classes="some")
