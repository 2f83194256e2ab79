"""Max pooling of windows at stride 2.

The gradients are functions of their own (`jax.custom_vjp`), so that only reverse-mode
differentiation is defined. They compare positions, where XLA's own would be a
select-and-scatter.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fashionjax.ops.unpooling import first_maximum, max_pool_with_argmax

_NOWHERE = 255
"""A position that no window has."""


def max_pool_2x2(
    x: Float[Array, "batch height width channels"], *, ceil_mode: bool = False
) -> Float[Array, "batch height_out width_out channels"]:
    """Pools windows of 2×2, as torch's `max_pool2d(x, 2, ceil_mode=ceil_mode)`.

    The gradient goes to the first maximum; see `max_pool_with_argmax`.

    Args:
        x: Feature maps, NHWC.
        ceil_mode: Whether the last row and column of an odd map are pooled, alone.

    Returns:
        Maxima, of half of the height and width, rounded down, or up in `ceil_mode`.
    """
    if ceil_mode:
        odd = [(0, length % 2) for length in x.shape[1:3]]
        x = jnp.pad(x, ((0, 0), *odd, (0, 0)), constant_values=-jnp.inf)
    return max_pool_with_argmax(x)[0]


def max_pool_3x3(
    x: Float[Array, "batch height width channels"],
) -> Float[Array, "batch height_out width_out channels"]:
    """Pools overlapping windows of 3×3, as torch's `max_pool2d(x, 3, 2, padding=1)`.

    The gradient goes to the first maximum of a window in row-major order; in a window
    with NaN, the last NaN is the maximum. A window at the upper or left edge with
    nothing but minus infinity passes no gradient on.

    Args:
        x: Feature maps, NHWC.

    Returns:
        Maxima, of `(height + 1) // 2` by `(width + 1) // 2`.
    """
    return _pool_3x3(x.shape[1:3], x)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _pool_3x3(size: tuple[int, int], x: jax.Array) -> jax.Array:
    return _forward(size, x)[0]


def _forward(size: tuple[int, int], x: jax.Array) -> tuple[jax.Array, jax.Array]:
    height, width = (length + length % 2 for length in size)
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
    rows = [x[:, i : i + height : 2] for i in range(3)]
    return first_maximum(
        [row[:, :, j : j + width : 2] for row in rows for j in range(3)]
    )


def _backward(
    size: tuple[int, int], argmax: jax.Array, grad: jax.Array
) -> tuple[jax.Array]:
    """Adds what each pixel gets from the windows that it lies in.

    Window `(i, j)` is centred at pixel `(2i, 2j)`. The 2×2 pixels from there on lie in
    no windows but this one and the next ones below and to the right.
    """
    batch, height, width, channels = grad.shape
    beyond = ((0, 0), (0, 1), (0, 1), (0, 0))
    argmax = jnp.pad(argmax, beyond, constant_values=_NOWHERE)[:, :, None, :, None]
    windows = jnp.pad(grad, beyond)[:, :, None, :, None]
    precise = jnp.promote_types(grad.dtype, jnp.float32)
    total = jnp.zeros((batch, height, 2, width, 2, channels), precise)
    for i in range(2):
        for j in range(2):
            next_ones = np.s_[:, i : i + height, :, j : j + width]
            here = argmax[next_ones] == _positions(i, j)
            total += jnp.where(here, windows[next_ones], 0)
    total = total.reshape(batch, 2 * height, 2 * width, channels)
    return (total[:, : size[0], : size[1]].astype(grad.dtype),)


def _positions(i: int, j: int) -> np.ndarray:
    """Where the 2×2 pixels lie in the window `i` further down and `j` to the right."""
    row = np.arange(2).reshape(2, 1, 1, 1) + 1 - 2 * i
    column = np.arange(2).reshape(1, 1, 2, 1) + 1 - 2 * j
    inside = (row >= 0) & (column >= 0)
    return np.where(inside, 3 * row + column, _NOWHERE).astype(np.uint8)


_pool_3x3.defvjp(_forward, _backward)
