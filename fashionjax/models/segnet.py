"""SegNet (Badrinarayanan, Kendall, Cipolla: SegNet, 2015)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import BatchNorm, conv
from fashionjax.ops import max_pool_with_argmax, max_unpool
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Features = Float[Array, "batch height width channels"]


class SegNet(nn.Module):
    """Encoder, and a decoder that mirrors it: no skips, only the maxima's positions.

    A stage of the decoder puts each value where the encoder's pooling had its maximum,
    zeros elsewhere, and applies as many 3×3 convolutions with BatchNorm and ReLU as the
    stage of the encoder; the last of them has the channels of the next finer stage. The
    very last convolution gives the logits.

    Attributes:
        encoder: Maps an image to the maps before each 2×2 pooling, and the last one
            pooled: VGG, in the paper VGG16 with BatchNorm.
        num_classes: Number of classes, background included.
        decoder_sizes: Number of convolutions of each stage, coarsest first.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    decoder_sizes: tuple[int, ...] = (3, 3, 3, 2, 2)
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the input's size, which may be any that the encoder takes.

        Args:
            image: Normalised image.
            train: Whether to normalise by batch statistics.

        Raises:
            ValueError: If the encoder does not halve its maps one by one from the
                image's size on, or `decoder_sizes` does not have as many stages.
        """
        self._check()
        maps = self.encoder(image.astype(self.dtype), train=train)
        *maps, x = (m.astype(self.dtype) for m in maps)
        widths = [m.shape[-1] for m in maps]
        coarse_to_fine = reversed(range(len(maps)))
        for stage, (level, num_convs) in enumerate(
            zip(coarse_to_fine, self.decoder_sizes, strict=True)
        ):
            # The compiler merges this with the encoder's own pooling. Nothing is to be
            # differentiated: positions are integers.
            _, argmax = max_pool_with_argmax(jax.lax.stop_gradient(maps[level]))
            x = max_unpool(x, argmax, maps[level].shape[1:3])
            features = [widths[level]] * (num_convs - 1) + widths[:level][-1:]
            for i, width in enumerate(features, start=1):
                x = self._conv(x, width, f"decoder{stage}", i, train=train)
        head = conv(
            self.num_classes,
            3,
            use_bias=True,
            # Near-uniform probabilities at the start, whatever the width.
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="head",
        )
        return Outputs(logits=to_float32(head(x)))

    def _check(self) -> None:
        reductions = tuple(self.encoder.reductions)
        if reductions != tuple(2**i for i in range(len(reductions))):
            raise ValueError(
                f"the encoder's reductions are {reductions}; SegNet needs 1, 2, 4, …,"
                " each map pooled to the next, as VGG has them"
            )
        if len(self.decoder_sizes) != len(reductions) - 1:
            raise ValueError(
                f"decoder_sizes={self.decoder_sizes} has {len(self.decoder_sizes)}"
                f" stages; this encoder needs {len(reductions) - 1}"
            )

    def _conv(
        self, x: Features, features: int, stage: str, number: int, *, train: bool
    ) -> Features:
        layer = conv(
            features,
            3,
            # Before BatchNorm to no effect, but part of the published model.
            use_bias=True,
            dtype=self.dtype,
            name=f"{stage}_conv{number}",
        )
        norm = BatchNorm(
            use_running_average=not train,
            dtype=self.dtype,
            name=f"{stage}_norm{number}",
        )
        return nn.relu(norm(layer(x)))
