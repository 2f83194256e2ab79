"""The semantic branch of Panoptic Feature Pyramid Networks (Kirillov et al., 2019)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.models.fpn import NUM_LEVELS, check_num_levels
from fashionjax.nn import conv
from fashionjax.nn.initializers import HE_UNIFORM, XAVIER_UNIFORM
from fashionjax.ops.resize import resize_bilinear, resize_nearest
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Features = Float[Array, "batch height width channels"]


class PanopticFPN(nn.Module):
    """A top-down pyramid whose levels are convolved, upsampled and added.

    What segmentation_models_pytorch calls FPN; unlike `FPN` here, every level has its
    own convolutions, with GroupNorm, and the levels are summed. Levels are resized to
    the next one's size: doubled, where the encoder's strides divide the image's size.

    Attributes:
        encoder: Maps an image to at least four feature maps, finest first.
        num_classes: Number of classes, background included.
        pyramid_features: Channels of the pyramid.
        features: Channels of the levels' convolutions.
        num_groups: Groups of GroupNorm; divides `features`.
        dropout_rate: Share of the channels dropped before the head in training.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    pyramid_features: int = 256
    features: int = 128
    num_groups: int = 32
    dropout_rate: float = 0.2
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the image's size.

        Raises:
            ValueError: If the encoder has fewer than four maps.
        """
        maps = self.encoder(image.astype(self.dtype), train=train)
        check_num_levels(maps)
        maps = maps[-NUM_LEVELS:]
        sizes = [m.shape[1:3] for m in maps]
        level = total = None
        for i in range(NUM_LEVELS - 1, -1, -1):
            lateral = self._conv(
                maps[i], self.pyramid_features, 1, f"lateral{i + 1}", use_bias=True
            )
            if level is not None:
                lateral += resize_nearest(level, sizes[i])
            level = lateral
            branch = self._branch(level, i, sizes)
            total = branch if total is None else total + branch
        x = nn.Dropout(
            self.dropout_rate,
            broadcast_dims=(1, 2),
            deterministic=not train,
            name="dropout",
        )(total)
        x = self._conv(
            x, self.num_classes, 1, "head", use_bias=True, kernel_init=XAVIER_UNIFORM
        )
        logits = resize_bilinear(to_float32(x), image.shape[1:3], align_corners=True)
        return Outputs(logits=logits)

    def _branch(
        self, x: Features, level: int, sizes: list[tuple[int, ...]]
    ) -> Features:
        """Convolves a level and resizes it, step by step, to the finest one's."""
        for i in range(max(level, 1)):
            name = f"level{level + 1}_conv{i + 1}"
            x = self._conv(x, self.features, 3, name)
            x = nn.GroupNorm(
                self.num_groups, epsilon=1e-5, dtype=self.dtype, name=f"{name}_norm"
            )(x)
            x = nn.relu(x)
            if level > 0:
                x = resize_bilinear(x, sizes[level - i - 1], align_corners=True)
        return x

    def _conv(
        self, x: Features, features: int, size: int, name: str, **options: Any
    ) -> Features:
        options = {"kernel_init": HE_UNIFORM, **options}
        return conv(features, size, dtype=self.dtype, name=name, **options)(x)
