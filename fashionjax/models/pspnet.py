"""Pyramid scene parsing network (Zhao et al., 2017)."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import ConvNormRelu, conv
from fashionjax.nn.initializers import HE_UNIFORM, XAVIER_UNIFORM
from fashionjax.ops.pooling import adaptive_average_pool
from fashionjax.ops.resize import resize_bilinear
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs


class PSPNet(nn.Module):
    """The deepest map beside its averages over coarser and coarser grids.

    As in segmentation_models_pytorch, which ends the encoder at stride 8, at a
    ResNet's second stage (`ResNet(stage_sizes=(3, 4))`); the paper dilates the later
    stages to stride 8 instead (`ResNet(…, output_stride=8)`).

    Attributes:
        encoder: Maps an image to feature maps, finest first; its deepest map is used.
        num_classes: Number of classes, background included.
        features: Channels after the pyramid.
        pool_sizes: Sides of the grids; each adds a share of the map's channels.
        dropout_rate: Share of the channels dropped before the head in training.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    features: int = 512
    pool_sizes: tuple[int, ...] = (1, 2, 3, 6)
    dropout_rate: float = 0.2
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the image's size."""
        size = image.shape[1:3]
        x = self.encoder(image.astype(self.dtype), train=train)[-1]
        pooled = [self._pool(x, grid, train=train) for grid in self.pool_sizes]
        x = jnp.concatenate([*pooled, x], axis=-1)
        x = ConvNormRelu(
            self.features,
            size=1,
            kernel_init=HE_UNIFORM,
            dtype=self.dtype,
            name="project",
        )(x, train=train)
        x = nn.Dropout(
            self.dropout_rate,
            broadcast_dims=(1, 2),
            deterministic=not train,
            name="dropout",
        )(x)
        x = conv(
            self.num_classes,
            3,
            use_bias=True,
            kernel_init=XAVIER_UNIFORM,
            dtype=self.dtype,
            name="head",
        )(x)
        logits = resize_bilinear(to_float32(x), size, align_corners=True)
        return Outputs(logits=logits)

    def _pool(
        self, x: Float[Array, "batch height width channels"], grid: int, *, train: bool
    ) -> Float[Array, "batch height width features"]:
        features = x.shape[-1] // len(self.pool_sizes)
        name = f"pool{grid}"
        pooled = adaptive_average_pool(x, (grid, grid))
        if grid == 1:
            # The library does not normalise single values.
            layer = conv(
                features,
                1,
                use_bias=True,
                kernel_init=HE_UNIFORM,
                dtype=self.dtype,
                name=name,
            )
            pooled = nn.relu(layer(pooled))
        else:
            layer = ConvNormRelu(
                features, size=1, kernel_init=HE_UNIFORM, dtype=self.dtype, name=name
            )
            pooled = layer(pooled, train=train)
        return resize_bilinear(pooled, x.shape[1:3], align_corners=True)
