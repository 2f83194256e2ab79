"""Arithmetic on boxes (x1, y1, x2, y2)."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def box_iou(
    a: Float[Array, "*batch 4"], b: Float[Array, "*batch 4"]
) -> Float[Array, "*batch"]:
    """Intersection over union of corresponding boxes.

    Args:
        a: Boxes in any unit. A box with x2 < x1 or y2 < y1 has no area.
        b: Boxes in the same unit.

    Returns:
        Values in [0, 1]; 0 where both boxes are empty.
    """
    top_left = jnp.maximum(a[..., :2], b[..., :2])
    bottom_right = jnp.minimum(a[..., 2:], b[..., 2:])
    intersection = _area(top_left, bottom_right)
    union = _area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - intersection
    return jnp.where(union > 0, intersection / jnp.where(union > 0, union, 1.0), 0.0)


def _area(
    top_left: Float[Array, "*batch 2"], bottom_right: Float[Array, "*batch 2"]
) -> Float[Array, "*batch"]:
    return jnp.prod(jnp.maximum(bottom_right - top_left, 0.0), axis=-1)
