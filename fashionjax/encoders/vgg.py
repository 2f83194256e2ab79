"""VGG (Simonyan and Zisserman, 2014), as torchvision and Keras have it."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.encoders.checks import check_image_size
from fashionjax.encoders.dilation import check_output_stride
from fashionjax.nn import BatchNorm, conv
from fashionjax.nn.residual import KERNEL_INIT
from fashionjax.ops.max_pooling import max_pool_2x2
from fashionjax.types import Image

_MAX_WIDENING = 8
"""Channels of the widest stages, in those of the first."""


class VGG(nn.Module):
    """VGG16 or VGG19 without its classifier, with or without BatchNorm.

    With an `output_stride` below 32 the last poolings are left out, and each doubles
    the dilation of the convolutions after it (Yu and Koltun, Multi-Scale Context
    Aggregation by Dilated Convolutions, 2016). Parameters stay the
    same, so that published weights fit.

    Attributes:
        stage_sizes: Number of convolutions of each stage; (2, 2, 3, 3, 3) is VGG16,
            (2, 2, 4, 4, 4) VGG19.
        features: Channels of the first stage; each stage doubles them, up to eight
            times. 64 in all published models, fewer for small machines.
        batch_norm: Whether a BatchNorm follows each convolution ("vgg16_bn").
        output_stride: Input size divided by that of the deepest map: 32, 16 or 8.
        ceil_mode: Whether the poolings round odd sizes up, as Caffe's.
        dtype: Type of the computation; parameters are float32.
    """

    stage_sizes: tuple[int, ...] = (2, 2, 3, 3, 3)
    features: int = 64
    batch_norm: bool = False
    output_stride: int = 32
    ceil_mode: bool = False
    dtype: Dtype = jnp.float32

    @property
    def reductions(self) -> tuple[int, ...]:
        """Input size divided by the size of each feature map."""
        deepest = len(self.stage_sizes)
        return tuple(min(2**i, self.output_stride) for i in range(deepest + 1))

    @nn.compact
    def __call__(
        self, image: Image, *, train: bool
    ) -> tuple[Float[Array, "batch height_i width_i channels_i"], ...]:
        """Returns each stage's map before its pooling, then the last one pooled.

        For five stages of 64 channels, maps of 64, 128, 256, 512, 512 and 512 channels
        at strides 1 to 32. Odd sizes are rounded down, as torchvision's, or up in
        `ceil_mode`.

        Raises:
            ValueError: If `output_stride` is not 8, 16 or 32, or the image is smaller.
        """
        check_output_stride(self.output_stride)
        check_image_size(image, self.reductions[-1])
        x = image
        feature_maps = []
        for stage, num_convs in enumerate(self.stage_sizes):
            for i in range(num_convs):
                x = self._conv(x, stage, i, train=train)
            feature_maps.append(x)
            if 2 ** (stage + 1) <= self.output_stride:
                x = max_pool_2x2(x, ceil_mode=self.ceil_mode)
        return (*feature_maps, x)

    def _conv(
        self,
        x: Float[Array, "batch height width in_channels"],
        stage: int,
        index: int,
        *,
        train: bool,
    ) -> Float[Array, "batch height width out_channels"]:
        block, number = f"block{stage + 1}", index + 1
        x = conv(
            self.features * min(2**stage, _MAX_WIDENING),
            3,
            dilation=max(1, 2**stage // self.output_stride),
            use_bias=True,
            kernel_init=KERNEL_INIT,
            dtype=self.dtype,
            name=f"{block}_conv{number}",
        )(x)
        if self.batch_norm:
            x = BatchNorm(
                use_running_average=not train,
                dtype=self.dtype,
                name=f"{block}_norm{number}",
            )(x)
        return nn.relu(x)
