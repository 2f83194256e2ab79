import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.resize import upsample_nearest


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_every_pixel_is_repeated(factor):
    x = jnp.asarray(np.random.RandomState(0).randn(2, 3, 4, 5), jnp.float32)
    expected = np.asarray(x).repeat(factor, axis=1).repeat(factor, axis=2)
    np.testing.assert_array_equal(upsample_nearest(x, factor), expected)


def test_gradient_is_the_sum_over_the_copies():
    x = jnp.ones((1, 2, 2, 1))
    grad = jax.grad(lambda v: upsample_nearest(v).sum())(x)
    np.testing.assert_array_equal(grad, np.full((1, 2, 2, 1), 4.0))
