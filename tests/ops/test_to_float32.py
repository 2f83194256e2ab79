import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.to_float32 import to_float32


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_values_are_kept(dtype):
    x = jnp.asarray([-1.5, 0.0, 3.25], dtype)
    y = jax.jit(to_float32)(x)
    assert y.dtype == jnp.float32
    np.testing.assert_array_equal(y, [-1.5, 0.0, 3.25])
    np.testing.assert_array_equal(jax.grad(lambda x: to_float32(x).sum())(x), 1)
