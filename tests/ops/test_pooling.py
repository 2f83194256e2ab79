import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.pooling import adaptive_average_pool, global_max_pool


def test_it_is_the_maximum_and_its_gradient_goes_to_the_first_one():
    x = np.random.RandomState(0).randint(0, 5, (3, 4, 5, 7)).astype(np.float32)
    grad = np.arange(21, dtype=np.float32).reshape(3, 7) + 1
    pooled, pull = jax.vjp(global_max_pool, jnp.asarray(x))
    np.testing.assert_array_equal(pooled, x.max((1, 2)))
    expected = np.zeros_like(x)
    for b in range(3):
        for c in range(7):
            flat = np.argmax(x[b, :, :, c])  # the first of several
            expected[b, flat // 5, flat % 5, c] = grad[b, c]
    np.testing.assert_array_equal(pull(jnp.asarray(grad))[0], expected)


def test_a_value_that_is_not_finite_is_passed_on():
    x = jnp.zeros((1, 2, 2, 2)).at[0, 1, 0, 1].set(jnp.nan)
    np.testing.assert_array_equal(global_max_pool(x), [[0, np.nan]])


def test_neither_pass_scatters_or_gathers():
    x = jnp.zeros((2, 4, 4, 3))
    grad = jax.jit(jax.grad(lambda x: global_max_pool(x).sum()))
    text = grad.lower(x).as_text()
    assert "scatter" not in text
    assert "gather" not in text


@pytest.mark.parametrize("size", [(7, 7), (14, 21), (3, 2), (10, 16), (1, 1)])
def test_an_average_pool_to_7x7_takes_torchs_windows(size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    expected = np.zeros((2, 7, 7, 3), np.float32)
    for i in range(7):
        for j in range(7):
            rows, columns = (
                slice(math.floor(k * n / 7), math.ceil((k + 1) * n / 7))
                for k, n in zip((i, j), size, strict=True)
            )
            expected[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
    pooled = adaptive_average_pool(jnp.asarray(x), (7, 7))
    np.testing.assert_allclose(pooled, expected, atol=1e-6)
