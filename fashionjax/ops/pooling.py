"""Pooling over whole feature maps, or to a given size."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


@jax.custom_vjp
def global_max_pool(
    x: Float[Array, "batch height width channels"],
) -> Float[Array, "batch channels"]:
    """The largest value of each channel, as torch's `AdaptiveMaxPool2d(1)`.

    The gradient goes to the first position of the maximum. `jnp.max` would look for all
    positions that equal it, and divide by their number: where a compiler computes `x`
    twice with different rounding, that is NaN.

    Args:
        x: Feature maps.

    Returns:
        Maxima, of the type of `x`; NaN where there is one.
    """
    return jnp.max(x, axis=(1, 2))


def _forward(
    x: Float[Array, "batch height width channels"],
) -> tuple[
    Float[Array, "batch channels"], tuple[Int[Array, "batch channels"], jax.Array]
]:
    flat = x.reshape(x.shape[0], -1, x.shape[-1])
    # An array of no values carries height and width; they are no residual of their own.
    shape = jnp.zeros((0, *x.shape[1:3]))
    return global_max_pool(x), (jnp.argmax(flat, axis=1), shape)


def _backward(
    residuals: tuple[Int[Array, "batch channels"], jax.Array],
    grad: Float[Array, "batch channels"],
) -> tuple[Float[Array, "batch height width channels"]]:
    argmax, shape = residuals
    height, width = shape.shape[1:]
    position = jnp.arange(height * width, dtype=argmax.dtype)[None, :, None]
    flat = jnp.where(position == argmax[:, None], grad[:, None], 0)
    return (flat.reshape(-1, height, width, grad.shape[-1]),)


global_max_pool.defvjp(_forward, _backward)


def adaptive_average_pool(
    x: Float[Array, "batch height width channels"], size: tuple[int, int]
) -> Float[Array, "batch height_out width_out channels"]:
    """Averages of windows that cover a map evenly, as torch's `AdaptiveAvgPool2d`.

    Window `i` of `N` along an axis of length `n` goes from `floor(i * n / N)` to
    `ceil((i + 1) * n / N)`, so that windows overlap where `N` does not divide `n`, and
    repeat pixels where `N` is larger.

    Args:
        x: Feature maps, NHWC.
        size: (height, width) of the result.

    Returns:
        Feature maps of `size`, of the type of `x`.
    """
    if x.shape[1:3] == tuple(size):
        return x
    rows = _windows(x.shape[1], size[0]).astype(x.dtype)
    columns = _windows(x.shape[2], size[1]).astype(x.dtype)
    precision = jax.lax.Precision.HIGHEST
    x = jnp.einsum("bhwc,Hh->bHwc", x, rows, precision=precision)
    return jnp.einsum("bhwc,Ww->bhWc", x, columns, precision=precision)


def _windows(length: int, target: int) -> np.ndarray:
    """[target, length] weights of the averages along one axis."""
    window, index = np.arange(target)[:, None], np.arange(length)[None]
    start, stop = window * length // target, -(-(window + 1) * length // target)
    inside = (start <= index) & (index < stop)
    return (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)
