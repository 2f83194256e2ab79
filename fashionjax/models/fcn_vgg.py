"""The fully convolutional networks FCN-32s, FCN-16s and FCN-8s on VGG.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation (2015).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.constants import FIXED
from fashionjax.nn import conv
from fashionjax.nn.initializers import bilinear_kernel
from fashionjax.ops.conv import conv_general_dilated
from fashionjax.ops.conv_geometry import NHWC
from fashionjax.ops.max_pooling import max_pool_2x2
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Outputs

Features = Float[Array, "batch height width channels"]
Scores = Float[Array, "batch height width num_classes"]

STRIDES = (8, 16, 32)

_REDUCTIONS = (1, 2, 4, 8, 16, 32)
_PADDING = 100
_CROP = {8: 31, 16: 27, 32: 19}
"""Where the image begins in the upsampled scores of the padded image, by stride."""
_POOL_CROP = {8: 9, 16: 5}
"""Where the deeper scores begin in those of a pooled map of this stride."""


class SkipFCN(nn.Module):
    """VGG whose fully connected layers are convolutions, and skips from its pools.

    Class scores of the deepest map are upsampled by transposed convolutions, which
    begin as bilinear interpolation; scores of the fourth pooling, then of the third,
    are added on the way. All layers that give scores begin at zero. The last transposed
    convolution keeps the weights that it has: it has no gradient, and its name tells
    the optimiser (`fashionjax.constants.FIXED`).

    Attributes:
        encoder: A VGG: maps at strides 1, 2, 4, 8, 16 and 32, the last one pooled.
        num_classes: Number of classes, background included.
        stride: Stride of the finest scores: 32 (FCN-32s), 16 (FCN-16s) or 8 (FCN-8s).
        pad100: Whether to pad the image by 100 pixels on every side and to crop the
            scores, as the original, whose encoder's poolings round up
            (`VGG.ceil_mode`). Else convolutions keep the size and the image is padded,
            at the bottom and on the right, to a multiple of 32.
        features: Channels of the two layers that were fully connected.
        dropout_rate: Dropout after each of them.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    stride: int = 8
    pad100: bool = False
    features: int = 4096
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: Image, *, train: bool) -> Outputs:
        """Returns logits at the image's size.

        Raises:
            ValueError: If the stride is none of 8, 16 and 32, the encoder is no VGG, or
                it rounds down with `pad100`.
        """
        self._check()
        size = image.shape[1:3]
        image = self._pad(image).astype(self.dtype)
        maps = self.encoder(image, train=train)
        x = self._fully_connected(maps[-1], train=train)
        x = self._score(x, "score")
        for stride in (16, 8):
            if stride < self.stride:
                break
            x = Upscore(2, dtype=self.dtype, name=f"upscore{stride}")(x)
            x = x if self.pad100 else _crop(x, 1, tuple(n - 2 for n in x.shape[1:3]))
            # The encoder pools the same map: the compiler computes it once.
            pool = max_pool_2x2(
                maps[_REDUCTIONS.index(stride) - 1], ceil_mode=self.encoder.ceil_mode
            )
            skip = self._score(pool, f"score_pool{stride}")
            offset = _POOL_CROP[stride] if self.pad100 else 0
            x = x + _crop(skip, offset, x.shape[1:3])
        upscore = Upscore(
            self.stride, fixed=True, dtype=self.dtype, name=f"{FIXED}_upscore"
        )
        offset = _CROP[self.stride] if self.pad100 else self.stride // 2
        logits = _crop(upscore(x), offset, size)
        return Outputs(logits=to_float32(logits))

    def _check(self) -> None:
        if self.stride not in STRIDES:
            raise ValueError(f"stride is {self.stride}; allowed are {STRIDES}")
        if self.encoder.reductions != _REDUCTIONS:
            raise ValueError(
                f"the encoder's maps are at strides {self.encoder.reductions}; SkipFCN"
                f" needs a VGG's: {_REDUCTIONS}"
            )

        if self.pad100 and not self.encoder.ceil_mode:
            raise ValueError("pad100 needs an encoder with ceil_mode=True")

    def _pad(self, image: Image) -> Image:
        # The first convolution adds one row of zeros on every side.
        before = _PADDING - 1 if self.pad100 else 0
        after = [before if self.pad100 else -n % 32 for n in image.shape[1:3]]
        return jnp.pad(image, ((0, 0), (before, after[0]), (before, after[1]), (0, 0)))

    def _fully_connected(self, x: Features, *, train: bool) -> Features:
        for i, kernel_size in enumerate((7, 1), start=1):
            options: dict[str, Any] = {"padding": 0} if self.pad100 else {}
            layer = conv(
                self.features,
                kernel_size,
                use_bias=True,
                dtype=self.dtype,
                name=f"fc{i}",
                **options,
            )
            dropout = nn.Dropout(
                self.dropout_rate, deterministic=not train, name=f"dropout{i}"
            )
            x = dropout(nn.relu(layer(x)))
        return x

    def _score(self, x: Features, name: str) -> Scores:
        layer = conv(
            self.num_classes,
            1,
            use_bias=True,
            kernel_init=nn.initializers.zeros_init(),
            dtype=self.dtype,
            name=name,
        )
        return layer(x)


class Upscore(nn.Module):
    """Transposed convolution of kernel size `2 * factor`, at first bilinear.

    Every result depends on two by two pixels. It is computed as that: a convolution
    with a result for each of the `factor * factor` positions between four pixels.

    Attributes:
        factor: Stride of the transposed convolution.
        fixed: Whether its kernel has no gradient.
        dtype: Type of the computation; parameters are float32.
    """

    factor: int
    fixed: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height_out width_out channels"]:
        """Returns maps of `factor * (n + 1)` along each axis: nothing is cut off."""
        factor, channels = self.factor, x.shape[-1]
        shape = (2 * factor, 2 * factor, channels, channels)
        kernel = self.param("kernel", bilinear_kernel, shape, jnp.float32)
        if self.fixed:
            kernel = jax.lax.stop_gradient(kernel)
        taps = kernel.reshape(2, factor, 2, factor, channels, channels)
        # A pixel's second half of taps lies on the block of results after its own.
        taps = taps[::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
        blocks = conv_general_dilated(
            x.astype(self.dtype),
            taps.reshape(2, 2, channels, -1).astype(self.dtype),
            (1, 1),
            ((1, 1), (1, 1)),
            dimension_numbers=NHWC,
        )
        batch, height, width, _ = blocks.shape
        blocks = blocks.reshape(batch, height, width, factor, factor, channels)
        return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(
            batch, height * factor, width * factor, channels
        )


def _crop(x: Features, offset: int, size: tuple[int, ...]) -> Features:
    height, width = (offset + n for n in size)
    return x[:, offset:height, offset:width]
