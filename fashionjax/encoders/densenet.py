"""DenseNet (Huang et al., 2016), as torchvision has it."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.encoders.checks import check_image_size
from fashionjax.encoders.dilation import check_output_stride
from fashionjax.nn import BatchNorm, conv
from fashionjax.nn.residual import Features
from fashionjax.ops.max_pooling import max_pool_3x3
from fashionjax.types import Image

_KERNEL_INIT = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
"""torchvision's initial weights of DenseNet convolutions."""

_BOTTLENECK = 4
"""Channels between a layer's two convolutions, in those that the layer adds."""


class DenseNet(nn.Module):
    """DenseNet121 or 169 without its classifier.

    With an `output_stride` below 32 the average poolings of the last transitions are
    left out, and each doubles the dilation of the 3×3 convolutions after it (Yang et
    al., DenseASPP, 2018). Parameters stay the same, so that published weights fit.

    Attributes:
        stage_sizes: Number of layers of each dense block; (6, 12, 24, 16) is
            DenseNet121, (6, 12, 32, 32) DenseNet169.
        features: Channels of the stem; every layer adds half as many. 64 in both
            published models, fewer for small machines.
        output_stride: Input size divided by that of the deepest map: 32, 16 or 8.
        dtype: Type of the computation; parameters are float32.
    """

    stage_sizes: tuple[int, ...] = (6, 12, 24, 16)
    features: int = 64
    output_stride: int = 32
    dtype: Dtype = jnp.float32

    @property
    def reductions(self) -> tuple[int, ...]:
        """Input size divided by the size of each feature map."""
        deepest = len(self.stage_sizes) + 1
        return tuple(min(2**i, self.output_stride) for i in range(1, deepest + 1))

    @nn.compact
    def __call__(
        self, image: Image, *, train: bool
    ) -> tuple[Float[Array, "batch height_i width_i channels_i"], ...]:
        """Returns the stem's map at stride 2, then each dense block's, from stride 4.

        The taps are those of segmentation_models_pytorch: after the stem's ReLU, after
        each transition's ReLU, and the last block's map normalised, *without* a ReLU;
        for DenseNet121 64, 256, 512, 1024 and 1024 channels.

        Raises:
            ValueError: If `output_stride` is not 8, 16 or 32, or the image is smaller.
        """
        check_output_stride(self.output_stride)
        check_image_size(image, self.reductions[-1])
        layers = _Layers(self.dtype, train)
        x = layers.conv(image, self.features, 7, "stem_conv", stride=2)
        x = layers.norm_relu(x, "stem_norm")
        feature_maps = [x]
        x = max_pool_3x3(x)
        for stage, num_layers in enumerate(self.stage_sizes):
            reduction = 2 ** (stage + 2)
            for i in range(num_layers):
                layer = _DenseLayer(
                    self.features // 2,
                    dilation=max(1, reduction // self.output_stride),
                    dtype=self.dtype,
                    name=f"stage{stage + 1}_layer{i + 1}",
                )
                x = jnp.concatenate([x, layer(x, train=train)], axis=-1)
            if stage + 1 == len(self.stage_sizes):
                break
            name = f"transition{stage + 1}"
            x = layers.norm_relu(x, f"{name}_norm")
            feature_maps.append(x)
            x = layers.conv(x, x.shape[-1] // 2, 1, f"{name}_conv")
            if 2 * reduction <= self.output_stride:
                x = nn.avg_pool(x, (2, 2), strides=(2, 2))
        return (*feature_maps, layers.norm(x, "last_norm"))


class _DenseLayer(nn.Module):
    """What a layer adds: a 1×1 and a 3×3 convolution, each after BatchNorm and ReLU.

    Attributes:
        features: Number of channels that it adds.
        dilation: Dilation of the 3×3 convolution.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    dilation: int
    dtype: Dtype

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch height width features"]:
        """Returns the new channels alone."""
        layers = _Layers(self.dtype, train)
        x = layers.norm_relu(x, "norm1")
        x = layers.conv(x, _BOTTLENECK * self.features, 1, "conv1")
        x = layers.norm_relu(x, "norm2")
        return layers.conv(x, self.features, 3, "conv2", dilation=self.dilation)


@dataclasses.dataclass(frozen=True)
class _Layers:
    """Convolutions and norms, in the compact method that calls them."""

    dtype: Dtype
    train: bool

    def conv(
        self, x: Features, features: int, size: int, name: str, **options: Any
    ) -> Features:
        return conv(
            features,
            size,
            kernel_init=_KERNEL_INIT,
            dtype=self.dtype,
            name=name,
            **options,
        )(x)

    def norm(self, x: Features, name: str) -> Features:
        norm = BatchNorm(
            use_running_average=not self.train, dtype=self.dtype, name=name
        )
        return norm(x)

    def norm_relu(self, x: Features, name: str) -> Features:
        return nn.relu(self.norm(x, name))
