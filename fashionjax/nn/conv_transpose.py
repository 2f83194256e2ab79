"""Transposed convolution ("deconvolution"), as torch's ConvTranspose2d."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from fashionjax.nn.initializers import HE_NORMAL
from fashionjax.ops.phase_conv import transposed_conv


class ConvTranspose(nn.Module):
    """Every input pixel adds its multiple of the kernel to the result.

    `kernel` is [height, width, in, out], tap `(i, j)` of a pixel `(y, x)` lands on
    `(stride * y + i - padding, stride * x + j - padding)`.

    Attributes:
        features: Number of output channels.
        size: Side of the kernel.
        stride: Distance of the input pixels in the result.
        padding: Rows and columns cut off every side of the result. With
            `(size - stride) / 2` the result is exactly `stride` times as large.
        use_bias: Whether to add a bias.
        kernel_init: Initial weights.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    size: int = 2
    stride: int = 2
    padding: int = 0
    use_bias: bool = True
    kernel_init: Initializer = HE_NORMAL
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"]
    ) -> Float[Array, "batch height_out width_out features"]:
        """Returns maps of `stride * (n - 1) + size - 2 * padding` along each axis."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        if self.size == self.stride and self.padding == 0:
            x = _tiles(x, kernel)
        elif self.size == 2 * self.stride == 4 * self.padding:
            x = transposed_conv(x, kernel, self.stride)
        else:
            x = self._overlapping(x, kernel)
        if self.use_bias:
            bias = self.param(
                "bias", nn.initializers.zeros_init(), (self.features,), jnp.float32
            )
            x = x + bias.astype(self.dtype)
        return x

    def _overlapping(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        around = self.size - 1 - self.padding
        return jax.lax.conv_general_dilated(
            x,
            kernel[::-1, ::-1],
            (1, 1),
            ((around, around), (around, around)),
            lhs_dilation=(self.stride, self.stride),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )


def _tiles(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Where taps do not overlap: a product and a rearrangement, which is far faster."""
    batch, height, width, _ = x.shape
    size, _, _, features = kernel.shape
    x = jnp.einsum("bhwc,ijco->bhiwjo", x, kernel)
    return x.reshape(batch, height * size, width * size, features)
