import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.losses import smooth_l1


def test_half_a_unit_off_costs_an_eighth():
    # sigmoid(0) = 0.5 against 0 and 1: 0.5 * 0.5 ** 2.
    boxes = jnp.asarray([[[0.0, 0.0, 1.0, 1.0]]])
    loss = smooth_l1(jnp.zeros((1, 1, 4)), boxes, jnp.ones((1, 1), bool))
    np.testing.assert_allclose(loss, 0.125, rtol=1e-6)


def test_beyond_beta_it_is_linear():
    boxes = jnp.zeros((1, 1, 4))
    loss = smooth_l1(jnp.zeros((1, 1, 4)), boxes, jnp.ones((1, 1), bool), beta=0.2)
    np.testing.assert_allclose(loss, 0.5 - 0.1, rtol=1e-6)


def test_absent_boxes_count_nothing():
    rng = np.random.RandomState(0)
    logits = jnp.asarray(rng.randn(2, 3, 4), jnp.float32)
    boxes = jnp.asarray(rng.rand(2, 3, 4), jnp.float32)
    present = jnp.asarray([[True, False, True], [False, False, True]])
    loss, grad = jax.value_and_grad(smooth_l1)(logits, boxes, present)
    distance = 1 / (1 + np.exp(-np.asarray(logits))) - np.asarray(boxes)
    expected = (0.5 * distance**2)[np.asarray(present)].mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert not np.asarray(grad)[~np.asarray(present)].any()


def test_no_box_at_all_costs_nothing():
    loss, grad = jax.value_and_grad(smooth_l1)(
        jnp.ones((1, 2, 4)), jnp.zeros((1, 2, 4)), jnp.zeros((1, 2), bool)
    )
    assert loss == 0
    assert not np.asarray(grad).any()
