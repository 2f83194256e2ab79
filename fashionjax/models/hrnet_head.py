"""The classifier's head of HRNet."""

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import BatchNorm, Bottleneck, conv
from fashionjax.ops.to_float32 import to_float32

Features = Float[Array, "batch height width channels"]


class HRNetHead(nn.Module):
    """Widens every branch, halves and adds them from fine to coarse, then pools.

    As in timm and the authors' classifier: each sum is halved until it meets the next
    coarser branch.

    Attributes:
        num_classes: Number of classes.
        features: Width of the finest branch's bottleneck, whose output is four times
            as wide; branch `i` has `features * 2**i`. 32 in all published models.
        final_features: Channels of the map that is averaged.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_classes: int
    features: int = 32
    final_features: int = 2048
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        feature_maps: tuple[Float[Array, "batch height_i width_i channels_i"], ...],
        *,
        train: bool,
    ) -> Float[Array, "batch num_classes"]:
        """Returns class logits, float32."""
        widened = [
            self._widen(x, branch, train=train) for branch, x in enumerate(feature_maps)
        ]
        x, *coarser = widened
        for step, branch in enumerate(coarser):
            name = f"halve{step}_{{}}"
            x = branch + self._conv_norm_relu(x, branch.shape[-1], 3, name, train=train)
        x = self._conv_norm_relu(x, self.final_features, 1, "final_{}", train=train)
        linear = nn.Dense(self.num_classes, dtype=self.dtype, name="linear")
        return to_float32(linear(x.mean(axis=(1, 2))))

    def _widen(self, x: Features, branch: int, *, train: bool) -> Features:
        width = self.features * 2**branch
        bottleneck = Bottleneck(
            features=4 * width, width=width, dtype=self.dtype, name=f"widen{branch}"
        )
        return bottleneck(x, train=train)

    def _conv_norm_relu(
        self, x: Features, features: int, size: int, name: str, *, train: bool
    ) -> Features:
        """A convolution, whose bias the reference has before BatchNorm too."""
        layer = conv(
            features,
            size,
            stride=1 if size == 1 else 2,
            use_bias=True,
            dtype=self.dtype,
            name=name.format("conv"),
        )
        norm = BatchNorm(
            use_running_average=not train, dtype=self.dtype, name=name.format("norm")
        )
        return nn.relu(norm(layer(x)))
