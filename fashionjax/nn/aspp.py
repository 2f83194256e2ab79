"""Atrous spatial pyramid pooling (Chen et al., Rethinking Atrous Convolution, 2017)."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn.conv import ConvNormRelu, conv
from fashionjax.nn.initializers import TORCH_DEFAULT
from fashionjax.nn.norm import BatchNorm


class SeparableConvNormRelu(nn.Module):
    """3×3 convolution of each channel, 1×1 convolution, BatchNorm, ReLU.

    Nothing stands between the two convolutions, as in segmentation_models_pytorch.

    Attributes:
        features: Number of output channels.
        dilation: Distance of the kernel's taps along both axes.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    dilation: int = 1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"], *, train: bool
    ) -> Float[Array, "batch height width features"]:
        """Applies the four; the size stays."""
        channels = x.shape[-1]
        depthwise = conv(
            channels,
            3,
            dilation=self.dilation,
            groups=channels,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name="depthwise",
        )
        pointwise = conv(
            self.features,
            1,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name="pointwise",
        )
        norm = BatchNorm(use_running_average=not train, dtype=self.dtype, name="norm")
        return nn.relu(norm(pointwise(depthwise(x))))


class ASPP(nn.Module):
    """A map at several dilations and its average over the image, side by side.

    As in torchvision and segmentation_models_pytorch, which agree.

    Attributes:
        features: Channels of each branch and of the result.
        rates: Dilations of the 3×3 convolutions.
        separable: Whether these are depthwise separable.
        dropout_rate: Share of the result dropped in training.
        dtype: Type of the computation; parameters are float32.
    """

    features: int = 256
    rates: tuple[int, ...] = (12, 24, 36)
    separable: bool = False
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in_channels"], *, train: bool
    ) -> Float[Array, "batch height width features"]:
        """Returns a map of the same size."""
        branches = [self._pointwise(x, "branch0", train=train)]
        for i, rate in enumerate(self.rates, start=1):
            branch = self._branch(rate, f"branch{i}")
            branches.append(branch(x, train=train))
        pooled = x.mean(axis=(1, 2), keepdims=True)
        pooled = self._pointwise(pooled, "pooled", train=train)
        # What resizing a single pixel gives.
        branches.append(jnp.broadcast_to(pooled, branches[0].shape))
        x = jnp.concatenate(branches, axis=-1)
        x = self._pointwise(x, "project", train=train)
        return nn.Dropout(self.dropout_rate, deterministic=not train, name="dropout")(x)

    def _branch(self, rate: int, name: str) -> ConvNormRelu | SeparableConvNormRelu:
        if self.separable:
            return SeparableConvNormRelu(
                self.features, dilation=rate, dtype=self.dtype, name=name
            )
        return ConvNormRelu(
            self.features,
            dilation=rate,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name=name,
        )

    def _pointwise(
        self,
        x: Float[Array, "batch height width in_channels"],
        name: str,
        *,
        train: bool,
    ) -> Float[Array, "batch height width features"]:
        layer = ConvNormRelu(
            self.features,
            size=1,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name=name,
        )
        return layer(x, train=train)
