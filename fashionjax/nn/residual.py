"""Residual blocks (He et al., Deep Residual Learning, 2015)."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn.conv import conv
from fashionjax.nn.norm import BatchNorm

KERNEL_INIT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
"""torchvision's initial weights of ResNet convolutions."""

Features = Float[Array, "batch height width channels"]


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut, as in ResNet18 and ResNet34.

    Attributes:
        features: Number of output channels.
        stride: Stride of the first convolution.
        dilation: Dilation of the 3×3 convolutions.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    stride: int = 1
    dilation: int = 1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"], *, train: bool
    ) -> Float[Array, "batch height_out width_out out_channels"]:
        """Applies the block; the output is `ceil(size / stride)` large."""
        layer = _Layers(self.dtype, train)
        shortcut = _shortcut(layer, x, self.features, self.stride)
        options = {"dilation": self.dilation}
        x = layer.conv(x, self.features, 3, "conv1", stride=self.stride, **options)
        x = nn.relu(layer.norm(x, "norm1"))
        x = layer.conv(x, self.features, 3, "conv2", **options)
        return nn.relu(layer.norm(x, "norm2") + shortcut)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions and a shortcut, as in ResNet50 and ResNeXt.

    The stride is on the 3×3 convolution, as in torchvision ("v1.5").

    Attributes:
        features: Number of output channels.
        width: Channels between; `features / 4` in ResNet, more in ResNeXt.
        groups: Groups of the 3×3 convolution; 32 in ResNeXt.
        stride: Stride of the 3×3 convolution.
        dilation: Dilation of the 3×3 convolution.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    width: int
    groups: int = 1
    stride: int = 1
    dilation: int = 1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"], *, train: bool
    ) -> Float[Array, "batch height_out width_out out_channels"]:
        """Applies the block; the output is `ceil(size / stride)` large."""
        layer = _Layers(self.dtype, train)
        shortcut = _shortcut(layer, x, self.features, self.stride)
        x = nn.relu(layer.norm(layer.conv(x, self.width, 1, "conv1"), "norm1"))
        x = layer.conv(
            x,
            self.width,
            3,
            "conv2",
            stride=self.stride,
            dilation=self.dilation,
            groups=self.groups,
        )
        x = nn.relu(layer.norm(x, "norm2"))
        x = layer.norm(layer.conv(x, self.features, 1, "conv3"), "norm3")
        return nn.relu(x + shortcut)


@dataclasses.dataclass(frozen=True)
class _Layers:
    """The layers of a block, in the compact method that calls them."""

    dtype: Dtype
    train: bool

    def conv(
        self, x: Features, features: int, size: int, name: str, **options: Any
    ) -> Features:
        return conv(
            features,
            size,
            kernel_init=KERNEL_INIT,
            dtype=self.dtype,
            name=name,
            **options,
        )(x)

    def norm(self, x: Features, name: str) -> Features:
        norm = BatchNorm(
            use_running_average=not self.train, dtype=self.dtype, name=name
        )
        return norm(x)


def _shortcut(layer: _Layers, x: Features, features: int, stride: int) -> Features:
    """The identity, or where the shape changes a 1×1 convolution."""
    if stride == 1 and x.shape[-1] == features:
        return x
    x = layer.conv(x, features, 1, "downsample_conv", stride=stride)
    return layer.norm(x, "downsample_norm")
