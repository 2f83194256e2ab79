"""Convolutions to larger maps, phase by phase.

Every `factor`-th row and column of the result is a phase, and each is a convolution of
the small map by two taps along an axis. All of them are one convolution to more
features, whose results are interleaved: the map is never stretched. See decision 015.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from fashionjax.ops.conv import conv_general_dilated
from fashionjax.ops.conv_geometry import NHWC, Kernel, Maps, Result
from fashionjax.ops.counted_arithmetic import counts_as


def upsampled_conv(
    x: Maps, kernel: Float[Array, "3 3 channels out_channels"]
) -> Result:
    """Convolves `upsample_nearest(x)`, zero-padded to keep its size.

    The taps of a window fall on 2×2 pixels of the small map, which sums of taps
    multiply: 16 multiplications for 4 results instead of 36.

    Args:
        x: Feature maps before doubling.
        kernel: Weights; sums of them are cast to the type of `x`.

    Returns:
        Feature maps of twice the height and width.
    """
    for axis in (0, 1):
        first, middle, last = jnp.split(kernel, 3, axis)
        # Of both phases: what meets the first pixel of a pair, and the second.
        pairs = [[first, middle + last], [first + middle, last]]
        kernel = jnp.stack([jnp.concatenate(pair, axis) for pair in pairs], axis=-2)
    height, width = x.shape[1:3]
    with counts_as(4 * height * width * 9, (height + 1) * (width + 1) * 16):
        return _convolve(x, kernel, factor=2)


def transposed_conv(x: Maps, kernel: Kernel, stride: int) -> Result:
    """The transposed convolution that enlarges a map exactly `stride` times.

    Tap `(i, j)` of a pixel `(y, x)` lands on `(stride * y + i - stride / 2, …)`; what
    falls beyond the result is cut off.

    Args:
        x: Feature maps.
        kernel: Weights `[2 * stride, 2 * stride, channels, out_channels]`.
        stride: An even number.

    Returns:
        Feature maps of `stride` times the height and width.
    """
    for axis in (0, 1):
        # Of two pixels the later one has tap i and the earlier one i + stride; the
        # second half of the phases, with the first taps, lies beyond the later one.
        shape = kernel.shape
        kernel = kernel.reshape(*shape[:axis], 2, stride, *shape[axis + 1 :])
        kernel = jnp.roll(jnp.flip(kernel, axis), -(stride // 2), axis + 1)
        kernel = jnp.moveaxis(kernel, axis + 1, -2)
    height, width = x.shape[1:3]
    with counts_as(height * width, (height + 1) * (width + 1)):
        return _convolve(x, kernel, factor=stride)


def _convolve(x: Maps, kernel: Array, *, factor: int) -> Result:
    """Convolves to all phases and interleaves them.

    Args:
        x: Feature maps.
        kernel: `[2, 2, channels, factor, factor, out_channels]`: of each phase, along
            the height and along the width.
        factor: How many times larger the result is; an even number.
    """
    batch, height, width, _ = x.shape
    features = kernel.shape[-1]
    # One window more than pixels: the first half of the phases begins a pixel before.
    y = conv_general_dilated(
        x,
        kernel.reshape(2, 2, x.shape[3], -1).astype(x.dtype),
        (1, 1),
        ((1, 1), (1, 1)),
        dimension_numbers=NHWC,
    )
    y = y.reshape(batch, height + 1, width + 1, factor, factor, features)
    half = factor // 2
    y = jnp.concatenate([y[:, :-1, :, :half], y[:, 1:, :, half:]], axis=3)
    y = jnp.concatenate([y[:, :, :-1, :, :half], y[:, :, 1:, :, half:]], axis=4)
    y = y.transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, factor * height, factor * width, features)
