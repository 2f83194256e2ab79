"""Trainable upsampling by pixel shuffle."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from fashionjax.nn.conv import conv
from fashionjax.nn.initializers import HE_NORMAL
from fashionjax.nn.norm import BatchNorm
from fashionjax.ops.pixel_shuffle import pixel_shuffle


def icnr(init: Initializer = HE_NORMAL, factor: int = 2) -> Initializer:
    """Initial weights of a convolution before a pixel shuffle.

    The channels that become the pixels of one block have the same weights, so that the
    network starts with nearest-neighbour upsampling, without checkerboards (Aitken et
    al., Checkerboard artifact free sub-pixel convolution, 2017).

    Args:
        init: Weights of one channel of the result.
        factor: That of the pixel shuffle.

    Returns:
        An initialiser of HWIO kernels with `factor**2` outputs for each such channel.
    """

    def initial(key: jax.Array, shape: Sequence[int], dtype: Any) -> jax.Array:
        *others, channels = shape
        kernel = init(key, (*others, channels // factor**2), dtype)
        return jnp.repeat(kernel, factor**2, axis=-1)

    return initial


class PixelShuffleUpsample(nn.Module):
    """Doubles feature maps: 1×1 convolution, ReLU, pixel shuffle.

    fastai's `PixelShuffle_ICNR`, without weight normalisation.

    Attributes:
        features: Number of output channels.
        batch_norm: Whether BatchNorm follows the convolution, instead of a bias.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    batch_norm: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"], *, train: bool
    ) -> Float[Array, "batch height_out width_out features"]:
        """Returns maps of twice the height and width."""
        x = conv(
            4 * self.features,
            1,
            use_bias=not self.batch_norm,
            kernel_init=icnr(),
            dtype=self.dtype,
            name="conv",
        )(x)
        if self.batch_norm:
            norm = BatchNorm(
                use_running_average=not train, dtype=self.dtype, name="norm"
            )
            x = norm(x)
        return pixel_shuffle(nn.relu(x))
