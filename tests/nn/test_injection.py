import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.nn import InjectedConv


def test_it_equals_a_convolution_of_the_concatenation_with_the_same_parameters():
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(2, 5, 7, 4), jnp.float32)
    constants = jnp.asarray(rng.randn(2, 3), jnp.float32)
    injected = InjectedConv(6)
    plain = nn.Conv(6, (3, 3), padding=1, use_bias=False)
    params = plain.init(jax.random.key(0), jnp.zeros((1, 5, 7, 7)))

    def own(params, x, constants):
        return injected.apply(params, x, x.shape[1:3], None, constants)

    def reference(params, x, constants):
        maps = jnp.broadcast_to(constants[:, None, None], (2, 5, 7, 3))
        return plain.apply(params, jnp.concatenate([x, maps], axis=-1))

    np.testing.assert_allclose(
        own(params, x, constants), reference(params, x, constants), rtol=1e-4, atol=1e-5
    )
    grads = [
        jax.grad(lambda *a, f=f: jnp.sum(jnp.sin(f(*a))), (0, 1, 2))(
            params, x, constants
        )
        for f in (own, reference)
    ]
    for actual, expected in zip(*map(jax.tree.leaves, grads), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_at_the_start_only_the_maps_matter():
    x = jax.random.normal(jax.random.key(0), (2, 5, 7, 4))
    injected = InjectedConv(6)
    params = injected.init(jax.random.key(1), x, (5, 7), None, jnp.ones((2, 3)))
    one, other = (
        injected.apply(params, x, (5, 7), None, jnp.full((2, 3), c)) for c in (0.0, 9.0)
    )
    np.testing.assert_array_equal(one, other)
    # He's variance over the four maps that count.
    np.testing.assert_allclose(
        jnp.std(params["params"]["kernel"][:, :, :4]), (2 / 36) ** 0.5, rtol=0.2
    )
