"""EfficientNet-Lite (Google, 2020), as the original implementation has it.

EfficientNet (Tan and Le, 2019) for small devices: ReLU6 for swish, no squeeze and
excitation, and a stem, a first and a last stage that are not scaled.
"""

import math
from typing import Literal, NamedTuple, TypeAlias, get_args

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.encoders.checks import check_image_size
from fashionjax.encoders.dilation import (
    DilationStyle,
    check_output_stride,
    first_dilation,
)
from fashionjax.nn import BatchNorm, conv
from fashionjax.nn.initializers import HE_NORMAL
from fashionjax.nn.residual import KERNEL_INIT
from fashionjax.types import Image

Padding: TypeAlias = Literal["same", "fixed"]
Features = Float[Array, "batch height width channels"]


class _Stage(NamedTuple):
    """Lite0's numbers of one stage; the first block has the stride."""

    num_blocks: int
    size: int
    stride: int
    expansion: int
    features: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)

_TAPS = (1, 2, 4, 6)
"""Stages whose last maps are returned: the deepest of each size."""

_STEM_FEATURES = 32
_WIDTH_UNIT = 8


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite without its head.

    With widths and depths (1, 1), (1, 1.1), (1.1, 1.2), (1.2, 1.4) and (1.4, 1.8), it
    is Lite0 to Lite4.

    Attributes:
        width: Factor of the channels, which are rounded to multiples of 8; not of the
            stem's 32.
        depth: Factor of the number of blocks of a stage, rounded up; not of the first
            and the last stage's.
        padding: Of the convolutions that halve the size. "same", as in TensorFlow,
            pads for the size that a map has, and rounds halves up. "fixed", as in the
            PyTorch package, pads every map as if its size were even, and rounds halves
            down. For images whose sides are multiples of 32 the two are one.
        output_stride: Input size divided by that of the deepest map: 32, or 16 or 8,
            where depthwise convolutions of the stages behind are dilated instead.
        dilation_style: Which of them: "smp" all, "torchvision" all but the first of a
            stage, which has the dilation of the stage before.
        drop_path_rate: Share of images for which the last block's residual is left out
            in training; of the blocks before, proportionally less. 0.2 when the
            published weights were trained. Draws from the stream "dropout".
        dtype: Type of the computation; parameters are float32.
    """

    width: float = 1.0
    depth: float = 1.0
    padding: Padding = "same"
    output_stride: int = 32
    dilation_style: DilationStyle = "smp"
    drop_path_rate: float = 0.0
    dtype: Dtype = jnp.float32

    @property
    def reductions(self) -> tuple[int, ...]:
        """Input size divided by the size of each feature map."""
        return tuple(min(2**i, self.output_stride) for i in range(1, 6))

    @nn.compact
    def __call__(
        self, image: Image, *, train: bool
    ) -> tuple[Float[Array, "batch height_i width_i channels_i"], ...]:
        """Returns the stem's map at stride 2, then the deepest map of each size.

        Lite0's have 32, 24, 40, 112 and 320 channels. All but the stem's are outputs
        of linear layers, not rectified.

        Raises:
            ValueError: If `padding`, `output_stride` or `dilation_style` is none of the
                allowed, or the image is smaller than 32×32 and padding "fixed".
        """
        check_output_stride(self.output_stride)
        if self.padding not in get_args(Padding):
            raise ValueError(f"padding {self.padding!r} is none of {get_args(Padding)}")
        if self.padding == "fixed":
            check_image_size(image, 32)
        layer = _Layers(self.padding, self.dtype, train)
        x = layer.conv(image, _STEM_FEATURES, 3, "stem_conv", stride=2)
        x = nn.relu6(layer.norm(x, "stem_norm"))
        feature_maps = [x]
        stages = [self._scaled(index) for index in range(len(_STAGES))]
        num_blocks = sum(stage.num_blocks for stage in stages)
        reduction, index = 2, 0
        for number, stage in enumerate(stages):
            reduction *= stage.stride
            dilation = max(1, reduction // self.output_stride)
            for position in range(stage.num_blocks):
                halves = position == 0 and dilation == 1
                first = position == 0 and stage.stride > 1
                block = _Block(
                    features=stage.features,
                    size=stage.size,
                    stride=stage.stride if halves else 1,
                    expansion=stage.expansion,
                    dilation=first_dilation(dilation, self.dilation_style)
                    if first
                    else dilation,
                    residual=position > 0,
                    padding=self.padding,
                    drop_rate=self.drop_path_rate * index / num_blocks,
                    dtype=self.dtype,
                    name=f"block{index}",
                )
                x = block(x, train=train)
                index += 1
            if number in _TAPS:
                feature_maps.append(x)
        return tuple(feature_maps)

    def _scaled(self, index: int) -> _Stage:
        stage = _STAGES[index]
        if index not in (0, len(_STAGES) - 1):
            num_blocks = math.ceil(self.depth * stage.num_blocks)
            stage = stage._replace(num_blocks=num_blocks)
        return stage._replace(features=_round_width(self.width * stage.features))


class _Block(nn.Module):
    """Inverted residual: 1×1 to more channels, depthwise, 1×1 to few.

    Attributes:
        features: Number of output channels.
        size: Side of the depthwise kernel.
        stride: Its stride.
        expansion: Its channels divided by those of the input.
        dilation: Its dilation.
        residual: Whether the input is added; stride and width must allow it.
        padding: See `EfficientNetLite`.
        drop_rate: Share of images that the block is left out for in training.
        dtype: Type of the computation; parameters are float32.
    """

    features: int
    size: int
    stride: int
    expansion: int
    dilation: int
    residual: bool
    padding: Padding
    drop_rate: float
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Features, *, train: bool) -> Features:
        """Applies the block."""
        layer = _Layers(self.padding, self.dtype, train)
        shortcut, width = x, self.expansion * x.shape[-1]
        if self.expansion > 1:
            x = layer.conv(x, width, 1, "expand_conv")
            x = nn.relu6(layer.norm(x, "expand_norm"))
        x = layer.conv(
            x,
            width,
            self.size,
            "depthwise_conv",
            stride=self.stride,
            dilation=self.dilation,
            groups=width,
        )
        x = nn.relu6(layer.norm(x, "depthwise_norm"))
        x = layer.norm(layer.conv(x, self.features, 1, "project_conv"), "project_norm")
        if not self.residual:
            return x
        drop_path = nn.Dropout(
            self.drop_rate, broadcast_dims=(1, 2, 3), name="drop_path"
        )
        return drop_path(x, deterministic=not train) + shortcut


class _Layers(NamedTuple):
    """The layers of a module, in the compact method that calls them."""

    padding: Padding
    dtype: Dtype
    train: bool

    def conv(
        self,
        x: Features,
        features: int,
        size: int,
        name: str,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> Features:
        if stride > 1:
            x = pad_to_halve(x, size, self.padding)
        layer = conv(
            features,
            size,
            stride=stride,
            dilation=dilation,
            groups=groups,
            padding=0 if stride > 1 else None,
            # A depthwise kernel's outputs are those of all its groups; each sees one.
            kernel_init=KERNEL_INIT if groups == 1 else HE_NORMAL,
            dtype=self.dtype,
            name=name,
        )
        return layer(x)

    def norm(self, x: Features, name: str) -> Features:
        norm = BatchNorm(
            use_running_average=not self.train,
            epsilon=1e-3,
            momentum=0.99,
            dtype=self.dtype,
            name=name,
        )
        return norm(x)


def pad_to_halve(x: Features, size: int, padding: Padding) -> Features:
    """Zeros around a map, for a convolution of stride 2 that then pads no further.

    Args:
        x: Feature maps.
        size: Side of the kernel, odd.
        padding: "same": as many as TensorFlow's SAME; "fixed": as many as that for
            maps of even size.

    Returns:
        Feature maps, larger. Where the number of zeros is odd, bottom and right have
        one more.
    """

    def pads(length: int) -> tuple[int, int]:
        odd = padding == "same" and length % 2 == 1
        total = size - 1 if odd else size - 2
        return total // 2, total - total // 2

    return jnp.pad(x, ((0, 0), pads(x.shape[1]), pads(x.shape[2]), (0, 0)))


def _round_width(width: float) -> int:
    """The nearest multiple of 8, halves up, and one more if 10 % were lost."""
    rounded = max(_WIDTH_UNIT, int(width + _WIDTH_UNIT / 2) // 8 * _WIDTH_UNIT)
    return rounded + _WIDTH_UNIT if rounded < 0.9 * width else rounded
