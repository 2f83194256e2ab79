"""Convolution that is fast on CPUs too, its gradient included."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

_STRIP_POSITIONS = 8192
"""Output positions that one piece of the weight gradient sums over.

XLA's CPU compiler copies all of them into one patch matrix, which falls out of the
caches: at 16×128×96 positions and 59 channels 7 GF/s, and 41 in pieces of this size.
"""

_SMALL_MAP = 256
"""Output positions up to which a convolution is one matrix product on CPUs.

On the deepest maps XLA's CPU compiler repacks the kernels, which are larger than the
maps, and below 4×3 it takes naive loops: 3 GF/s at 3×2 with 512 channels against 89
as a product, 47 against 75 at 4×3, 57 against 106 at 16×12 with 192 channels.
"""

_NHWC = ("NHWC", "HWIO", "NHWC")


def conv_general_dilated(  # noqa: PLR0913 (the signature that flax's nn.Conv calls)
    x: Float[Array, "batch height width in_channels"],
    kernel: Float[Array, "kernel_height kernel_width group_channels out_channels"],
    window_strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
) -> Float[Array, "batch height_out width_out out_channels"]:
    """`jax.lax.conv_general_dilated`, for `flax.linen.Conv(conv_general_dilated=…)`.

    The same values. On CPUs a dense convolution with a small result is a product of
    patches and kernel, and the weight gradient of a larger one with stride 1 is the
    sum of those of horizontal strips of the image, both of which are several times
    faster; elsewhere, and for every other convolution, all is the compiler's own.
    Products and strips leave the batch whole, so that a sharded one stays in place.

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
    dense = (
        x.ndim == 4
        and all(d == 1 for d in (*(lhs_dilation or ()), *(rhs_dilation or ())))
        and feature_group_count == 1
        and precision is None
    )
    if dense and not isinstance(padding, str):
        (top, bottom), (left, right) = padding
        geometry = _Geometry(tuple(window_strides), (top, bottom, left, right))
        height, width = geometry.size_out(x, kernel)
        if height * width <= _SMALL_MAP:
            return _small_conv(x, kernel, geometry)
        if geometry.strides == (1, 1):
            return _large_conv(x, kernel, geometry)
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


class _Geometry(NamedTuple):
    """Strides (height, width) and padding (top, bottom, left, right)."""

    strides: tuple[int, ...]
    pads: tuple[int, int, int, int]

    def size_out(self, x: jax.Array, kernel: jax.Array) -> tuple[int, int]:
        """Returns height and width of the result."""
        top, bottom, left, right = self.pads
        return (
            (x.shape[1] + top + bottom - kernel.shape[0]) // self.strides[0] + 1,
            (x.shape[2] + left + right - kernel.shape[1]) // self.strides[1] + 1,
        )


def _conv(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    top, bottom, left, right = geometry.pads
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        ((top, bottom), (left, right)),
        dimension_numbers=_NHWC,
    )


def _matmul_conv(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    """The same convolution, as a product of the patches with the kernel."""
    height, width = geometry.size_out(x, kernel)
    down, across = geometry.strides
    top, bottom, left, right = geometry.pads
    x = jnp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    shifted = [
        x[
            :,
            i : i + (height - 1) * down + 1 : down,
            j : j + (width - 1) * across + 1 : across,
        ]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    ]
    patches = jnp.concatenate(shifted, axis=-1)
    return jnp.dot(patches, kernel.reshape(-1, kernel.shape[-1]))


def _small_conv(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    return jax.lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: _matmul_conv(x, kernel, geometry),
        default=lambda x, kernel: _conv(x, kernel, geometry),
    )


def _strip_conv(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    """The same convolution, one horizontal strip of the output after the other."""
    top, bottom, left, right = geometry.pads
    batch, _, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (top, bottom), (0, 0), (0, 0)))
    height = x.shape[1] - kernel.shape[0] + 1
    rows = max(1, _STRIP_POSITIONS // (batch * width))
    strip = geometry._replace(pads=(0, 0, left, right))
    strips = []
    for start in range(0, height, rows):
        stop = min(start + rows, height) + kernel.shape[0] - 1
        strips.append(_conv(x[:, start:stop], kernel, strip))
    return jnp.concatenate(strips, axis=1)


def _large_conv(x: jax.Array, kernel: jax.Array, geometry: _Geometry) -> jax.Array:
    # A rule for tangents rather than for gradients: it serves both modes of
    # differentiation, and transposing the strips gives the gradient in pieces.
    @jax.custom_jvp
    def conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return _conv(x, kernel, geometry)

    @conv.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
        x, kernel = primals
        x_dot, kernel_dot = tangents
        by_kernel = jax.lax.platform_dependent(
            kernel_dot,
            cpu=lambda dot: _strip_conv(x, dot, geometry),
            default=lambda dot: _conv(x, dot, geometry),
        )
        return _conv(x, kernel, geometry), _conv(x_dot, kernel, geometry) + by_kernel

    return conv(x, kernel)


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
