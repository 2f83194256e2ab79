"""The head of a fully convolutional network."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn.conv import ConvNormRelu, conv
from fashionjax.nn.initializers import TORCH_DEFAULT
from fashionjax.ops.to_float32 import to_float32


class FCNHead(nn.Module):
    """3×3 convolution, BatchNorm, ReLU, dropout, 1×1 convolution, as in torchvision.

    Attributes:
        num_classes: Number of classes, background included.
        dropout_rate: Share of hidden values dropped in training.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_classes: int
    dropout_rate: float = 0.1
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch height width num_classes"]:
        """Returns class logits at the size of the map, float32."""
        hidden = ConvNormRelu(
            x.shape[-1] // 4,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name="hidden",
        )
        x = hidden(x, train=train)
        x = nn.Dropout(self.dropout_rate, deterministic=not train, name="dropout")(x)
        scores = conv(
            self.num_classes,
            1,
            use_bias=True,
            kernel_init=TORCH_DEFAULT,
            dtype=self.dtype,
            name="scores",
        )
        return to_float32(scores(x))
