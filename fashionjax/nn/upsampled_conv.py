"""Convolutions over a map that is upsampled, and what is joined with it."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn.initializers import HE_NORMAL
from fashionjax.nn.norm import BatchNorm
from fashionjax.ops.conv import conv_general_dilated
from fashionjax.ops.conv_geometry import NHWC, Kernel, Maps, Result
from fashionjax.ops.phase_conv import upsampled_conv
from fashionjax.ops.resize import resize_nearest

Skip = Float[Array, "batch height_out width_out skip_channels"] | None


class UpsampledConv(nn.Module):
    """3×3 convolution of `concatenate([resize_nearest(x, size), skip], axis=-1)`.

    The same function and the same parameters as a convolution of the concatenation,
    without bias and zero-padded to keep the size.

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
        skip: Skip = None,
    ) -> Float[Array, "batch height_out width_out features"]:
        """Resizes `x` to (height, width) of `size`, joins `skip` and convolves."""
        channels = x.shape[-1] + (0 if skip is None else skip.shape[-1])
        kernel = self.param(
            "kernel", HE_NORMAL, (3, 3, channels, self.features), jnp.float32
        )
        skip = None if skip is None else skip.astype(self.dtype)
        return conv_of_joined(x.astype(self.dtype), size, skip, kernel)


class UpsampledConvNormRelu(nn.Module):
    """`UpsampledConv`, BatchNorm, ReLU: what `ConvNormRelu` is over its input.

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
        skip: Skip = None,
        *,
        train: bool,
    ) -> Float[Array, "batch height_out width_out features"]:
        """Applies the three; the result has (height, width) of `size`."""
        x = UpsampledConv(self.features, self.dtype, name="conv")(x, size, skip)
        norm = BatchNorm(use_running_average=not train, dtype=self.dtype, name="norm")
        return nn.relu(norm(x))


def conv_of_joined(
    x: Maps, size: tuple[int, ...], skip: Skip, kernel: Kernel
) -> Result:
    """Convolves an upsampled map and the maps joined with it, zero-padded.

    Where the size is exactly twice that of `x`, neither the doubled map nor the
    concatenation is written; elsewhere both are.

    Args:
        x: Feature maps.
        size: (height, width) of the result, to which `x` is resized by repetition.
        skip: Maps of that size, joined behind those of `x`; None for none.
        kernel: 3×3 weights of all the maps.

    Returns:
        Feature maps of `size`, of the type of `x`.
    """
    channels = x.shape[-1]
    if tuple(size) != (2 * x.shape[1], 2 * x.shape[2]):
        x = resize_nearest(x, size)
        joined = x if skip is None else jnp.concatenate([x, skip], axis=-1)
        return _conv(joined, kernel)
    y = upsampled_conv(x, kernel[:, :, :channels])
    return y if skip is None else y + _conv(skip, kernel[:, :, channels:])


def _conv(x: Maps, kernel: Kernel) -> Result:
    return conv_general_dilated(
        x,
        kernel.astype(x.dtype),
        (1, 1),
        ((1, 1), (1, 1)),
        dimension_numbers=NHWC,
    )
