"""The original U-Net (Ronneberger, Fischer, Brox, 2015), which is its own encoder."""

from typing import Literal, TypeAlias, get_args

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import BatchNorm, ConvTranspose, conv
from fashionjax.ops import max_pool_with_argmax
from fashionjax.ops.resize import crop_or_pad
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Padding: TypeAlias = Literal["same", "valid"]
Features = Float[Array, "batch height width channels"]


class ClassicUNet(nn.Module):
    """Two 3×3 convolutions at each level, down by max pooling and up by deconvolution.

    A 2×2 transposed convolution halves the channels; the map of its level is
    concatenated before it. The last layer is a 1×1 convolution.

    Attributes:
        num_classes: Number of classes, background included.
        features: Channels of each level, finest first; the published model's are the
            default.
        padding: "same" pads all convolutions and keeps the image's size, whatever it
            is. "valid" is the paper's: convolutions take no padding, the maps of the
            way down are cut to the middle, and the logits are those of the image's
            middle, as large as `valid_logits_size` tells.
        batch_norm: Whether each 3×3 convolution has BatchNorm in place of a bias; the
            paper's has not.
        dtype: Type of the computation; parameters and logits are float32.
    """

    num_classes: int
    features: tuple[int, ...] = (64, 128, 256, 512, 1024)
    padding: Padding = "same"
    batch_norm: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits, with "same" at the input's size.

        Args:
            image: Normalised image.
            train: Whether to normalise by batch statistics.

        Raises:
            ValueError: If `padding` is neither of its values or, with "valid", the
                image's size is none that halves evenly.
        """
        if self.padding not in get_args(Padding):
            raise ValueError(f"padding {self.padding!r} is none of {get_args(Padding)}")
        if self.padding == "valid":
            for length in image.shape[1:3]:
                valid_logits_size(length, num_levels=len(self.features))
        x = image.astype(self.dtype)
        skips = []
        for level, features in enumerate(self.features):
            if level > 0:
                skips.append(x)
                x, _ = max_pool_with_argmax(x)
            x = self._convs(x, features, f"encoder{level}", train=train)
        for level in reversed(range(len(skips))):
            features, skip = self.features[level], skips[level]
            name = f"decoder{level}"
            x = ConvTranspose(features, dtype=self.dtype, name=f"{name}_up")(x)
            if self.padding == "valid":
                skip = _center_crop(skip, x.shape[1:3])
            else:
                x = crop_or_pad(x, skip.shape[1:3])
            x = jnp.concatenate([skip, x], axis=-1)
            x = self._convs(x, features, name, train=train)
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

    def _convs(self, x: Features, features: int, name: str, *, train: bool) -> Features:
        for i in (1, 2):
            layer = conv(
                features,
                3,
                padding=0 if self.padding == "valid" else 1,
                use_bias=not self.batch_norm,
                dtype=self.dtype,
                name=f"{name}_conv{i}",
            )
            x = layer(x)
            if self.batch_norm:
                norm = BatchNorm(
                    use_running_average=not train,
                    dtype=self.dtype,
                    name=f"{name}_norm{i}",
                )
                x = norm(x)
            x = nn.relu(x)
        return x


def valid_logits_size(length: int, *, num_levels: int = 5) -> int:
    """Height or width of the logits of a `ClassicUNet` with padding "valid".

    As in the paper, every level must have an even size to halve: the length plus 4 is
    a multiple of `2 ** (num_levels - 1)`.

    Args:
        length: Height or width of the image.
        num_levels: Number of levels, `len(model.features)`.

    Returns:
        Height or width of the logits: 388 for 572.

    Raises:
        ValueError: If some level has an odd size to halve or nothing is left; the
            message names the nearest lengths that go.
    """
    reduction = 2 ** (num_levels - 1)
    lost = 12 * reduction - 8
    if length > lost and (length + 4) % reduction == 0:
        return length - lost
    smallest = -(-(lost + 5) // reduction) * reduction - 4
    below = (length + 4) // reduction * reduction - 4
    near = [below, below + reduction] if below >= smallest else [smallest]
    raise ValueError(
        f"a U-Net of {num_levels} levels without padding cannot take a height or width"
        f" of {length}; the nearest that it takes: {', '.join(map(str, near))}"
    )


def _center_crop(x: Features, size: tuple[int, ...]) -> Features:
    top, left = ((x.shape[axis] - size[axis - 1]) // 2 for axis in (1, 2))
    return x[:, top : top + size[0], left : left + size[1]]
