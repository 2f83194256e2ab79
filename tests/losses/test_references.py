"""Losses and their gradients equal those of torch and segmentation_models_pytorch."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax import losses

# Made by `python -m tests.references.make_losses`.
with np.load(Path(__file__).parent / "reference_answers.npz") as stored:
    ANSWERS = {name: stored[name] for name in stored.files}

WEIGHTS = [1.0, 2.0, 0.5, 3.0, 2.0]
OURS = {
    "cross_entropy": losses.softmax_cross_entropy,
    "cross_entropy_weighted": partial(
        losses.softmax_cross_entropy, class_weights=WEIGHTS
    ),
    "cross_entropy_smoothed": partial(
        losses.softmax_cross_entropy, label_smoothing=0.1
    ),
    "cross_entropy_smoothed_smp": partial(
        losses.softmax_cross_entropy, label_smoothing=0.1
    ),
    "cross_entropy_smoothed_weighted": partial(
        losses.softmax_cross_entropy, label_smoothing=0.1, class_weights=WEIGHTS
    ),
    "cross_entropy_soft": partial(
        losses.softmax_cross_entropy,
        annotator_confusion=ANSWERS["annotator_confusion"].tolist(),
    ),
    "focal": losses.focal,
    "focal_weighted": partial(losses.focal, gamma=0.5, class_weights=WEIGHTS),
    "dice": losses.dice,
    "dice_smooth": partial(losses.dice, smooth=3.0),
    "dice_weighted_smp": partial(losses.dice, class_weights=WEIGHTS),
    "tversky": partial(losses.tversky, alpha=0.3, beta=0.7),
    "lovasz": losses.lovasz_softmax,
    "lovasz_per_image": partial(losses.lovasz_softmax, per_image=True),
}
CASES = sorted(name.rpartition("/")[0] for name in ANSWERS if name.endswith("/value"))


def test_every_loss_has_an_answer():
    assert {case.partition("/")[2] for case in CASES} == set(OURS)


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_equal_the_references(case):
    problem, _, name = case.partition("/")
    logits = jnp.asarray(ANSWERS[f"{problem}/logits"])
    label = jnp.asarray(ANSWERS[f"{problem}/label"], jnp.int32)
    value, grad = jax.jit(jax.value_and_grad(OURS[name]))(logits, label)
    np.testing.assert_allclose(value, ANSWERS[f"{case}/value"], rtol=2e-6)
    expected = ANSWERS[f"{case}/grad"]
    np.testing.assert_allclose(
        grad, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max()
    )
