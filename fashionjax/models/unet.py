"""U-Net over any encoder.

Ronneberger, Fischer, Brox: U-Net (2015), in the two forms in use with an encoder that
classifies images:

- that of segmentation_models_pytorch, the defaults here (with `full_size_skip=False`,
  and with `center=True` for VGG);
- that of Clothing Co-Parsing with U-Net, over VGG: `decoder_features=(512, 256, 128,
  64, 32)`, `upsampling="deconv"`, `head_size=1`. The paper names several ways of
  upsampling and both ways of using a skip, hence the options.
"""

from typing import Any, Literal, TypeAlias, get_args

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.models.stages import Stage, decoder_stages
from fashionjax.nn import (
    ConvNormRelu,
    ConvTranspose,
    UpsampledConvNormRelu,
    conv,
)
from fashionjax.ops import max_pool_with_argmax, max_unpool
from fashionjax.ops.resize import crop_or_pad, resize_bilinear, resize_nearest
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Upsampling: TypeAlias = Literal["nearest", "bilinear", "deconv", "max_unpool"]
Skip: TypeAlias = Literal["concat", "add"]
Features = Float[Array, "batch height width channels"]


class UNet(nn.Module):
    """Encoder, and a decoder with a skip from every map of the encoder.

    A stage of the decoder upsamples to the size of the next finer map of the encoder,
    joins that map and applies two 3×3 convolutions, each with BatchNorm and ReLU. Below
    the finest map, stages without skip go on to the image's size. Between maps of one
    size, as an encoder with dilation has them, nothing is upsampled.

    Attributes:
        encoder: Maps an image to feature maps, finest first; each at its neighbour's
            reduction or twice that.
        num_classes: Number of classes, background included.
        decoder_features: Channels of the decoder's stages, coarsest first, one for each
            doubling of the size (and for each pair of maps of one size).
        upsampling: "nearest" and "bilinear" (half-pixel) have no parameters; "deconv"
            is a 2×2 transposed convolution to the channels of the stage; "max_unpool"
            puts values where the maxima of the skip were, as SegNet does, after a 1×1
            convolution where the channels differ. A stage without skip has no maxima:
            there "max_unpool" is "nearest".
        skip: "concat", upsampled map first, or "add", where the skip takes a 1×1
            convolution if its channels differ.
        full_size_skip: Whether a map at the image's own size is used as skip;
            segmentation_models_pytorch leaves VGG's out.
        center: Whether two more convolutions with the deepest map's channels come
            before the first stage, as in segmentation_models_pytorch for VGG.
        head_size: Side of the kernel of the last convolution, 1 or 3.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    decoder_features: tuple[int, ...] = (256, 128, 64, 32, 16)
    upsampling: Upsampling = "nearest"
    skip: Skip = "concat"
    full_size_skip: bool = True
    center: bool = False
    head_size: int = 3
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the input's size, which may be any.

        Args:
            image: Normalised image.
            train: Whether to normalise by batch statistics.

        Raises:
            ValueError: If an attribute is not one of its values, or
                `decoder_features` does not have as many as the encoder needs.
        """
        image = image.astype(self.dtype)
        maps = tuple(m.astype(self.dtype) for m in self.encoder(image, train=train))
        stages = decoder_stages(
            maps,
            self.encoder.reductions,
            image.shape[1:3],
            full_size_skip=self.full_size_skip,
        )
        self._check(len(stages))
        x = maps[-1]
        if self.center:
            for i in range(2):
                x = self._conv(x, x.shape[-1], f"center{i}", train=train)
        for i, (features, stage) in enumerate(
            zip(self.decoder_features, stages, strict=True)
        ):
            x = self._enter(x, stage, features, f"decoder{i}", train=train)
            x = self._conv(x, features, f"decoder{i}_conv2", train=train)
        head = conv(
            self.num_classes,
            self.head_size,
            use_bias=True,
            # Near-uniform probabilities at the start, whatever the width.
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="head",
        )
        return Outputs(logits=to_float32(head(x)))

    def _check(self, num_stages: int) -> None:
        allowed: dict[str, tuple[Any, ...]] = {
            "upsampling": get_args(Upsampling),
            "skip": get_args(Skip),
            "head_size": (1, 3),
        }
        for name, values in allowed.items():
            value = getattr(self, name)
            if value not in values:
                raise ValueError(f"{name} {value!r} is none of {values}")
        if len(self.decoder_features) != num_stages:
            raise ValueError(
                f"decoder_features={self.decoder_features} has"
                f" {len(self.decoder_features)} stages; this encoder needs {num_stages}"
            )

    def _conv(self, x: Features, features: int, name: str, *, train: bool) -> Features:
        return ConvNormRelu(features, dtype=self.dtype, name=name)(x, train=train)

    def _enter(
        self, x: Features, stage: Stage, features: int, name: str, *, train: bool
    ) -> Features:
        """Upsamples, joins the skip and applies the stage's first convolution."""
        repeats = self.upsampling == "nearest" or (
            self.upsampling == "max_unpool" and stage.skip is None
        )
        if repeats and (self.skip == "concat" or stage.skip is None):
            layer = UpsampledConvNormRelu(
                features, dtype=self.dtype, name=f"{name}_conv1"
            )
            return layer(x, stage.size, stage.skip, train=train)
        x = self._upsample(x, stage, features, name)
        x = self._join(x, stage.skip, name)
        return self._conv(x, features, f"{name}_conv1", train=train)

    def _upsample(
        self, x: Features, stage: Stage, features: int, name: str
    ) -> Features:
        if stage.factor == 1:
            return x
        if self.upsampling == "bilinear":
            return resize_bilinear(x, stage.size)
        if self.upsampling == "deconv":
            up = ConvTranspose(features, dtype=self.dtype, name=f"{name}_up")
            return crop_or_pad(up(x), stage.size)
        if self.upsampling == "max_unpool" and stage.skip is not None:
            x = self._project(x, stage.skip.shape[-1], f"{name}_unpool_conv")
            return unpool_like(x, stage.skip)
        return resize_nearest(x, stage.size)

    def _join(self, x: Features, skip: Features | None, name: str) -> Features:
        if skip is None:
            return x
        if self.skip == "concat":
            return jnp.concatenate([x, skip], axis=-1)
        return x + self._project(skip, x.shape[-1], f"{name}_skip_conv")

    def _project(self, x: Features, features: int, name: str) -> Features:
        """A 1×1 convolution, where the number of channels differs."""
        if x.shape[-1] == features:
            return x
        return conv(features, 1, dtype=self.dtype, name=name)(x)


def unpool_like(x: Features, skip: Features) -> Features:
    """Puts every value where the skip has the maximum of its window, zeros elsewhere.

    Args:
        x: Feature maps of half the size of `skip`, rounded up or down, and as many.
        skip: Feature maps whose windows of 2×2 are searched; where an odd size was
            halved and rounded up, the last window has one row or column.

    Returns:
        Feature maps of the size of `skip`.
    """
    lacking = [max(0, 2 * x.shape[axis] - skip.shape[axis]) for axis in (1, 2)]
    padding = ((0, 0), (0, lacking[0]), (0, lacking[1]), (0, 0))
    padded = jnp.pad(skip, padding, constant_values=-jnp.inf)
    _, argmax = max_pool_with_argmax(padded)
    return crop_or_pad(max_unpool(x, argmax, padded.shape[1:3]), skip.shape[1:3])
