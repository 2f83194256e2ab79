"""A convolution over feature maps and vectors tiled to constant maps."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from fashionjax.nn.initializers import HE_NORMAL
from fashionjax.nn.upsampled_conv import Skip, conv_of_joined
from fashionjax.ops.conv import conv_of_constants


def _initial_kernel(num_maps: int) -> Initializer:
    """He's weights for the maps; zeros for the constants.

    Constants are alike at every position, so that all nine taps add up: with random
    weights they would make up most of the result, and normalising it would shrink
    what the maps say about places.
    """

    def init(key: Array, shape: Sequence[int], dtype: Any) -> Array:
        maps = HE_NORMAL(key, (*shape[:2], num_maps, shape[3]), dtype)
        return jnp.pad(maps, ((0, 0), (0, 0), (0, shape[2] - num_maps), (0, 0)))

    return init


class InjectedConv(nn.Module):
    """3×3 convolution of maps and constant maps, zero-padded.

    The same function and the same parameters as a convolution of
    `concatenate([resize_nearest(x, size), skip, tile(constants)], axis=-1)`, without
    its cost: a constant map convolved takes nine values, one for the inside and one
    for each edge and corner, and what is doubled `conv_of_joined` does not write.

    Attributes:
        features: Number of output channels.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        size: tuple[int, ...],
        skip: Skip,
        constants: Float[Array, "batch num_constants"],
    ) -> Float[Array, "batch height_out width_out features"]:
        """Resizes `x` to (height, width) of `size`, joins all three and convolves."""
        num_maps = x.shape[-1] + (0 if skip is None else skip.shape[-1])
        num_constants = constants.shape[-1]
        shape = (3, 3, num_maps + num_constants, self.features)
        kernel = self.param("kernel", _initial_kernel(num_maps), shape, jnp.float32)
        skip = None if skip is None else skip.astype(self.dtype)
        from_maps = conv_of_joined(
            x.astype(self.dtype), size, skip, kernel[:, :, :num_maps]
        )
        from_constants = conv_of_constants(
            constants.astype(self.dtype),
            kernel[:, :, num_maps:].astype(self.dtype),
            size,
        )
        return from_maps + from_constants
