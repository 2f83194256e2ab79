"""Max pooling that remembers where, and its inverse, as SegNet needs them.

Both compare positions and select values: neither they nor their gradients scatter or
gather. A position takes one byte, against eight of a flat index in torch. Their
gradients are functions of their own (`jax.custom_vjp`), so that only reverse-mode
differentiation is defined.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

Pooled = Float[Array, "batch height_out width_out channels"]
Argmax = UInt8[Array, "batch height_out width_out channels"]


def max_pool_with_argmax(
    x: Float[Array, "batch height width channels"],
) -> tuple[Pooled, Argmax]:
    """Pools windows of 2×2 and tells where in its window each maximum is.

    As torch's `max_pool2d(x, 2, return_indices=True)`, ties and NaN included: the first
    maximum in row-major order counts; in a window with NaN, the last NaN is the
    maximum. The last row or column of an odd size belongs to no window.

    Args:
        x: Feature maps, NHWC.

    Returns:
        Maxima, of the type of `x`, of `height // 2` by `width // 2`; and the position
        of each in its window: 0 and 1 in the upper row, 2 and 3 in the lower. The
        gradient of a maximum goes to its position.
    """
    _, height, width, _ = x.shape
    return _pool(x[:, : height // 2 * 2, : width // 2 * 2])


def max_unpool(
    x: Pooled, argmax: Argmax, output_shape: Sequence[int]
) -> Float[Array, "batch height width channels"]:
    """Puts each value at its position in a window of 2×2, zeros elsewhere.

    As torch's `max_unpool2d(x, indices, 2, output_size=output_shape)`.

    Args:
        x: Feature maps, NHWC.
        argmax: Positions from `max_pool_with_argmax`, of the shape of `x`.
        output_shape: Shape of the maps that were pooled, or their (height, width);
            their last row or column is 0 where the size is odd.

    Returns:
        Feature maps of the type of `x`.

    Raises:
        ValueError: If maps of `output_shape` do not pool to the shape of `x`, or
            `argmax` has another shape.
    """
    if argmax.shape != x.shape:
        raise ValueError(f"argmax of shape {argmax.shape}; that of x is {x.shape}")
    height, width = _pooled_from(output_shape, x.shape)
    _, half_height, half_width, _ = x.shape
    below = (0, height - 2 * half_height)
    right = (0, width - 2 * half_width)
    return jnp.pad(_unpool(x, argmax), ((0, 0), below, right, (0, 0)))


def argmax_to_flat_index(
    argmax: Argmax, input_shape: Sequence[int]
) -> Int[Array, "batch height_out width_out channels"]:
    """Positions in windows as torch's indices: `y * width + x` in the whole map.

    Args:
        argmax: Positions from `max_pool_with_argmax`.
        input_shape: Shape of the maps that were pooled, or their (height, width).

    Returns:
        Indices, int32, NHWC (torch's are NCHW).

    Raises:
        ValueError: If maps of `input_shape` do not pool to the shape of `argmax`.
    """
    _, width = _pooled_from(input_shape, argmax.shape)
    position = argmax.astype(jnp.int32)
    row = 2 * jax.lax.broadcasted_iota(jnp.int32, argmax.shape, 1) + position // 2
    column = 2 * jax.lax.broadcasted_iota(jnp.int32, argmax.shape, 2) + position % 2
    return row * width + column


def first_maximum(values: Sequence[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """The maximum of several arrays, as torch's pooling sees it.

    Args:
        values: Arrays of one shape, 256 at most.

    Returns:
        The largest value of each element, and which array it comes from, uint8: the
        first that has it, but the last one with NaN where there is NaN.
    """
    largest, *others = values
    argmax = jnp.zeros(largest.shape, jnp.uint8)
    for position, value in enumerate(others, start=1):
        larger = (value > largest) | jnp.isnan(value)
        largest = jnp.where(larger, value, largest)
        argmax = jnp.where(larger, jnp.uint8(position), argmax)
    return largest, argmax


def _pooled_from(shape: Sequence[int], pooled: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) of maps that pool to the shape `pooled`."""
    height, width = shape if len(shape) == 2 else shape[1:3]
    full = (pooled[0], height, width, pooled[3])
    halves = (height // 2, width // 2)
    if halves != pooled[1:3] or (len(shape) != 2 and tuple(shape) != full):
        raise ValueError(f"maps of shape {tuple(shape)} do not pool to {pooled}")
    return height, width


def _windows(x: jax.Array) -> list[jax.Array]:
    """The four positions of every window, in row-major order."""
    return [x[:, i::2, j::2] for i in range(2) for j in range(2)]


@jax.custom_vjp
def _pool(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return first_maximum(_windows(x))


@jax.custom_vjp
def _unpool(x: jax.Array, argmax: jax.Array) -> jax.Array:
    batch, height, width, channels = x.shape
    position = jnp.arange(4, dtype=jnp.uint8).reshape(2, 1, 2, 1)
    here = argmax[:, :, None, :, None] == position
    x = jnp.where(here, x[:, :, None, :, None], jnp.zeros((), x.dtype))
    return x.reshape(batch, 2 * height, 2 * width, channels)


def _select(x: jax.Array, argmax: jax.Array) -> jax.Array:
    """The value at the given position of every window: the transpose of `_unpool`."""
    result, *others = _windows(x)
    for position, value in enumerate(others, start=1):
        result = jnp.where(argmax == position, value, result)
    return result


def _pool_forward(
    x: jax.Array,
) -> tuple[tuple[jax.Array, jax.Array], jax.Array]:
    pooled, argmax = _pool(x)
    return (pooled, argmax), argmax


def _pool_backward(
    argmax: jax.Array, grads: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array]:
    return (_unpool(grads[0], argmax),)


def _unpool_forward(x: jax.Array, argmax: jax.Array) -> tuple[jax.Array, jax.Array]:
    return _unpool(x, argmax), argmax


def _unpool_backward(argmax: jax.Array, grad: jax.Array) -> tuple[jax.Array, None]:
    return _select(grad, argmax), None


_pool.defvjp(_pool_forward, _pool_backward)
_unpool.defvjp(_unpool_forward, _unpool_backward)
