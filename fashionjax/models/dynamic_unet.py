"""fastai's DynamicUnet (version 1), a U-Net over any encoder.

The library that the authors of Clothing Parsing using Extended U-Net worked with; with
pixel shuffle, their trial of trainable upsampling.
"""

from typing import Literal, TypeAlias, get_args

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import BatchNorm, conv
from fashionjax.nn.pixel_shuffle import PixelShuffleUpsample
from fashionjax.ops.resize import resize_nearest, upsample_nearest
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Norm: TypeAlias = Literal["batch"]
Upsampling: TypeAlias = Literal["pixel_shuffle", "nearest"]
Features = Float[Array, "batch height width channels"]

_SMALL = nn.initializers.constant(1e-3)
"""fastai's initial bias of the norms that are not part of a convolution."""


class DynamicUNet(nn.Module):
    """Encoder, and a decoder with the encoder's last map of every size as skip.

    Widths follow from the encoder. Each stage doubles the map and halves its channels,
    concatenates the skip, and keeps that many channels in two convolutions, or half of
    them in the finest stage. The image itself is concatenated last, before a residual
    block.

    Attributes:
        encoder: Maps an image to feature maps, finest first.
        num_classes: Number of classes, background included.
        norm: "batch" for a BatchNorm after the ReLU of every convolution of the
            decoder; None, as fastai's `unet_learner` has it, for a bias instead. Skips
            and the deepest map are normalised anyway.
        upsampling: "pixel_shuffle" is trainable, and halves the channels; "nearest" has
            no parameters, and keeps them.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    norm: Norm | None = None
    upsampling: Upsampling = "pixel_shuffle"
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the input's size, which may be any.

        Args:
            image: Normalised image.
            train: Whether to normalise by batch statistics.

        Raises:
            ValueError: If an attribute is not one of its values.
        """
        self._check()
        image = image.astype(self.dtype)
        maps = self.encoder(image, train=train)
        # The last map of every size: later ones replace earlier ones.
        of_reduction = dict(zip(self.encoder.reductions, maps, strict=True))
        *skips, x = (m.astype(self.dtype) for m in of_reduction.values())

        x = nn.relu(self._norm(x, "middle_norm", train=train))
        channels = x.shape[-1]
        x = self._conv(x, 2 * channels, "middle_conv1", train=train)
        x = self._conv(x, channels, "middle_conv2", train=train)
        for stage, skip in enumerate(reversed(skips)):
            half = x.shape[-1] // 2
            width = half + skip.shape[-1]
            features = width // 2 if stage == len(skips) - 1 else width
            x = self._upsample(x, half, f"decoder{stage}_up", train=train)
            x = resize_nearest(x, skip.shape[1:3])
            skip = self._norm(skip, f"skip_norm{stage}", train=train)
            x = nn.relu(jnp.concatenate([x, skip], axis=-1))
            x = self._conv(x, features, f"decoder{stage}_conv1", train=train)
            x = self._conv(x, features, f"decoder{stage}_conv2", train=train)

        if self.encoder.reductions[0] > 1:
            x = self._upsample(x, x.shape[-1], "final_up", train=train)
            x = resize_nearest(x, image.shape[1:3])
        x = jnp.concatenate([x, image], axis=-1)
        residual = self._conv(x, x.shape[-1], "residual_conv1", train=train)
        residual = self._conv(residual, x.shape[-1], "residual_conv2", train=train)
        logits = self._head(x + residual, train=train)
        return Outputs(logits=to_float32(logits))

    def _check(self) -> None:
        if self.norm is not None and self.norm not in get_args(Norm):
            raise ValueError(f"norm {self.norm!r} is none of {(None, *get_args(Norm))}")
        allowed = get_args(Upsampling)
        if self.upsampling not in allowed:
            raise ValueError(f"upsampling {self.upsampling!r} is none of {allowed}")

    def _upsample(
        self, x: Features, features: int, name: str, *, train: bool
    ) -> Features:
        if self.upsampling == "nearest":
            return upsample_nearest(x)
        up = PixelShuffleUpsample(
            features, batch_norm=self.norm == "batch", dtype=self.dtype, name=name
        )
        return up(x, train=train)

    def _conv(self, x: Features, features: int, name: str, *, train: bool) -> Features:
        """3×3 convolution and ReLU; fastai normalises after the activation."""
        bias = self.norm is None
        layer = conv(features, 3, use_bias=bias, dtype=self.dtype, name=name)
        x = nn.relu(layer(x))
        if self.norm is None:
            return x
        norm = BatchNorm(
            use_running_average=not train, dtype=self.dtype, name=f"{name}_norm"
        )
        return norm(x)

    def _norm(self, x: Features, name: str, *, train: bool) -> Features:
        norm = BatchNorm(
            use_running_average=not train,
            bias_init=_SMALL,
            dtype=self.dtype,
            name=name,
        )
        return norm(x)

    def _head(self, x: Features, *, train: bool) -> Features:
        x = conv(
            self.num_classes,
            1,
            use_bias=self.norm is None,
            # Near-uniform probabilities at the start, whatever the width.
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="head",
        )(x)
        if self.norm is None:
            return x
        norm = BatchNorm(
            use_running_average=not train, dtype=self.dtype, name="head_norm"
        )
        return norm(x)
