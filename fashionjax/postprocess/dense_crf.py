"""Mean-field inference in fully connected conditional random fields.

The model of Krähenbühl and Koltun (Efficient Inference in Fully Connected CRFs with
Gaussian Edge Potentials, 2011): every pixel prefers the labels of all others, the more
the nearer they lie and the more alike their colours are.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, UInt8, UInt32

from fashionjax.postprocess.gaussian import Gaussian, make_gaussian
from fashionjax.postprocess.lattice import (
    Corners,
    Lattice,
    find_corners,
    make_lattice,
    plan_keys,
)
from fashionjax.postprocess.stage import stage

Kernels = tuple[Lattice | Gaussian, ...]
"""How pixels of each image of a batch influence each other."""

_LEAST_PROB = 1e-5
_LARGEST_COLOR = 255
_WIDEST_FILTER = 4.0
"""Standard deviation in pixels from which on the lattice is the cheaper filter."""
_LEAST_CAPACITY = 1024
_ROUNDING = 1e-2
"""What probabilities of low precision may be beyond 1."""


def dense_crf(
    probs: Float[Array | np.ndarray, "*batch height width num_classes"],
    image: UInt8[Array | np.ndarray, "*batch height width 3"],
    *,
    bilateral_sxy: float,
    bilateral_srgb: float,
    bilateral_compat: float,
    gaussian_sxy: float,
    gaussian_compat: float,
    num_iterations: int,
) -> Float[Array, "*batch height width num_classes"]:
    """Refines class probabilities by the colours of the image.

    The names and the result are those of pydensecrf, with its default kernels
    (diagonal, normalised symmetrically) and Potts' penalty: unary energies are -log of
    the probabilities, those below 1e-5 raised to it.

    What is compiled depends on the shapes and on how many corners of a lattice the
    colours of the images touch, rounded up to half powers of two. Within a compiled
    function, where that is not known beforehand, there is room for the most that can
    be: correct, and several times slower.

    Args:
        probs: Class probabilities in [0, 1], of any floating type, with or without one
            batch axis.
        image: RGB, 0..255, with the same axes.
        bilateral_sxy: Standard deviation of the kernel of appearance in pixels
            (θα), more than 0.
        bilateral_srgb: Its standard deviation in colours (θβ), more than 0.
        bilateral_compat: Its weight (w1), 0 or more.
        gaussian_sxy: Standard deviation of the kernel of smoothness in pixels (θγ),
            more than 0.
        gaussian_compat: Its weight (w2), 0 or more.
        num_iterations: Updates of the mean field, 0 or more.

    Returns:
        Class probabilities, float32.

    Raises:
        ValueError: If an array has another shape or type, probabilities are not in
            [0, 1] (not looked at within a compiled function), or an option is not
            allowed or too small for the size of the image.
    """
    if isinstance(num_iterations, bool) or num_iterations != int(num_iterations):
        raise ValueError(f"num_iterations={num_iterations}; allowed are whole numbers")
    if num_iterations < 0:
        raise ValueError(f"num_iterations={num_iterations}; allowed is 0 or more")
    probs, image = jnp.asarray(probs), jnp.asarray(image)
    _check_arrays(probs, image)
    is_single = probs.ndim == 3
    if is_single:
        probs, image = probs[None], image[None]
    kernels = make_kernels(
        image,
        bilateral_sxy=bilateral_sxy,
        bilateral_srgb=bilateral_srgb,
        bilateral_compat=bilateral_compat,
        gaussian_sxy=gaussian_sxy,
        gaussian_compat=gaussian_compat,
    )
    refined = infer(probs, kernels, num_iterations=int(num_iterations))
    return refined[0] if is_single else refined


def make_kernels(
    image: UInt8[Array, "batch height width 3"],
    *,
    bilateral_sxy: float,
    bilateral_srgb: float,
    bilateral_compat: float,
    gaussian_sxy: float,
    gaussian_compat: float,
) -> Kernels:
    """Prepares everything that does not depend on probabilities.

    Args:
        image: RGB, 0..255.
        bilateral_sxy: As of `dense_crf`, and so are the others.
        bilateral_srgb: As of `dense_crf`.
        bilateral_compat: As of `dense_crf`.
        gaussian_sxy: As of `dense_crf`.
        gaussian_compat: As of `dense_crf`.

    Returns:
        The kernels of appearance and of smoothness.

    Raises:
        ValueError: If an option is not allowed, or too small for the size of the image.
    """
    for name, deviation in {
        "bilateral_sxy": bilateral_sxy,
        "bilateral_srgb": bilateral_srgb,
        "gaussian_sxy": gaussian_sxy,
    }.items():
        if not (math.isfinite(deviation) and deviation > 0):
            raise ValueError(f"{name}={deviation}; allowed is more than 0")
    for name, weight in {
        "bilateral_compat": bilateral_compat,
        "gaussian_compat": gaussian_compat,
    }.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"{name}={weight}; allowed is 0 or more")
    colors = [bilateral_srgb] * 3
    appearance = _lattice(image, [bilateral_sxy] * 2 + colors, bilateral_compat)
    if gaussian_sxy > _WIDEST_FILTER:
        smoothness = _lattice(image, [gaussian_sxy] * 2, gaussian_compat)
    else:
        smoothness = _gaussian(
            float(gaussian_sxy), gaussian_compat, shape=image.shape[:3]
        )
    return appearance, smoothness


@functools.partial(jax.jit, static_argnames="num_iterations")
def infer(
    probs: Float[Array, "batch height width num_classes"],
    kernels: Kernels,
    *,
    num_iterations: int,
) -> Float[Array, "batch height width num_classes"]:
    """Updates the mean field.

    Args:
        probs: Class probabilities.
        kernels: What `make_kernels` returned for the images.
        num_iterations: Number of updates.

    Returns:
        Class probabilities, float32.
    """
    points = probs.astype(jnp.float32).reshape(len(probs), -1, probs.shape[-1])
    logits = jnp.log(jnp.clip(points, _LEAST_PROB, 1))
    update = jax.vmap(_update)

    # One program for all: memory for one update is taken once.
    def body(_: int, refined: Array) -> Array:
        return update(logits, refined, kernels)

    refined = jax.lax.fori_loop(0, num_iterations, body, jax.nn.softmax(logits))
    return refined.reshape(probs.shape)


def _check_arrays(probs: Array, image: Array) -> None:
    if (
        probs.ndim not in (3, 4)
        or not probs.size
        or not jnp.issubdtype(probs.dtype, jnp.floating)
    ):
        raise ValueError(
            f"probs {probs.dtype} {list(probs.shape)}; allowed are floats [height,"
            " width, classes], or with one batch axis before, none of length 0"
        )
    if image.dtype != jnp.uint8 or image.shape != (*probs.shape[:-1], 3):
        raise ValueError(
            f"image {image.dtype} {list(image.shape)}; expected uint8"
            f" {[*probs.shape[:-1], 3]}, of the size of the probabilities"
        )
    if not isinstance(probs, Tracer) and not _are_probs(probs):
        raise ValueError("probs has values that are not in [0, 1]")


@jax.jit
def _are_probs(probs: Array) -> Array:
    return jnp.all((probs >= 0) & (probs <= 1 + _ROUNDING))


def _lattice(
    image: UInt8[Array, "batch height width 3"],
    deviations: Sequence[float],
    compat: float,
) -> Lattice:
    """A kernel of place, or of place and colour."""
    largest = [image.shape[2] - 1, image.shape[1] - 1, *[_LARGEST_COLOR] * 3]
    layout = plan_keys([a / b for a, b in zip(largest, deviations, strict=False)])
    scale = np.asarray(deviations, np.float32)
    corners = _find(image, scale, layout.lowest, layout.strides)
    count, most = corners.number[:, -1, -1] + 1, corners.number[0].size
    if isinstance(count, Tracer):
        capacity = most + 1
    else:
        capacity = _capacity(int(jnp.max(count)), most)
    return _make(corners, layout.strides, np.float32(compat), capacity)


def _capacity(count: int, most: int) -> int:
    """Room for more than `count` corners: one of few sizes, each compiled once."""
    size = _LEAST_CAPACITY
    while size <= count:
        size += size // 2 if size.bit_count() == 1 else size // 3
    return min(size, most + 1)


@jax.jit
def _find(
    image: UInt8[Array, "batch height width 3"],
    deviations: Float[Array, " d"],
    lowest: Int[Array, " d"],
    strides: UInt32[Array, "words d"],
) -> Corners:
    def find(image: Array) -> Corners:
        y, x = jnp.mgrid[: image.shape[0], : image.shape[1]]
        planes = [x, y, *jnp.moveaxis(image, -1, 0)][: len(deviations)]
        planes = [plane.astype(jnp.float32).reshape(-1) for plane in planes]
        features = jnp.stack(planes) / deviations[:, None]
        return find_corners(features, lowest, strides)

    return jax.vmap(find)(image)


@functools.partial(jax.jit, static_argnames="capacity")
def _make(
    corners: Corners,
    strides: UInt32[Array, "words d"],
    compat: Float[Array, ""],
    capacity: int,
) -> Lattice:
    def make(corners: Corners) -> Lattice:
        return _normalized(make_lattice(corners, strides, capacity), compat)

    return jax.vmap(make)(corners)


@functools.partial(jax.jit, static_argnames=("deviation", "shape"))
def _gaussian(
    deviation: float, compat: Float[Array, ""], *, shape: tuple[int, int, int]
) -> Gaussian:
    kernel = _normalized(make_gaussian(shape[1:], deviation), compat)
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (shape[0], *x.shape)), kernel)


def _normalized(kernel: Any, compat: Float[Array, ""]) -> Any:
    """Divides by the root of the sums over rows, and of those over columns."""
    ones = jnp.ones((kernel.num_points, 1), jnp.float32)
    return kernel.scaled(jax.lax.rsqrt(kernel.filter(ones)[:, 0] + 1e-20), compat)


def _update(
    logits: Float[Array, "point num_classes"],
    probs: Float[Array, "point num_classes"],
    kernels: Kernels,
) -> Float[Array, "point num_classes"]:
    """The mean field of one image after one update."""
    for kernel in kernels:
        # Fused with the sum, the CPU compiler keeps a copy of the map for each tap.
        logits = logits + stage(type(kernel).filter)(kernel, probs)
    return jax.nn.softmax(logits)
