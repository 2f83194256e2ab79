"""What holds for every loss of the label map."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax import losses
from fashionjax.constants import IGNORE_INDEX
from fashionjax.train.sharding import by_pixel, make_mesh, replicated
from tests.structure import indexed_operations

CLASSES = 4
WEIGHTS = [1.0, 2.0, 0.5, 3.0]
CONFUSION = (0.7 * np.eye(CLASSES) + 0.3 / CLASSES).tolist()

LOSSES = {
    "cross_entropy_soft": partial(
        losses.softmax_cross_entropy,
        class_weights=WEIGHTS,
        label_smoothing=0.1,
        annotator_confusion=CONFUSION,
    ),
    "focal": partial(losses.focal, class_weights=WEIGHTS),
    "focal_root": partial(losses.focal, gamma=0.5),
    "ohem": partial(losses.ohem_cross_entropy, min_kept=5, threshold=0.3),
    "dice_weighted": partial(losses.dice, class_weights=WEIGHTS, smooth=1.0),
    "tversky": partial(losses.tversky, gamma=0.75),
    "tversky_per_image": partial(losses.tversky, per_image=True, smooth=1.0),
    "lovasz": partial(losses.lovasz_softmax, class_weights=WEIGHTS),
    "lovasz_per_image": partial(losses.lovasz_softmax, per_image=True, classes="all"),
}

every_loss = pytest.mark.parametrize("name", LOSSES)
# Those that look at more than a pixel at a time.
some_losses = pytest.mark.parametrize("name", ["ohem", "dice_weighted", "lovasz"])


def _draw(seed=0, batch=2):
    rng = np.random.RandomState(seed)
    logits = jnp.asarray(2 * rng.randn(batch, 4, 6, CLASSES), jnp.float32)
    return logits, jnp.asarray(rng.randint(0, CLASSES, (batch, 4, 6)), jnp.int32)


@functools.cache
def _differentiated(name):
    """Compiled once for all tests, which use it at one shape."""
    return jax.jit(jax.value_and_grad(LOSSES[name]))


@every_loss
def test_a_batch_without_labels_costs_nothing_and_has_no_gradient(name):
    logits, label = _draw()
    label = jnp.full_like(label, IGNORE_INDEX)
    value, grad = _differentiated(name)(logits, label)
    assert value == 0
    assert not np.asarray(grad).any()


@every_loss
def test_what_is_predicted_at_ignored_pixels_changes_nothing(name):
    logits, label = _draw()
    label = label.at[:, 2:].set(IGNORE_INDEX)
    expected, _ = _differentiated(name)(logits, label)
    logits = logits.at[:, 2:].set(jnp.asarray([1e4, 0, 0, -1e4]))
    value, grad = _differentiated(name)(logits, label)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert not np.asarray(grad[:, 2:]).any()
    assert np.asarray(grad[:, :2]).any()


@every_loss
def test_extreme_logits_have_finite_losses_and_gradients(name):
    logits, label = _draw()
    for factor in (1e4, -1e4):
        value, grad = _differentiated(name)(factor * logits, label)
        assert np.isfinite(value)
        assert np.isfinite(np.asarray(grad)).all()


@every_loss
def test_gradients_are_those_of_finite_differences(name):
    logits, label = _draw()
    _, grad = _differentiated(name)(logits, label)
    rng = np.random.RandomState(1)
    for _ in range(3):
        direction = jnp.asarray(rng.randn(*logits.shape), jnp.float32)
        above, _ = _differentiated(name)(logits + 1e-3 * direction, label)
        below, _ = _differentiated(name)(logits - 1e-3 * direction, label)
        slope = float(jnp.sum(grad * direction))
        assert (above - below) / 2e-3 == pytest.approx(slope, rel=0.02, abs=2e-3)


@every_loss
def test_the_right_answer_costs_least(name):
    logits, label = _draw()
    right = jax.nn.one_hot(label, CLASSES)
    costs = [_differentiated(name)(x, label)[0] for x in (20 * right, right, logits)]
    if name != "cross_entropy_soft":  # whose targets are not certain
        assert costs[0] < 1e-4
        assert costs[0] < costs[1]
    assert costs[1] < costs[2]


@every_loss
def test_gradients_scatter_and_gather_nothing(name):
    assert indexed_operations(jax.grad(LOSSES[name]), *_draw()) == set()


@every_loss
def test_it_is_computed_in_float32_whatever_the_logits_are(name):
    logits, label = _draw()
    half = logits.astype(jnp.bfloat16)
    value = jax.jit(LOSSES[name])(half, label)
    assert value.dtype == jnp.float32
    expected, _ = _differentiated(name)(half.astype(jnp.float32), label)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@some_losses
@pytest.mark.parametrize("strips", [1, 2])
def test_a_batch_spread_over_devices_costs_the_same(name, strips):
    logits, label = _draw(batch=8)
    # One device has no labels, another few: means of devices' means would differ.
    label = label.at[0].set(IGNORE_INDEX).at[1, 1:].set(IGNORE_INDEX)
    value, grad = _differentiated(name)(logits, label)
    sharding = by_pixel(make_mesh(jax.devices()[:8], spatial_shards=strips))
    spread = jax.jit(
        jax.value_and_grad(LOSSES[name]),
        in_shardings=sharding,
        out_shardings=(replicated(sharding.mesh), sharding),
    )
    spread_value, spread_grad = spread(logits, label)
    np.testing.assert_allclose(spread_value, value, rtol=1e-6)
    np.testing.assert_allclose(spread_grad, grad, rtol=1e-5, atol=1e-8)


@some_losses
def test_images_one_by_one_cost_what_each_costs_alone(name):
    # As evaluation calls it.
    logits, label = _draw()
    loss = LOSSES[name]
    found = jax.jit(jax.vmap(lambda x, y: loss(x[None], y[None])))(logits, label)
    alone = jax.jit(loss)
    expected = [alone(logits[i : i + 1], label[i : i + 1]) for i in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        losses.softmax_cross_entropy,
        losses.focal,
        losses.ohem_cross_entropy,
        losses.dice,
        losses.tversky,
        losses.lovasz_softmax,
    ],
)
def test_a_wrong_number_of_weights_is_refused(function):
    weighted = partial(function, class_weights=[1.0, 2.0, 2.0])
    with pytest.raises(ValueError, match="3 class weights for 4 classes"):
        jax.eval_shape(weighted, *_draw())
