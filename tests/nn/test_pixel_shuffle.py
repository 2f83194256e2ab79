import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.nn.pixel_shuffle import PixelShuffleUpsample
from fashionjax.ops.resize import upsample_nearest


@pytest.mark.parametrize("batch_norm", [False, True])
def test_it_starts_as_nearest_neighbour_upsampling(batch_norm):
    x = jax.random.normal(jax.random.key(0), (2, 4, 6, 5))
    layer = PixelShuffleUpsample(3, batch_norm=batch_norm)
    up, variables = layer.init_with_output(jax.random.key(1), x, train=False)
    assert up.shape == (2, 8, 12, 3)
    np.testing.assert_array_equal(up, upsample_nearest(up[:, ::2, ::2]))
    assert jnp.unique(up).size > 10
    # Channels of the result differ; those of one result do not.
    kernel = variables["params"]["conv"]["kernel"]
    assert jnp.unique(kernel).size == kernel.size / 4
    assert ("bias" in variables["params"]["conv"]) != batch_norm


def test_initial_weights_have_the_scale_of_a_convolution_followed_by_relu():
    layer = PixelShuffleUpsample(64)
    variables = layer.init(jax.random.key(0), jnp.zeros((1, 1, 1, 256)), train=False)
    kernel = variables["params"]["conv"]["kernel"]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / 256), rtol=0.05)
