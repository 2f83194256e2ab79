"""Convolution as all models of the project use it."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from fashionjax.nn.initializers import HE_NORMAL
from fashionjax.nn.norm import BatchNorm
from fashionjax.ops.conv import conv_general_dilated


def conv(  # noqa: PLR0913 (what tells one convolution from another)
    features: int,
    size: int,
    *,
    name: str,
    dtype: Dtype,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    padding: int | None = None,
    use_bias: bool = False,
    kernel_init: Initializer = HE_NORMAL,
) -> nn.Conv:
    """A square convolution padded as torch pads: alike on every side.

    Never flax's "SAME": with a stride it pads asymmetrically.

    Args:
        features: Number of output channels.
        size: Side of the kernel, odd.
        name: Name among the parameters.
        dtype: Type of the computation; parameters are float32.
        stride: Stride along both axes.
        dilation: Distance of the kernel's taps along both axes.
        groups: Number of groups of channels that do not see each other.
        padding: Zeros on every side; None for `dilation * (size // 2)`, which keeps the
            size at stride 1.
        use_bias: Whether to add a bias; not before BatchNorm.
        kernel_init: Initial weights.

    Returns:
        A linen module, to be called with NHWC feature maps.
    """
    return nn.Conv(
        features,
        (size, size),
        strides=stride,
        padding=dilation * (size // 2) if padding is None else padding,
        kernel_dilation=dilation,
        feature_group_count=groups,
        use_bias=use_bias,
        kernel_init=kernel_init,
        dtype=dtype,
        conv_general_dilated=conv_general_dilated,
        name=name,
    )


class ConvNormRelu(nn.Module):
    """Convolution without bias, BatchNorm, ReLU: the unit of most decoders.

    Attributes:
        features: Number of output channels.
        size: Side of the kernel, odd.
        stride: Stride along both axes.
        dilation: Distance of the kernel's taps along both axes.
        kernel_init: Initial weights.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    size: int = 3
    stride: int = 1
    dilation: int = 1
    kernel_init: Initializer = HE_NORMAL
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"], *, train: bool
    ) -> Float[Array, "batch height_out width_out features"]:
        """Applies the three; at stride 1 the size stays."""
        x = conv(
            self.features,
            self.size,
            stride=self.stride,
            dilation=self.dilation,
            kernel_init=self.kernel_init,
            dtype=self.dtype,
            name="conv",
        )(x)
        norm = BatchNorm(use_running_average=not train, dtype=self.dtype, name="norm")
        return nn.relu(norm(x))
