"""Keeping maps large by dilation instead of strides."""

from typing import Literal, TypeAlias, get_args

OUTPUT_STRIDES = (8, 16, 32)

DilationStyle: TypeAlias = Literal["torchvision", "smp"]
"""Which blocks of a stage whose stride is left out are dilated: all but the first one,
which has the dilation of the stage before, or all of them. The two are different
functions. Encoders that halve by pooling have no such block, and one style."""


def check_output_stride(output_stride: int) -> None:
    """Refuses output strides that no encoder has.

    Raises:
        ValueError: If it is not 8, 16 or 32.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(
            f"output_stride is {output_stride}; allowed are"
            f" {', '.join(map(str, OUTPUT_STRIDES))}"
        )


def first_dilation(dilation: int, style: DilationStyle) -> int:
    """The dilation of the block that a stage's left out stride was in.

    Args:
        dilation: Of the stage's other blocks, a power of two; 1 for none.
        style: See `DilationStyle`.

    Raises:
        ValueError: If there is no such style.
    """
    if style not in get_args(DilationStyle):
        raise ValueError(
            f"dilation_style is {style!r}; allowed are"
            f" {', '.join(get_args(DilationStyle))}"
        )
    return max(1, dilation // 2) if style == "torchvision" else dilation
