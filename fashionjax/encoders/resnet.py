"""ResNet (He et al., Deep Residual Learning, 2015), as torchvision builds it."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import BasicBlock, BatchNorm, conv
from fashionjax.nn.residual import KERNEL_INIT
from fashionjax.types import Image


class ResNet(nn.Module):
    """ResNet without its classifier.

    Attributes:
        stage_sizes: Number of blocks of each stage; (3, 4, 6, 3) is ResNet34.
        features: Channels of the stem; stage `i` has `features * 2**i`. 64 in all
            published models, fewer for small machines.
        dtype: Type of the computation; parameters are float32.
    """

    stage_sizes: tuple[int, ...]
    features: int = 64
    dtype: Dtype = jnp.float32

    @property
    def reductions(self) -> tuple[int, ...]:
        """Input size divided by the size of each feature map."""
        return tuple(2 ** (i + 1) for i in range(len(self.stage_sizes) + 1))

    @nn.compact
    def __call__(
        self, image: Image, *, train: bool
    ) -> tuple[Float[Array, "batch height_i width_i channels_i"], ...]:
        """Returns the stem's map at stride 2, then each stage's, strides 4 to 32."""
        x = conv(
            self.features,
            7,
            stride=2,
            kernel_init=KERNEL_INIT,
            dtype=self.dtype,
            name="stem_conv",
        )(image)
        x = BatchNorm(
            use_running_average=not train, dtype=self.dtype, name="stem_norm"
        )(x)
        x = nn.relu(x)
        feature_maps = [x]
        # flax's annotation knows padding by name alone.
        padding: Any = ((1, 1), (1, 1))
        x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=padding)
        for stage, num_blocks in enumerate(self.stage_sizes):
            for block in range(num_blocks):
                x = BasicBlock(
                    features=self.features * 2**stage,
                    stride=2 if stage > 0 and block == 0 else 1,
                    dtype=self.dtype,
                    name=f"stage{stage + 1}_block{block}",
                )(x, train=train)
            feature_maps.append(x)
        return tuple(feature_maps)
