"""Residual blocks (He et al., Deep Residual Learning, 2015)."""

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
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    stride: int = 1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"], *, train: bool
    ) -> Float[Array, "batch height_out width_out out_channels"]:
        """Applies the block; the output is `ceil(size / stride)` large."""
        shortcut = x
        if self.stride != 1 or x.shape[-1] != self.features:
            shortcut = self._conv(x, 1, self.stride, "downsample_conv")
            shortcut = self._norm(shortcut, "downsample_norm", train=train)
        x = self._conv(x, 3, self.stride, "conv1")
        x = nn.relu(self._norm(x, "norm1", train=train))
        x = self._conv(x, 3, 1, "conv2")
        return nn.relu(self._norm(x, "norm2", train=train) + shortcut)

    def _conv(self, x: Features, size: int, stride: int, name: str) -> Features:
        return conv(
            self.features,
            size,
            stride=stride,
            kernel_init=KERNEL_INIT,
            dtype=self.dtype,
            name=name,
        )(x)

    def _norm(self, x: Features, name: str, *, train: bool) -> Features:
        norm = BatchNorm(use_running_average=not train, dtype=self.dtype, name=name)
        return norm(x)
