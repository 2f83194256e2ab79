"""One affine warp for everything that moves pixels, image and label alike.

Flip, rotation, shift, zoom and crop are composed into one matrix per example, so that
an image is interpolated once, however many of them it takes part in. Every example is
read only from itself and by gathers alone: a batch that is spread over devices needs
no communication.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt8

from fashionjax.constants import BACKGROUND, IGNORE_INDEX

ImageFill: TypeAlias = Literal["edge", "reflect", "constant"]
"""What an image shows beyond its edge: the edge's own pixel (Keras's "nearest"), the
image mirrored about the centres of its outermost pixels (fastai's "reflection"), or
black (blended in over the outermost pixel, SciPy's "grid-constant")."""

LabelFill: TypeAlias = Literal["background", "ignore", "same"]
"""What a label shows beyond its edge: class 0, `IGNORE_INDEX`, or what the image shows
there (black is background)."""

Positions: TypeAlias = Float[Array, "batch height width"]


def affine_matrix(
    *,
    flip: Bool[Array, " batch"],
    degrees: Float[Array, " batch"],
    scale: Float[Array, " batch"],
    offset: tuple[Float[Array, " batch"], Float[Array, " batch"]],
) -> Float[Array, "batch 2 3"]:
    """Composes rotation, offset, scale and flip: source = R (offset + scale F p).

    The order is that of Keras's `apply_affine_transform`. No flip, whole turns, scale 1
    and offset 0 give the exact identity; a flip alone is exact too.

    Args:
        flip: Whether to mirror left to right.
        degrees: Angle; positive turns what is seen counterclockwise.
        scale: Side of what is seen as a share of the image's; below 1 enlarges.
        offset: What is seen moves by this many pixels (x, y) before it is turned.

    Returns:
        From a position (x, y) in the result to the one it shows of the source, in
        pixels from the image's centre.
    """
    # Small angles keep their digits, and 360 becomes 0, whose sine is exactly 0.
    degrees = degrees - 360 * jnp.round(degrees / 360)
    angle = jnp.deg2rad(degrees)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    across = jnp.where(flip, -scale, scale)
    x, y = offset
    # Written out: a matrix product would be rounded to bfloat16 on a TPU.
    rows = (
        jnp.stack([cos * across, -sin * scale, cos * x - sin * y], axis=-1),
        jnp.stack([sin * across, cos * scale, sin * x + cos * y], axis=-1),
    )
    return jnp.stack(rows, axis=1)


def warp(
    image: UInt8[Array, "batch height width 3"],
    label: UInt8[Array, "batch height width"],
    matrix: Float[Array, "batch 2 3"],
    *,
    image_fill: ImageFill,
    label_fill: LabelFill,
) -> tuple[Float[Array, "batch height width 3"], UInt8[Array, "batch height width"]]:
    """Resamples images bilinearly and labels by the nearest pixel.

    Args:
        image: Images, 0..255.
        label: Class ids, or the ignore index.
        matrix: Per example, see `affine_matrix`.
        image_fill: What images show beyond their edge.
        label_fill: What labels show there.

    Returns:
        float32 images in 0..255, and labels with ids of theirs and of the fill alone.
        Both are exact where the matrix leads to centres of pixels.
    """
    height, width = label.shape[1:]
    source_x, source_y = _source_positions(matrix, height, width)
    fold = _FOLDS[image_fill]
    x, y = fold(source_x, width), fold(source_y, height)
    warped = _bilinear(image, x, y)
    if image_fill == "constant":
        covered = _covered(source_x, width) * _covered(source_y, height)
        warped = warped * covered[..., None]
    warped_label = _nearest(label, x, y)
    if label_fill != "same" or image_fill == "constant":
        inside = _is_inside(source_x, width) & _is_inside(source_y, height)
        fill = IGNORE_INDEX if label_fill == "ignore" else BACKGROUND
        warped_label = jnp.where(inside, warped_label, jnp.asarray(fill, label.dtype))
    return warped, warped_label


def _source_positions(
    matrix: Float[Array, "batch 2 3"], height: int, width: int
) -> tuple[Positions, Positions]:
    """Column and row of the source that each pixel shows, in [-inf, inf]."""
    # Offsets from the centre, which are halves of integers, so that the identity and
    # the flip come out as integers without any rounding.
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    across = jnp.arange(width, dtype=jnp.float32) - center_x
    down = jnp.arange(height, dtype=jnp.float32)[:, None] - center_y
    entry = matrix[:, :, :, None, None]
    x = entry[:, 0, 0] * across + (entry[:, 0, 1] * down + entry[:, 0, 2])
    y = entry[:, 1, 0] * across + (entry[:, 1, 1] * down + entry[:, 1, 2])
    return x + center_x, y + center_y


def _to_edge(position: Positions, size: int) -> Positions:
    """Moves positions outside to the outermost pixel."""
    return jnp.clip(position, 0, size - 1)


def _reflect(position: Positions, size: int) -> Positions:
    """Mirrors positions about the centres of the outermost pixels until they fit."""
    period = max(2 * (size - 1), 1)
    position = position - period * jnp.floor(position / period)
    # The quotient may round up to the next integer: the clip removes the -1e-6.
    return _to_edge(jnp.minimum(position, period - position), size)


_FOLDS: dict[ImageFill, Callable[[Positions, int], Positions]] = {
    "edge": _to_edge,
    "reflect": _reflect,
    "constant": _to_edge,
}


def _covered(position: Positions, size: int) -> Positions:
    """Weight of a bilinear sample's pixels that lie in the image."""
    return jnp.clip(jnp.minimum(position + 1, size - position), 0, 1)


def _is_inside(position: Positions, size: int) -> Bool[Array, "batch height width"]:
    """Whether the nearest pixel lies in the image."""
    return (position >= -0.5) & (position < size - 0.5)


def _take(
    table: Shaped[Array, "batch pixels *channels"],
    row: Int[Array, "batch height width"],
    column: Int[Array, "batch height width"],
    width: int,
) -> Shaped[Array, "batch height width *channels"]:
    """Reads pixels; rows and columns must lie in the image."""
    return jax.vmap(lambda pixels, i: pixels.at[i].get(mode="promise_in_bounds"))(
        table, row * width + column
    )


def _bilinear(
    image: UInt8[Array, "batch height width 3"], x: Positions, y: Positions
) -> Float[Array, "batch height width 3"]:
    batch, height, width, channels = image.shape
    # All channels of a pixel in one read. Measured against the alternatives on a CPU:
    # pixels packed into 32 bits, one read per channel, 2 × 2 patches; none is faster.
    pixels = image.reshape(batch, height * width, channels)
    left, top = jnp.floor(x), jnp.floor(y)
    weight_x, weight_y = (x - left)[..., None], (y - top)[..., None]
    left, top = left.astype(jnp.int32), top.astype(jnp.int32)
    # On the last column and row the neighbour has no weight, but is read.
    right = jnp.minimum(left + 1, width - 1)
    bottom = jnp.minimum(top + 1, height - 1)

    def row_of(row: Int[Array, "batch height width"]) -> Float[Array, "..."]:
        first = _take(pixels, row, left, width).astype(jnp.float32)
        second = _take(pixels, row, right, width).astype(jnp.float32)
        return first + weight_x * (second - first)

    upper, lower = row_of(top), row_of(bottom)
    return upper + weight_y * (lower - upper)


def _nearest(
    label: UInt8[Array, "batch height width"], x: Positions, y: Positions
) -> UInt8[Array, "batch height width"]:
    batch, height, width = label.shape
    column = jnp.minimum(jnp.floor(x + 0.5).astype(jnp.int32), width - 1)
    row = jnp.minimum(jnp.floor(y + 0.5).astype(jnp.int32), height - 1)
    return _take(label.reshape(batch, height * width), row, column, width)
