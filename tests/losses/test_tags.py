import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.losses import binary_cross_entropy


def test_zero_logits_cost_log_two():
    loss = binary_cross_entropy(jnp.zeros((3, 8)), jnp.ones((3, 8), bool))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)


def test_known_value():
    logits = jnp.asarray([[2.0, -1.0]])
    tags = jnp.asarray([[True, True]])
    expected = (np.log1p(np.exp(-2.0)) + np.log1p(np.exp(1.0))) / 2
    np.testing.assert_allclose(binary_cross_entropy(logits, tags), expected, rtol=1e-6)


def test_extreme_logits_stay_finite_with_finite_gradients():
    logits = jnp.asarray([[1e4, -1e4, 1e4, -1e4]])
    tags = jnp.asarray([[True, True, False, False]])
    loss, grad = jax.value_and_grad(binary_cross_entropy)(logits, tags)
    np.testing.assert_allclose(loss, 2e4 / 4)
    assert np.isfinite(np.asarray(grad)).all()
