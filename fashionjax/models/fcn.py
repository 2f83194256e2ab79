"""Fully convolutional network on a dilated encoder, as torchvision has it."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype

from fashionjax.nn import FCNHead
from fashionjax.ops.resize import resize_bilinear
from fashionjax.types import Image, Outputs


class FCN(nn.Module):
    """An encoder and a small head on its deepest map, resized to the image.

    Long, Shelhamer, Darrell: Fully Convolutional Networks (2015), in the form that
    torchvision gave it (`fcn_resnet50`); for that of the paper, see `SkipFCN`.

    Attributes:
        encoder: Maps an image to feature maps, finest first. Published weights are of
            ResNet50 at output stride 8.
        num_classes: Number of classes, background included.
        aux_head: Whether the second deepest map has a head as well, for a second loss
            term; torchvision weighs it by 0.5.
        dropout_rate: Dropout of the heads.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    aux_head: bool = False
    dropout_rate: float = 0.1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits, and those of the auxiliary head, at the image's size."""
        size = image.shape[1:3]
        maps = self.encoder(image.astype(self.dtype), train=train)
        options = {"dropout_rate": self.dropout_rate, "dtype": self.dtype}
        head = FCNHead(self.num_classes, name="head", **options)
        logits = resize_bilinear(head(maps[-1], train=train), size)
        if not self.aux_head:
            return Outputs(logits=logits)
        head = FCNHead(self.num_classes, name="aux_head", **options)
        aux_logits = resize_bilinear(head(maps[-2], train=train), size)
        return Outputs(logits=logits, aux_logits=aux_logits)
