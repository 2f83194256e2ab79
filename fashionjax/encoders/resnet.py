"""ResNet (He et al., 2015) and ResNeXt (Xie et al., 2016), as torchvision has them."""

from typing import Any, Literal, TypeAlias

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.encoders.dilation import (
    DilationStyle,
    check_output_stride,
    first_dilation,
)
from fashionjax.nn import BasicBlock, BatchNorm, Bottleneck, conv
from fashionjax.nn.residual import KERNEL_INIT
from fashionjax.ops.max_pooling import max_pool_3x3
from fashionjax.types import Image

Block: TypeAlias = Literal["basic", "bottleneck"]


class ResNet(nn.Module):
    """ResNet or ResNeXt without its classifier.

    Attributes:
        stage_sizes: Number of blocks of each stage; (3, 4, 6, 3) is ResNet34 and 50.
        block: "basic", two 3×3 convolutions, or "bottleneck", 1×1, 3×3 and 1×1.
        features: Channels of the stem; stage `i` has `features * 2**i` ("basic") or
            four times that ("bottleneck"). 64 in all published models, fewer for small
            machines.
        groups: Groups of a bottleneck's 3×3 convolution; 32 in ResNeXt.
        group_width: Channels of a group in the first stage, at `features` 64; 4 in
            "32x4d". 64 for one group.
        output_stride: Input size divided by that of the deepest map: 32, or 16 or 8,
            where later stages are dilated instead.
        dilation_style: Which convolutions are dilated then. "torchvision" leaves the
            first block of a stage at the dilation of the stage before, "smp" dilates
            all 3×3 convolutions of a stage. The two are different functions.
        dtype: Type of the computation; parameters are float32.
    """

    stage_sizes: tuple[int, ...]
    block: Block = "basic"
    features: int = 64
    groups: int = 1
    group_width: int = 64
    output_stride: int = 32
    dilation_style: DilationStyle = "torchvision"
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
        """Returns the stem's map at stride 2, then each stage's, from stride 4 on.

        Raises:
            ValueError: If `output_stride` is not 8, 16 or 32, or there is no such
                `dilation_style`.
        """
        check_output_stride(self.output_stride)
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
        x = max_pool_3x3(x)
        for stage, num_blocks in enumerate(self.stage_sizes):
            for block in range(num_blocks):
                layer = self._block(stage, block)
                x = layer(x, train=train)
            feature_maps.append(x)
        return tuple(feature_maps)

    def _block(self, stage: int, block: int) -> BasicBlock | Bottleneck:
        reduction = 2 ** (stage + 2)
        downsamples = block == 0 and stage > 0
        dilation = max(1, reduction // self.output_stride)
        options: dict[str, Any] = {
            "stride": 2 if downsamples and dilation == 1 else 1,
            "dilation": dilation,
            "dtype": self.dtype,
            "name": f"stage{stage + 1}_block{block}",
        }
        if downsamples:
            options["dilation"] = first_dilation(dilation, self.dilation_style)
        features = self.features * 2**stage
        if self.block == "basic":
            return BasicBlock(features=features, **options)
        return Bottleneck(
            features=4 * features,
            width=features * self.group_width // 64 * self.groups,
            groups=self.groups,
            **options,
        )
