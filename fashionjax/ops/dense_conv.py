"""Convolution of all channels with all channels, its gradients fast on CPUs too.

See decisions 001, 004, 007 and 015.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from fashionjax.ops.conv_geometry import (
    Geometry,
    Kernel,
    Maps,
    Result,
    compiler_conv,
)

Form: TypeAlias = Callable[[Maps, Kernel], Result]

_SMALL_MAP = 256
"""Output positions up to which a convolution is one matrix product on CPUs.

On the deepest maps XLA's CPU compiler repacks the kernels, which are larger than the
maps, and below 4×3 it takes naive loops: 3 GF/s at 3×2 with 512 channels against 89
as a product, 47 against 75 at 4×3, 57 against 106 at 16×12 with 192 channels.
"""

_FEW_WEIGHTS = 64 * 64
"""Weights a tap below which a small map stays with the compiler: nothing to win, and
an HRNet's many products take twice as long to compile (127 s instead of 67)."""

_STRIP_POSITIONS = 32768
_MAX_STRIPS = 8
"""A strip of the weight gradient has so many output positions at least; strips bound
the memory of the shifted copies, and their number the time of the compilation."""


_LEAST_ALIGNED = 8
"""Fewer channels or features than that are never padded."""

_CPU_ALIGNMENT = 4
"""On CPUs channels are padded to a multiple of 4.

The compiler's kernels for odd numbers of channels are slow: 182 GF/s with 139 channels
against 285 with 140, and half of the time from 19 to 20, gradients included.
"""

_GPU_ALIGNMENT = 8
_LARGEST_GROWTH = 1.35
"""On GPUs channels of half precision are padded to a multiple of 8, where channels and
features together get at most so many times more.

Tensor cores want 16 bytes at a time. XLA pads float16 alone.
"""

_LARGEST_DILUTION = 2
"""How many times more positions a padded map may have than the map, on CPUs.

With wider dilations the compiler mostly multiplies zeros: 122 GF/s at 36×24 with
dilation 12, 64 with 24, against 328 and 377 as a product.
"""


def dense_conv(x: Maps, kernel: Kernel, geometry: Geometry) -> Result:
    """A convolution in one group.

    On CPUs, kernels of 1×1, small maps of many channels and wide dilations are
    products, and so is the gradient with respect to the kernel on all larger maps; on
    GPUs, odd numbers of channels of half precision are padded; elsewhere all is the
    compiler's own. The batch is left whole, so that a sharded one stays in place.

    Args:
        x: Feature maps.
        kernel: Weights.
        geometry: Where the windows lie.

    Returns:
        Feature maps.
    """
    plain = partial(compiler_conv, geometry=geometry)
    on_cpu, on_gpu = _cpu_form(x, kernel, geometry), _gpu_form(x, kernel, geometry)
    forms = {"cpu": on_cpu, "cuda": on_gpu, "rocm": on_gpu}
    own = {platform: form for platform, form in forms.items() if form is not None}
    if not own:
        return plain(x, kernel)
    return jax.lax.platform_dependent(x, kernel, **own, default=plain)


def _cpu_form(x: Maps, kernel: Kernel, geometry: Geometry) -> Form | None:
    """How CPUs convolve; None for the compiler's own."""
    small = is_small(x, kernel, geometry)
    one_tap = kernel.shape[:2] == (1, 1)
    if small and not one_tap and kernel.shape[2] * kernel.shape[3] < _FEW_WEIGHTS:
        return None
    if small or one_tap:
        return partial(product_conv, geometry=geometry)
    if _is_dilute(x, geometry):
        shifted_after = _shifted_after(kernel, geometry)
        return partial(product_conv, geometry=geometry, shifted_after=shifted_after)
    more = _missing(kernel, _CPU_ALIGNMENT)
    return partial(_padded, conv=partial(_conv, geometry=geometry), more=more)


def _gpu_form(x: Maps, kernel: Kernel, geometry: Geometry) -> Form | None:
    """How GPUs convolve; None for the compiler's own."""
    more = _missing(kernel, _GPU_ALIGNMENT)
    if (
        x.dtype not in (jnp.bfloat16, jnp.float16)
        or more == (0, 0)
        or sum(more) > (_LARGEST_GROWTH - 1) * sum(kernel.shape[2:])
    ):
        return None
    return partial(_padded, conv=partial(compiler_conv, geometry=geometry), more=more)


def _missing(kernel: Kernel, alignment: int) -> tuple[int, int]:
    """How many channels and features a kernel lacks to a multiple."""
    more_in, more_out = (
        -n % alignment if n >= _LEAST_ALIGNED else 0 for n in kernel.shape[2:]
    )
    return more_in, more_out


def _is_dilute(x: Maps, geometry: Geometry) -> bool:
    """Whether most of the padded map is padding."""
    height, width = x.shape[1:3]
    padded = (height + sum(geometry.pads[0])) * (width + sum(geometry.pads[1]))
    return geometry.strides == (1, 1) and padded > _LARGEST_DILUTION * height * width


def _padded(x: Maps, kernel: Kernel, *, conv: Form, more: tuple[int, int]) -> Result:
    """A convolution with more channels and features, all of them zeros."""
    more_in, more_out = more
    features = kernel.shape[3]
    if more_in:
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, more_in)))
    if more_in or more_out:
        kernel = jnp.pad(kernel, ((0, 0), (0, 0), (0, more_in), (0, more_out)))
    y = conv(x, kernel)
    return y[..., :features] if more_out else y


def is_small(x: Maps, kernel: Kernel, geometry: Geometry) -> bool:
    """Whether the result has so few positions that a product is faster on CPUs."""
    height, width = geometry.size_out(x, kernel)
    return height * width <= _SMALL_MAP


def _conv(x: Maps, kernel: Kernel, geometry: Geometry) -> Result:
    """The compiler's own, whose gradient by the kernel is a product."""

    # A rule for tangents rather than for gradients: it serves both modes of
    # differentiation, and transposing the product gives the gradient as a product.
    @jax.custom_jvp
    def conv(x: Maps, kernel: Kernel) -> Result:
        return compiler_conv(x, kernel, geometry)

    def tangent(
        primals: tuple[Maps, Kernel], tangents: tuple[Any, Any]
    ) -> tuple[Result, Result]:
        x, kernel = primals
        x_dot, kernel_dot = tangents
        # Images and frozen layers have no tangents; a convolution of zeros would stay.
        terms = []
        if not isinstance(x_dot, SymbolicZero):
            terms.append(compiler_conv(x_dot, kernel, geometry))
        if not isinstance(kernel_dot, SymbolicZero):
            terms.append(_strips(x, kernel_dot, geometry))
        return compiler_conv(x, kernel, geometry), sum(terms[1:], start=terms[0])

    conv.defjvp(tangent, symbolic_zeros=True)
    return conv(x, kernel)


def _strips(x: Maps, kernel: Kernel, geometry: Geometry) -> Result:
    """The same convolution as products, one horizontal strip after the other."""
    height, width = geometry.size_out(x, kernel)
    stride, span = geometry.strides[0], geometry.span(kernel, 0)
    rows = max(_STRIP_POSITIONS // (x.shape[0] * width), -(-height // _MAX_STRIPS), 1)
    after = _shifted_after(kernel, geometry)
    if rows >= height:
        return product_conv(x, kernel, geometry, shifted_after=after)
    x = jnp.pad(x, ((0, 0), geometry.pads[0], (0, 0), (0, 0)))
    strip = geometry._replace(pads=((0, 0), geometry.pads[1]))
    return jnp.concatenate(
        [
            product_conv(
                x[:, start * stride : (stop - 1) * stride + span],
                kernel,
                strip,
                shifted_after=after,
            )
            for start in range(0, height, rows)
            for stop in (min(start + rows, height),)
        ],
        axis=1,
    )


def _shifted_after(kernel: Kernel, geometry: Geometry) -> int:
    """The form of `product_conv` that copies the fewest values."""
    if geometry.strides != (1, 1):
        return 0
    height, width, channels, features = kernel.shape
    copies = {
        1: width * channels + height * features,
        2: height * width * features,
        0: height * width * channels,
    }
    return min(copies, key=lambda form: copies[form])


def product_conv(
    x: Maps, kernel: Kernel, geometry: Geometry, *, shifted_after: int = 0
) -> Result:
    """A convolution as one matrix product of shifted maps, or with shifted results.

    Args:
        x: Feature maps.
        kernel: Weights.
        geometry: Where the windows lie; strides of 1 along shifted results.
        shifted_after: 0: the map is shifted along both axes, and its copies meet the
            kernel (a product of patches). 1: it is shifted along the width alone, and
            the results along the height. 2: the results are shifted along both.

    Returns:
        Feature maps.
    """
    size = geometry.size_out(x, kernel)
    before, after = [0, 1][shifted_after:], [0, 1][:shifted_after]
    pads = [geometry.pads[axis] if axis in before else (0, 0) for axis in (0, 1)]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    copies = [
        _window(x, dict(zip(before, taps, strict=True)), size, geometry)
        for taps in itertools.product(*(range(kernel.shape[axis]) for axis in before))
    ]
    channels, features = kernel.shape[2:]
    weights = kernel.transpose(*before, 2, *after, 3).reshape(
        len(copies) * channels, -1
    )
    # Two axes: a product over several would be transposed in memory first.
    patches = jnp.concatenate(copies, axis=-1)
    y = jnp.dot(patches.reshape(-1, weights.shape[0]), weights)
    y = y.reshape(*patches.shape[:3], -1)
    shifts = list(itertools.product(*(range(kernel.shape[axis]) for axis in after)))
    parts = jax.lax.split(y, [features] * len(shifts), axis=3)
    shifted = [
        _shift(part, dict(zip(after, taps, strict=True)), size, geometry)
        for taps, part in zip(shifts, parts, strict=True)
    ]
    return sum(shifted[1:], start=shifted[0])


def _window(
    x: Maps, taps: dict[int, int], size: tuple[int, int], geometry: Geometry
) -> Maps:
    """What one tap of every window sees, along the axes of `taps`."""
    for axis, tap in taps.items():
        start, stride = tap * geometry.dilation[axis], geometry.strides[axis]
        stop = start + (size[axis] - 1) * stride + 1
        x = jax.lax.slice_in_dim(x, start, stop, stride, axis=1 + axis)
    return x


def _shift(
    y: Result, taps: dict[int, int], size: tuple[int, int], geometry: Geometry
) -> Result:
    """Moves what one tap contributed to the windows that it belongs to."""
    config = [(0, 0, 0)] * 4
    for axis, tap in taps.items():
        low = geometry.pads[axis][0] - tap * geometry.dilation[axis]
        config[1 + axis] = (low, size[axis] - y.shape[1 + axis] - low, 0)
    return jax.lax.pad(y, jnp.zeros((), y.dtype), config)
