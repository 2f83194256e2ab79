"""The classifier's head of EfficientNet-Lite."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import BatchNorm, conv
from fashionjax.ops.to_float32 import to_float32


class EfficientNetLiteHead(nn.Module):
    """A 1×1 convolution of the deepest map, its average and one linear layer.

    Attributes:
        num_classes: Number of classes.
        features: Channels of the convolution; 1280 in Lite0 to Lite4.
        dropout_rate: Share of averages dropped in training; 0.2 in Lite0 and Lite1,
            0.3 in the others.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_classes: int
    features: int = 1280
    dropout_rate: float = 0.2
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        feature_maps: tuple[Float[Array, "batch height_i width_i channels_i"], ...],
        *,
        train: bool,
    ) -> Float[Array, "batch num_classes"]:
        """Returns class logits, float32."""
        x = conv(self.features, 1, dtype=self.dtype, name="conv")(feature_maps[-1])
        norm = BatchNorm(
            use_running_average=not train,
            epsilon=1e-3,
            momentum=0.99,
            dtype=self.dtype,
            name="norm",
        )
        x = nn.relu6(norm(x)).mean(axis=(1, 2))
        dropout = nn.Dropout(self.dropout_rate, name="dropout")
        x = dropout(x, deterministic=not train)
        linear = nn.Dense(self.num_classes, dtype=self.dtype, name="linear")
        return to_float32(linear(x))
