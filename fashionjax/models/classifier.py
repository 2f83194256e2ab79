"""Image classifiers: an encoder and a head, to check published weights as a whole."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.ops.pooling import adaptive_average_pool
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image

_VGG_MAP = (7, 7)
"""Height and width of the map that VGG's first linear layer sees."""

_VGG_LINEAR_INIT = nn.initializers.normal(0.01)
"""torchvision's initial weights of VGG's linear layers."""


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
        return to_float32(linear(x.mean(axis=(1, 2))))


class VGGHead(nn.Module):
    """The deepest map flattened, and three linear layers, as in VGG.

    Maps are flattened in (height, width, channel) order; torch's first kernel, for
    (channel, height, width), is permuted when it is converted.

    Attributes:
        num_classes: Number of classes.
        features: Channels of the two hidden layers.
        pool: Whether maps of any size are averaged to 7×7 first, as torchvision does;
            Keras takes maps of 7×7 alone, that is images of 224×224.
        dropout_rate: Share of hidden values dropped in training; 0.5 in torchvision, 0
            in Keras.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_classes: int
    features: int = 4096
    pool: bool = True
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        feature_maps: tuple[Float[Array, "batch height_i width_i channels_i"], ...],
        *,
        train: bool,
    ) -> Float[Array, "batch num_classes"]:
        """Returns class logits, float32.

        Raises:
            ValueError: If `pool` is off and the deepest map is not 7×7.
        """
        x = feature_maps[-1]
        if self.pool:
            x = adaptive_average_pool(x, _VGG_MAP)
        elif x.shape[1:3] != _VGG_MAP:
            raise ValueError(
                f"the deepest map is {x.shape[1]}×{x.shape[2]}; this head takes 7×7"
                " alone, which images of 224×224 have"
            )
        x = x.reshape(x.shape[0], -1)
        for name in ("hidden1", "hidden2"):
            x = nn.relu(self._linear(x, self.features, name))
            x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        return to_float32(self._linear(x, self.num_classes, "linear"))

    def _linear(
        self, x: Float[Array, "batch in_features"], features: int, name: str
    ) -> Float[Array, "batch features"]:
        linear = nn.Dense(
            features, kernel_init=_VGG_LINEAR_INIT, dtype=self.dtype, name=name
        )
        return linear(x)
