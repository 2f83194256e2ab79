"""Convolution that is fast on CPUs too, its gradient included."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from fashionjax.ops.conv_geometry import NHWC, Geometry, Kernel, Maps, Result
from fashionjax.ops.counted_arithmetic import counts_as
from fashionjax.ops.dense_conv import dense_conv
from fashionjax.ops.grouped_conv import grouped_conv


def conv_general_dilated(  # noqa: PLR0913 (the signature that flax's nn.Conv calls)
    x: Maps,
    kernel: Kernel,
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
) -> Result:
    """`jax.lax.conv_general_dilated`, for `flax.linen.Conv(conv_general_dilated=…)`.

    Convolutions of NHWC maps with explicit padding are `dense_conv` or `grouped_conv`,
    of the same values; all others are the compiler's own.

    Args:
        x: Feature maps, NHWC.
        kernel: Weights, HWIO.
        window_strides: Strides along height and width.
        padding: As in jax.
        lhs_dilation: As in jax.
        rhs_dilation: As in jax.
        dimension_numbers: As in jax.
        feature_group_count: As in jax.
        precision: As in jax.

    Returns:
        Feature maps.
    """
    if (
        x.ndim == 4
        and _is_nhwc(x, kernel, dimension_numbers)
        and not isinstance(padding, str)
        and all(dilation == 1 for dilation in lhs_dilation or ())
        and precision is None
    ):
        (top, bottom), (left, right) = padding
        down, across = window_strides
        row_dilation, column_dilation = rhs_dilation or (1, 1)
        geometry = Geometry(
            strides=(down, across),
            pads=((top, bottom), (left, right)),
            dilation=(row_dilation, column_dilation),
        )
        taps = math.prod(kernel.shape[:2])
        kernel, geometry = _without_outside_taps(x, kernel, geometry)
        with counts_as(taps, math.prod(kernel.shape[:2])):
            if feature_group_count == 1:
                return dense_conv(x, kernel, geometry)
            return grouped_conv(x, kernel, geometry, feature_group_count)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides,
        padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        precision=precision,
    )


def _without_outside_taps(
    x: Maps, kernel: Kernel, geometry: Geometry
) -> tuple[Kernel, Geometry]:
    """Leaves out the taps of a window that meet nothing but padding, wherever it lies.

    Where a dilation is as large as the map, only the middle ones meet anything.
    """
    size_out = geometry.size_out(x, kernel)
    pads = list(geometry.pads)
    for axis in (0, 1):
        length, dilation = x.shape[1 + axis], geometry.dilation[axis]
        last_window = (size_out[axis] - 1) * geometry.strides[axis]
        low, high = pads[axis]
        first, stop = 0, kernel.shape[axis]
        while stop - first > 1 and low >= dilation and last_window < low:
            first, low = first + 1, low - dilation
        while (
            stop - first > 1
            and high >= dilation
            and (stop - first - 1) * dilation - low >= length
        ):
            stop, high = stop - 1, high - dilation
        kernel = jax.lax.slice_in_dim(kernel, first, stop, axis=axis)
        pads[axis] = (low, high)
    return kernel, geometry._replace(pads=(pads[0], pads[1]))


def _is_nhwc(x: Maps, kernel: Kernel, dimension_numbers: Any) -> bool:
    actual, nhwc = (
        jax.lax.conv_dimension_numbers(x.shape, kernel.shape, numbers)
        for numbers in (dimension_numbers, NHWC)
    )
    return actual == nhwc


def conv_of_constants(
    values: Float[Array, "batch channels"],
    kernel: Float[Array, "kernel_height kernel_width channels out_channels"],
    size: tuple[int, ...],
) -> Float[Array, "batch height width out_channels"]:
    """Convolves constant maps, zero-padded to keep their size.

    Args:
        values: The value of each map.
        kernel: Weights, HWIO, with odd height and width.
        size: (height, width) of the maps.

    Returns:
        What a convolution of the tiled maps returns.
    """
    by_tap = jnp.einsum("bc,ijco->bijo", values, kernel)
    rows = _inside(size[0], kernel.shape[0]).astype(values.dtype)
    columns = _inside(size[1], kernel.shape[1]).astype(values.dtype)
    by_row = jnp.einsum("hi,bijo->bhjo", rows, by_tap)
    return jnp.einsum("wj,bhjo->bhwo", columns, by_row)


def _inside(length: int, taps: int) -> Bool[Array, "length taps"]:
    """Which taps of a centred kernel fall on the map, at each position."""
    position = jnp.arange(length)[:, None] + jnp.arange(taps)[None, :] - taps // 2
    return (position >= 0) & (position < length)
