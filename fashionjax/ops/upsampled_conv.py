"""Convolution of a map that was doubled by repetition, without writing that map."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from fashionjax.ops.conv import conv_general_dilated
from fashionjax.ops.conv_geometry import NHWC, Kernel, Maps, Result
from fashionjax.ops.counted_arithmetic import counts_as


def upsampled_conv(
    x: Maps, kernel: Float[Array, "3 3 channels out_channels"]
) -> Result:
    """Convolves `upsample_nearest(x)`, zero-padded to keep its size.

    The taps of a window fall on 2×2 pixels of the small map, so that each of the four
    phases of the result is a convolution by sums of taps: 16 multiplications for 4
    results instead of 36, and the doubled map is never written. See decision 015.

    Args:
        x: Feature maps before doubling.
        kernel: Weights; sums of them are cast to the type of `x`.

    Returns:
        Feature maps of twice the height and width.
    """
    batch, height, width, _ = x.shape
    features = kernel.shape[3]
    down = _phases(kernel, axis=0)
    phases = [phase for rows in down for phase in _phases(rows, axis=1)]
    weights = jnp.concatenate(phases, axis=-1).astype(x.dtype)
    size = (height + 1) * (width + 1)
    with counts_as(4 * height * width * 9, size * 4 * 4):
        # One more than the map along both axes: the phases begin one pixel apart.
        y = conv_general_dilated(
            x, weights, (1, 1), ((1, 1), (1, 1)), dimension_numbers=NHWC
        )
    y = y.reshape(batch, height + 1, width + 1, 2, 2, features)
    rows = [
        jnp.stack([y[:, i : i + height, j : j + width, i, j] for j in (0, 1)], axis=3)
        for i in (0, 1)
    ]
    # [batch, height, 2, width, 2, features]
    return jnp.stack(rows, axis=2).reshape(batch, 2 * height, 2 * width, features)


def _phases(kernel: Kernel, axis: int) -> tuple[Kernel, Kernel]:
    """Two taps along an axis for each pixel of a pair, from the three taps."""
    first, middle, last = jnp.split(kernel, 3, axis)
    return (
        jnp.concatenate([first, middle + last], axis),
        jnp.concatenate([first + middle, last], axis),
    )
