"""OCRNet (Yuan et al., Object-Contextual Representations, 2020), as mmseg has it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import ConvNormRelu, conv
from fashionjax.ops.resize import resize_bilinear
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Features = Float[Array, "batch height width channels"]
Regions = Float[Array, "batch num_classes channels"]

_HEAD_INIT = nn.initializers.normal(0.01)
"""mmseg's initial weights of the last convolution of a head."""


class OCRNet(nn.Module):
    """A coarse segmentation, whose regions every pixel then attends to.

    All feature maps are resized to the finest one's size and concatenated. An
    auxiliary head segments them coarsely; each class's region is the mean of the pixels
    under the softmax of its scores over the image. Attention from pixels to regions
    gives each pixel its context, from which, with the pixel itself, the final head
    reads the class. Gradients of the final head flow through the coarse scores too.

    Attributes:
        encoder: Maps an image to feature maps, finest first.
        num_classes: Number of classes, background included.
        features: Channels of pixels and regions.
        key_features: Channels of queries, keys and values.
        dtype: Type of the computation; parameters and logits are float32, and both
            softmaxes are computed in float32.
    """

    encoder: nn.Module
    num_classes: int
    features: int = 512
    key_features: int = 256
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits and auxiliary logits at the input's size.

        Args:
            image: Normalised image of any size.
            train: Whether to normalise by batch statistics.
        """
        size = image.shape[1:3]
        image = image.astype(self.dtype)
        maps = self.encoder(image, train=train)
        finest = maps[0].shape[1:3]
        x = jnp.concatenate(
            [resize_bilinear(m.astype(self.dtype), finest) for m in maps], axis=-1
        )
        coarse = self._conv_norm_relu(x, x.shape[-1], 1, "aux_conv", train=train)
        aux_logits = self._classify(coarse, "aux_head")
        pixels = self._conv_norm_relu(x, self.features, 3, "pixel_conv", train=train)
        regions = gather_regions(pixels, aux_logits)
        context = self._attend(pixels, regions, train=train)
        x = jnp.concatenate([context, pixels], axis=-1)
        x = self._conv_norm_relu(x, self.features, 1, "context_conv", train=train)
        logits = self._classify(x, "head")
        return Outputs(
            logits=resize_bilinear(to_float32(logits), size),
            aux_logits=resize_bilinear(to_float32(aux_logits), size),
        )

    def _attend(self, pixels: Features, regions: Regions, *, train: bool) -> Features:
        """Each pixel's mixture of the regions, of as many channels as a pixel has."""
        width = self.key_features
        # A column of regions, so that they pass through the same layers as maps.
        column = regions[:, :, None]
        query, key = pixels, column
        for step in (1, 2):
            query = self._conv_norm_relu(query, width, 1, f"query{step}", train=train)
            key = self._conv_norm_relu(key, width, 1, f"key{step}", train=train)
        value = self._conv_norm_relu(column, width, 1, "value", train=train)
        mixed = attend(query, key[:, :, 0], value[:, :, 0])
        return self._conv_norm_relu(mixed, self.features, 1, "out_conv", train=train)

    def _conv_norm_relu(
        self, x: Features, features: int, size: int, name: str, *, train: bool
    ) -> Features:
        layer = ConvNormRelu(features, size, dtype=self.dtype, name=name)
        return layer(x, train=train)

    def _classify(self, x: Features, name: str) -> Features:
        """Returns logits, at least float32."""
        head = conv(
            self.num_classes,
            1,
            use_bias=True,
            kernel_init=_HEAD_INIT,
            dtype=self.dtype,
            name=name,
        )
        return _widened(head(x))


def gather_regions(
    pixels: Features, scores: Float[Array, "batch height width num_classes"]
) -> Regions:
    """The mean pixel of each class, weighted by the softmax of its scores over all.

    Args:
        pixels: Feature maps.
        scores: Scores of each class at each pixel.

    Returns:
        A vector for each class, of the type of `pixels`; weights are at least float32
        until they are multiplied.
    """
    weights = jax.nn.softmax(_widened(scores), axis=(1, 2))
    return jnp.einsum("bhwk,bhwc->bkc", weights.astype(pixels.dtype), pixels)


def attend(query: Features, key: Regions, value: Regions) -> Features:
    """Scaled dot-product attention of every pixel to the regions of its image.

    Args:
        query: What each pixel looks for.
        key: What each region offers, of as many channels.
        value: What each region gives.

    Returns:
        A mixture of values for each pixel, of the type of `value`; weights are at least
        float32 until they are multiplied, and sum to 1 over the regions.
    """
    similarity = jnp.einsum(
        "bhwc,bkc->bhwk", query, key, preferred_element_type=_wide(query.dtype)
    )
    weights = jax.nn.softmax(similarity * key.shape[-1] ** -0.5)
    return jnp.einsum("bhwk,bkc->bhwc", weights.astype(value.dtype), value)


def _wide(dtype: Dtype) -> Dtype:
    return jnp.promote_types(dtype, jnp.float32)


def _widened(x: Features) -> Features:
    return x.astype(_wide(x.dtype))
