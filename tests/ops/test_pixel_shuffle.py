import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.pixel_shuffle import pixel_shuffle


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_channels_become_pixels_in_the_order_of_torch(factor):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4, 5 * factor**2)).astype(np.float32)
    shuffled = pixel_shuffle(jnp.asarray(x), factor)
    assert shuffled.shape == (2, 3 * factor, 4 * factor, 5)
    for b, y, x_, c in np.ndindex(shuffled.shape):
        # The formula of torch's documentation.
        channel = (c * factor + y % factor) * factor + x_ % factor
        assert shuffled[b, y, x_, c] == x[b, y // factor, x_ // factor, channel]


def test_channels_that_do_not_fill_the_pixels_are_refused():
    with pytest.raises(ValueError, match="6 channels"):
        pixel_shuffle(jnp.zeros((1, 2, 2, 6)))
