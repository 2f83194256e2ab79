import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.order_statistics import kth_smallest

FIND = jax.jit(kth_smallest, static_argnums=1)


@pytest.mark.parametrize("k", [0, 1, 17, 58, 59])
def test_it_is_what_sorting_finds(k):
    rng = np.random.RandomState(0)
    # Ties, zeros, tiny and huge values, infinity.
    values = np.concatenate(
        [rng.rand(30), np.repeat(0.25, 10), [0, 0, 1e-30, 1e30, 3, 1], rng.rand(14)]
    )
    values = rng.permutation(np.where(values > 0.95, np.inf, values))
    values = values.astype(np.float32).reshape(3, 4, 5)
    assert FIND(jnp.asarray(values), k) == np.sort(values, axis=None)[k]


@pytest.mark.parametrize("k", [-1, 6])
def test_a_position_that_there_is_not_is_refused(k):
    with pytest.raises(ValueError, match=f"position {k} of 6 values"):
        kth_smallest(jnp.zeros((2, 3)), k)
