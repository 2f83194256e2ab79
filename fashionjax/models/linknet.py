"""LinkNet (Chaurasia and Culurciello, 2017), as segmentation_models_pytorch has it."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.models.stages import Stage, decoder_stages
from fashionjax.nn import BatchNorm, ConvNormRelu, ConvTranspose, conv
from fashionjax.ops.resize import crop_or_pad
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Features = Float[Array, "batch height width channels"]


class LinkNet(nn.Module):
    """Encoder, and a slim decoder to whose stages the encoder's maps are added.

    A stage is a 1×1 convolution to a quarter of the channels, a 4×4 transposed
    convolution that doubles the size and a 1×1 convolution to the channels of the next
    finer map, each with BatchNorm and ReLU; then that map is added. Between maps of one
    size, as an encoder with dilation has them, a 3×3 convolution takes the place of the
    transposed one. A map at the image's own size is not used, as in the reference.

    Attributes:
        encoder: Maps an image to feature maps, finest first; each at its neighbour's
            reduction or twice that.
        num_classes: Number of classes, background included.
        final_features: Channels of the stages without a map to add.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    final_features: int = 32
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the input's size, which may be any.

        Args:
            image: Normalised image.
            train: Whether to normalise by batch statistics.

        Raises:
            ValueError: If the encoder's reductions do not suit a decoder with skips.
        """
        image = image.astype(self.dtype)
        maps = tuple(m.astype(self.dtype) for m in self.encoder(image, train=train))
        x = maps[-1]
        stages = decoder_stages(
            maps, self.encoder.reductions, image.shape[1:3], full_size_skip=False
        )
        for i, stage in enumerate(stages):
            x = self._stage(x, stage, f"decoder{i}", train=train)
        head = conv(
            self.num_classes,
            1,
            use_bias=True,
            # Near-uniform probabilities at the start, whatever the width.
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="head",
        )
        return Outputs(logits=to_float32(head(x)))

    def _stage(self, x: Features, stage: Stage, name: str, *, train: bool) -> Features:
        quarter = x.shape[-1] // 4
        skip = stage.skip
        features = self.final_features if skip is None else skip.shape[-1]
        x = self._conv(x, quarter, 1, f"{name}_reduce", train=train)
        if stage.factor == 1:
            x = self._conv(x, quarter, 3, f"{name}_conv", train=train)
        else:
            up = ConvTranspose(
                quarter, size=4, padding=1, dtype=self.dtype, name=f"{name}_up"
            )
            norm = BatchNorm(
                use_running_average=not train, dtype=self.dtype, name=f"{name}_up_norm"
            )
            x = nn.relu(norm(crop_or_pad(up(x), stage.size)))
        x = self._conv(x, features, 1, f"{name}_expand", train=train)
        return x if skip is None else x + skip

    def _conv(
        self, x: Features, features: int, size: int, name: str, *, train: bool
    ) -> Features:
        layer = ConvNormRelu(features, size, dtype=self.dtype, name=name)
        return layer(x, train=train)
