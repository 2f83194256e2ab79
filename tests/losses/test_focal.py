import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.losses import focal, softmax_cross_entropy


def _random():
    rng = np.random.RandomState(0)
    logits = jnp.asarray(3 * rng.randn(2, 4, 6, 5), jnp.float32)
    return logits, jnp.asarray(rng.randint(0, 5, (2, 4, 6)), jnp.int32)


def test_uniform_logits_cost_what_the_formula_says():
    loss = focal(jnp.zeros((2, 4, 4, 4)), jnp.zeros((2, 4, 4), jnp.int32), gamma=3.0)
    np.testing.assert_allclose(loss, 0.75**3 * np.log(4), rtol=1e-6)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0, 2.0]])
def test_gamma_zero_is_cross_entropy(weights):
    logits, label = _random()
    np.testing.assert_allclose(
        focal(logits, label, gamma=0.0, class_weights=weights),
        softmax_cross_entropy(logits, label, class_weights=weights),
        rtol=1e-6,
    )


def test_sure_pixels_keep_their_digits():
    # 1 - p is 2e-5 here: as a difference, float32 would leave two digits of it.
    logits = jnp.asarray([[[[0.0, np.log(2e-5)]]]])
    missing = 2e-5 / (1 + 2e-5)
    expected = -(missing**2) * np.log1p(-missing)
    loss = focal(logits, jnp.zeros((1, 1, 1), jnp.int32))
    np.testing.assert_allclose(loss, expected, rtol=5e-3)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_certain_pixels_have_a_finite_gradient(gamma):
    logits = jnp.asarray([[[[200.0, 0.0, 0.0]]]])
    loss, grad = jax.value_and_grad(focal)(
        logits, jnp.zeros((1, 1, 1), jnp.int32), gamma=gamma
    )
    assert loss == 0
    assert not np.asarray(grad).any()


def test_a_negative_gamma_is_refused():
    with pytest.raises(ValueError, match="gamma -1"):
        focal(*_random(), gamma=-1)
