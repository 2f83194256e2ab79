"""DeepLabV3 (Chen et al., 2017) and DeepLabV3+ (Chen et al., 2018)."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import ASPP, ConvNormRelu, FCNHead, SeparableConvNormRelu, conv
from fashionjax.nn.initializers import TORCH_DEFAULT
from fashionjax.ops.resize import resize_bilinear
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs


class DeepLabV3(nn.Module):
    """Pyramid pooling and a head on the deepest map of a dilated encoder.

    torchvision and segmentation_models_pytorch share the layers. They differ in the
    encoder's dilation (`ResNet.dilation_style`), in `align_corners`, and in the
    auxiliary head, which torchvision alone has.

    Attributes:
        encoder: Maps an image to feature maps, finest first; of output stride 8 in
            both libraries.
        num_classes: Number of classes, background included.
        features: Channels of the decoder.
        rates: Dilations of the pyramid; 6, 12, 18 suit output stride 16.
        align_corners: How logits are resized: False in torchvision, True in
            segmentation_models_pytorch. See `fashionjax.ops.resize`.
        aux_head: Whether the second deepest map has a head, as in `FCN`.
        dropout_rate: Dropout after the pyramid.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    features: int = 256
    rates: tuple[int, ...] = (12, 24, 36)
    align_corners: bool = False
    aux_head: bool = False
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits, and those of the auxiliary head, at the image's size."""
        size = image.shape[1:3]
        maps = self.encoder(image.astype(self.dtype), train=train)
        x = ASPP(
            self.features,
            self.rates,
            dropout_rate=self.dropout_rate,
            dtype=self.dtype,
            name="aspp",
        )(maps[-1], train=train)
        x = ConvNormRelu(
            self.features,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name="decoder_conv",
        )(x, train=train)
        x = to_float32(_head(self.num_classes, self.dtype)(x))
        logits = resize_bilinear(x, size, align_corners=self.align_corners)
        if not self.aux_head:
            return Outputs(logits=logits)
        head = FCNHead(self.num_classes, dtype=self.dtype, name="aux_head")
        x = head(maps[-2], train=train)
        aux_logits = resize_bilinear(x, size, align_corners=self.align_corners)
        return Outputs(logits=logits, aux_logits=aux_logits)


class DeepLabV3Plus(nn.Module):
    """DeepLabV3 with a decoder that adds the encoder's map at stride 4.

    As in segmentation_models_pytorch: all 3×3 convolutions are depthwise separable,
    and maps are resized with aligned corners.

    Attributes:
        encoder: Maps an image to feature maps, finest first, one of them at stride 4;
            of output stride 16, dilated in "smp" style, in the library.
        num_classes: Number of classes, background included.
        features: Channels of the decoder.
        low_level_features: Channels that the map at stride 4 is reduced to.
        rates: Dilations of the pyramid.
        dropout_rate: Dropout after the pyramid.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    features: int = 256
    low_level_features: int = 48
    rates: tuple[int, ...] = (12, 24, 36)
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the image's size.

        Raises:
            ValueError: If the encoder has no map at stride 4.
        """
        size = image.shape[1:3]
        maps = self.encoder(image.astype(self.dtype), train=train)
        low = self._low_level(maps, train=train)
        x = ASPP(
            self.features,
            self.rates,
            separable=True,
            dropout_rate=self.dropout_rate,
            dtype=self.dtype,
            name="aspp",
        )(maps[-1], train=train)
        x = SeparableConvNormRelu(self.features, dtype=self.dtype, name="aspp_conv")(
            x, train=train
        )
        x = resize_bilinear(x, low.shape[1:3], align_corners=True)
        x = jnp.concatenate([x, low], axis=-1)
        x = SeparableConvNormRelu(self.features, dtype=self.dtype, name="fuse_conv")(
            x, train=train
        )
        x = to_float32(_head(self.num_classes, self.dtype)(x))
        return Outputs(logits=resize_bilinear(x, size, align_corners=True))

    def _low_level(
        self,
        maps: tuple[Float[Array, "batch height_i width_i channels_i"], ...],
        *,
        train: bool,
    ) -> Float[Array, "batch height width channels"]:
        reductions = self.encoder.reductions
        if 4 not in reductions:
            raise ValueError(
                f"the encoder's maps are at strides {reductions}; one must be at 4"
            )
        layer = ConvNormRelu(
            self.low_level_features,
            size=1,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name="low_level_conv",
        )
        return layer(maps[reductions.index(4)], train=train)


def _head(num_classes: int, dtype: Dtype) -> nn.Conv:
    return conv(
        num_classes,
        1,
        use_bias=True,
        kernel_init=TORCH_DEFAULT,
        dtype=dtype,
        name="head",
    )
