"""Convolution as all models of the project use it."""

import flax.linen as nn
from flax.typing import Dtype, Initializer

from fashionjax.ops.conv import conv_general_dilated

HE_NORMAL = nn.initializers.he_normal()
"""Initial weights of decoders: variance 2 / fan-in."""


def conv(
    features: int,
    size: int,
    *,
    name: str,
    dtype: Dtype,
    stride: int = 1,
    use_bias: bool = False,
    kernel_init: Initializer = HE_NORMAL,
) -> nn.Conv:
    """A square convolution padded by `size // 2` on every side, as torch pads.

    Never flax's "SAME": with a stride it pads asymmetrically.

    Args:
        features: Number of output channels.
        size: Side of the kernel, odd.
        name: Name among the parameters.
        dtype: Type of the computation; parameters are float32.
        stride: Stride along both axes.
        use_bias: Whether to add a bias; not before BatchNorm.
        kernel_init: Initial weights.

    Returns:
        A linen module, to be called with NHWC feature maps.
    """
    return nn.Conv(
        features,
        (size, size),
        strides=stride,
        padding=size // 2,
        use_bias=use_bias,
        kernel_init=kernel_init,
        dtype=dtype,
        conv_general_dilated=conv_general_dilated,
        name=name,
    )
