"""Image-level branches of the Extended U-Net (spec: "ClassBranch", "BBbranch")."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn.norm import BatchNorm
from fashionjax.ops.pooling import global_max_pool
from fashionjax.ops.to_float32 import to_float32


class TagBranch(nn.Module):
    """Tells which classes are in the image, from the deepest feature map.

    Global maximum and average, concatenated in this order as fastai's
    AdaptiveConcatPool2d does, then two fully connected layers.

    Attributes:
        num_tags: Number of classes, background left out.
        features: Width of the hidden layer.
        dropout_rate: Share of hidden values dropped in training.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_tags: int
    features: int = 512
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch num_tags"]:
        """Returns logits, float32."""
        x = jnp.concatenate([global_max_pool(x), x.mean(axis=(1, 2))], axis=-1)
        return _classifier(self, x, self.num_tags, train=train)


class BoxBranch(nn.Module):
    """Predicts one box for each class, from the deepest feature map, unpooled.

    The map is flattened in (height, width, channel) order, so that the parameters fit
    one input size only.

    Attributes:
        num_boxes: Number of classes, background left out.
        features: Width of the hidden layer.
        dropout_rate: Share of hidden values dropped in training.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_boxes: int
    features: int = 512
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch num_boxes 4"]:
        """Returns the coordinates (x1, y1, x2, y2) before the sigmoid, float32."""
        x = x.reshape(x.shape[0], -1)
        x = _classifier(self, x, self.num_boxes * 4, train=train)
        return x.reshape(x.shape[0], self.num_boxes, 4)


def _classifier(
    branch: TagBranch | BoxBranch,
    x: Float[Array, "batch channels"],
    num_outputs: int,
    *,
    train: bool,
) -> Float[Array, "batch num_outputs"]:
    """Linear, ReLU, BatchNorm, dropout, linear: fastai's order."""
    x = nn.Dense(branch.features, dtype=branch.dtype, name="hidden")(x)
    x = BatchNorm(use_running_average=not train, dtype=branch.dtype, name="norm")(
        nn.relu(x)
    )
    x = nn.Dropout(branch.dropout_rate, deterministic=not train)(x)
    # Neutral at the start: injected, these values would drown the feature maps.
    kernel_init = nn.initializers.normal(0.01)
    x = nn.Dense(
        num_outputs, kernel_init=kernel_init, dtype=branch.dtype, name="output"
    )(x)
    return to_float32(x)
