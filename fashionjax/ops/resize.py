"""Changing the size of feature maps.

Two conventions of bilinear resizing are in use among the references:

- *half-pixel* (torch's `align_corners=False`, the default everywhere here): pixels are
  areas, whose centres lie at `(i + 0.5) * n / N - 0.5`; torchvision, mmseg, timm;
- *aligned corners* (`align_corners=True`): pixels are points, the first and last ones
  coincide, at `i * (n - 1) / (N - 1)`; smp.

Neither smooths where an image shrinks.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from fashionjax.ops.counted_arithmetic import counts_as


def upsample_nearest(
    x: Shaped[Array, "batch height width channels"], factor: int = 2
) -> Shaped[Array, "batch height_out width_out channels"]:
    """Repeats every pixel `factor` times along both axes.

    A broadcast and a reshape: unlike the gather of `jax.image.resize`, its gradient
    is a plain sum, without scatter.

    Args:
        x: Feature maps, NHWC.
        factor: How many times larger the result is, at least 1.

    Returns:
        Feature maps of `factor * height` by `factor * width`.
    """
    batch, height, width, channels = x.shape
    x = jnp.broadcast_to(
        x[:, :, None, :, None, :],
        (batch, height, factor, width, factor, channels),
    )
    return x.reshape(batch, height * factor, width * factor, channels)


def crop(
    x: Shaped[Array, "batch height width channels"], size: tuple[int, ...]
) -> Shaped[Array, "batch height_out width_out channels"]:
    """Keeps the upper left `size`.

    A map of odd size halved and doubled is a row or column too large; this is what
    torch's nearest resizing to the exact size would have given.

    Args:
        x: Feature maps, NHWC, at least as large as `size`.
        size: (height, width).

    Returns:
        Feature maps of `size`.

    Raises:
        ValueError: If a map is smaller than `size`.
    """
    if x.shape[1] < size[0] or x.shape[2] < size[1]:
        raise ValueError(
            f"a map of {x.shape[1]}×{x.shape[2]} has no {size[0]}×{size[1]} to crop"
        )
    return x[:, : size[0], : size[1]]


def crop_or_pad(
    x: Shaped[Array, "batch height width channels"], size: tuple[int, ...]
) -> Shaped[Array, "batch height_out width_out channels"]:
    """Keeps the upper left `size`, and puts zeros where a map ends before.

    For doubled maps: where halving rounded up they are a row or column too large, and
    where it rounded down, as pooling does, one too small.

    Args:
        x: Feature maps, NHWC.
        size: (height, width).

    Returns:
        Feature maps of `size`.
    """
    x = x[:, : size[0], : size[1]]
    below, right = size[0] - x.shape[1], size[1] - x.shape[2]
    if not below and not right:
        return x
    return jnp.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))


def resize_nearest(
    x: Shaped[Array, "batch height width channels"], size: tuple[int, ...]
) -> Shaped[Array, "batch height_out width_out channels"]:
    """Resizes to the pixels `i * n // N`, as torch's `interpolate(mode="nearest")`.

    Exactly: torch rounds `i * n / N` in float32, which at few pairs of sizes (2 to 82)
    takes the neighbour of one pixel.

    No gather, so that no gradient is a scatter: repetition where that is all, and one
    product with a matrix of zeros and ones for each axis where it is not.

    Args:
        x: Feature maps, NHWC.
        size: (height, width) of the result.

    Returns:
        Feature maps of `size`, of the type of `x`.
    """
    sources = [
        np.arange(target) * length // target
        for length, target in zip(x.shape[1:3], size, strict=True)
    ]
    factor = -(-size[0] // x.shape[1])
    if all((rows == np.arange(len(rows)) // factor).all() for rows in sources):
        return crop(upsample_nearest(x, factor), size)
    down, across = (
        jnp.asarray(rows[:, None] == np.arange(length), x.dtype)
        for rows, length in zip(sources, x.shape[1:3], strict=True)
    )
    exact = jax.lax.Precision.HIGHEST
    x = jnp.einsum("bhwc,Hh->bHwc", x, down, precision=exact)
    return jnp.einsum("bhwc,Ww->bhWc", x, across, precision=exact)


def resize_bilinear(
    x: Float[Array, "batch height width channels"],
    size: tuple[int, ...],
    *,
    align_corners: bool = False,
) -> Float[Array, "batch height_out width_out channels"]:
    """Resizes as torch's `interpolate(mode="bilinear")`, without antialiasing.

    One matrix product for each axis: no gather, so that no gradient is a scatter.

    Args:
        x: Feature maps, NHWC.
        size: (height, width) of the result.
        align_corners: See the module's docstring.

    Returns:
        Feature maps of `size`, of the type of `x`.
    """
    if x.shape[1:3] == tuple(size):
        return x
    # As in counts of the references, interpolation is no layer's arithmetic.
    with counts_as(0, 1):
        for axis, length in ((1, size[0]), (2, size[1])):
            weights = _interpolation(x.shape[axis], length, align_corners=align_corners)
            x = jnp.einsum(
                "bhwc,Hh->bHwc" if axis == 1 else "bhwc,Ww->bhWc",
                x,
                weights.astype(x.dtype),
                precision=jax.lax.Precision.HIGHEST,
            )
    return x


def _interpolation(length: int, target: int, *, align_corners: bool) -> np.ndarray:
    """[target, length] weights of linear interpolation along one axis."""
    index = np.arange(target, dtype=np.float64)
    if align_corners:
        position = index * ((length - 1) / max(target - 1, 1))
    else:
        position = np.maximum((index + 0.5) * (length / target) - 0.5, 0)
    low = np.minimum(np.floor(position).astype(int), length - 1)
    high = np.minimum(low + 1, length - 1)
    share = position - low
    weights = np.zeros((target, length))
    rows = np.arange(target)
    np.add.at(weights, (rows, low), 1 - share)
    np.add.at(weights, (rows, high), share)
    return weights.astype(np.float32)
