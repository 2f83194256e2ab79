"""Feature pyramid network for fashion images.

Martinsson, Mogren: Semantic Segmentation of Fashion Images Using Feature Pyramid
Networks (2019), whose pyramid is that of Lin et al. (2017).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import ConvNormRelu, conv
from fashionjax.ops.resize import crop, resize_bilinear, resize_nearest
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Logits, Outputs

Features = Float[Array, "batch height width channels"]

NUM_LEVELS = 4
"""Levels of a pyramid: the encoder's four deepest maps, C2 to C5 in the paper."""

_LEAST_PROBABILITY = 1e-7


class FPN(nn.Module):
    """A top-down pyramid whose levels are concatenated at the finest one's size.

    1×1 convolutions bring the four maps to one width; from the deepest on, each level
    is doubled (nearest) and added to the next; two convolutions follow. The image is
    padded with zeros at the bottom and on the right until the encoder's strides divide
    it, and the logits are cropped.

    Attributes:
        encoder: Maps an image to at least four feature maps, finest first.
        num_classes: Number of classes, background included.
        pyramid_features: Channels of the levels.
        features: Channels between the two convolutions.
        softmax_before_upsample: Whether probabilities are upsampled, as the document
            has it, not logits; the model then returns their logarithms as its logits.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    pyramid_features: int = 256
    features: int = 128
    softmax_before_upsample: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the image's size.

        With `softmax_before_upsample` they are logarithms of probabilities, which are
        cut off below at 1e-7.

        Raises:
            ValueError: If the encoder has fewer than four maps.
        """
        size = image.shape[1:3]
        image = pad_to_multiple(image, self.encoder.reductions[-1])
        maps = self.encoder(image.astype(self.dtype), train=train)
        check_num_levels(maps)
        x = self._pyramid(maps[-NUM_LEVELS:])
        x = ConvNormRelu(self.features, dtype=self.dtype, name="fuse_conv")(
            x, train=train
        )
        x = conv(self.num_classes, 3, use_bias=True, dtype=self.dtype, name="head")(x)
        x = self._upsample(to_float32(x), image.shape[1:3])
        return Outputs(logits=crop(x, size))

    def _pyramid(self, maps: tuple[Features, ...]) -> Features:
        """All levels at the finest one's size, the finest first."""
        level, levels = None, []
        for i in range(NUM_LEVELS, 0, -1):
            lateral = conv(
                self.pyramid_features,
                1,
                use_bias=True,
                dtype=self.dtype,
                name=f"lateral{i}",
            )(maps[i - 1])
            if level is not None:
                lateral += resize_nearest(level, lateral.shape[1:3])
            level = lateral
            levels.insert(0, resize_nearest(level, maps[0].shape[1:3]))
        return jnp.concatenate(levels, axis=-1)

    def _upsample(self, logits: Logits, size: tuple[int, ...]) -> Logits:
        if not self.softmax_before_upsample:
            return resize_bilinear(logits, size)
        probabilities = resize_bilinear(nn.softmax(logits), size)
        return jnp.log(jnp.clip(probabilities, _LEAST_PROBABILITY, 1))


def check_num_levels(maps: tuple[jax.Array, ...]) -> None:
    """Refuses an encoder that is too shallow for a pyramid.

    Raises:
        ValueError: If there are fewer than four maps.
    """
    if len(maps) < NUM_LEVELS:
        raise ValueError(
            f"the encoder has {len(maps)} maps; a pyramid needs {NUM_LEVELS}"
        )


def pad_to_multiple(image: Image, divisor: int) -> Image:
    """Adds zeros at the bottom and on the right until `divisor` divides the size."""
    height, width = (-n % divisor for n in image.shape[1:3])
    return jnp.pad(image, ((0, 0), (0, height), (0, width), (0, 0)))
