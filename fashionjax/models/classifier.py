"""Image classifiers: an encoder and a head, to check published weights as a whole."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.types import Image


class Classifier(nn.Module):
    """An encoder with a head over its feature maps.

    Attributes:
        encoder: Maps an image to feature maps, finest first.
        head: Maps these feature maps to class logits.
    """

    encoder: nn.Module
    head: nn.Module

    @nn.compact
    def __call__(
        self, image: Image, *, train: bool
    ) -> Float[Array, "batch num_classes"]:
        """Returns class logits, float32."""
        return self.head(self.encoder(image, train=train), train=train)


class LinearHead(nn.Module):
    """Average of the deepest map and one linear layer, as in ResNet and ResNeXt.

    Attributes:
        num_classes: Number of classes.
        relu: Whether to rectify the map before, as DenseNet does.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_classes: int
    relu: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        feature_maps: tuple[Float[Array, "batch height_i width_i channels_i"], ...],
        *,
        train: bool,
    ) -> Float[Array, "batch num_classes"]:
        """Returns class logits, float32."""
        del train
        x = nn.relu(feature_maps[-1]) if self.relu else feature_maps[-1]
        linear = nn.Dense(self.num_classes, dtype=self.dtype, name="linear")
        return linear(x.mean(axis=(1, 2))).astype(jnp.float32)
