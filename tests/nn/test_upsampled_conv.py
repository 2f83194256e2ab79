import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.nn import InjectedConv, UpsampledConv, conv
from fashionjax.ops.resize import resize_nearest


# Exactly doubled, doubled and cropped, and not resized at all.
@pytest.mark.parametrize("size", [(8, 6), (7, 6), (7, 5), (4, 3)])
@pytest.mark.parametrize("joins", [False, True])
def test_it_equals_the_convolution_of_the_concatenation(size, joins):
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(2, 4, 3, 6), jnp.float32)
    skip = jnp.asarray(rng.randn(2, *size, 5), jnp.float32) if joins else None
    joined = resize_nearest(x, size)
    if joins:
        joined = jnp.concatenate([joined, skip], axis=-1)
    plain = conv(7, 3, dtype=jnp.float32, name=None)
    params = plain.init(jax.random.key(0), joined)
    actual = UpsampledConv(7).apply(params, x, size, skip)
    np.testing.assert_allclose(
        actual, plain.apply(params, joined), rtol=1e-4, atol=1e-4
    )


def test_its_initial_weights_are_those_of_the_plain_convolution():
    x, skip = jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 4, 4, 2))
    own = UpsampledConv(4).init(jax.random.key(0), x, (4, 4), skip)
    plain = conv(4, 3, dtype=jnp.float32, name=None).init(
        jax.random.key(0), jnp.zeros((1, 4, 4, 5))
    )
    jax.tree.map(np.testing.assert_array_equal, own, plain)


def test_constants_are_joined_behind_the_skip():
    rng = np.random.RandomState(0)
    x, skip, constants = (
        jnp.asarray(rng.randn(2, *shape), jnp.float32)
        for shape in ((4, 3, 6), (8, 6, 5), (2,))
    )
    maps = jnp.broadcast_to(constants[:, None, None], (2, 8, 6, 2))
    joined = jnp.concatenate([resize_nearest(x, (8, 6)), skip, maps], axis=-1)
    plain = conv(7, 3, dtype=jnp.float32, name=None)
    params = plain.init(jax.random.key(0), joined)
    actual = InjectedConv(7).apply(params, x, (8, 6), skip, constants)
    np.testing.assert_allclose(
        actual, plain.apply(params, joined), rtol=1e-4, atol=1e-4
    )
