"""Losses on boxes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from fashionjax.types import Scalar


def smooth_l1(
    box_logits: Float[Array, "batch num_boxes 4"],
    boxes: Float[Array, "batch num_boxes 4"],
    present: Bool[Array, "batch num_boxes"],
    *,
    beta: float = 1.0,
) -> Scalar:
    """Smooth L1 distance (Girshick, Fast R-CNN) of sigmoid coordinates to the truth.

    `0.5 d**2 / beta` where `|d| < beta`, else `|d| - 0.5 beta`, averaged over the
    coordinates of the boxes that are present.

    Args:
        box_logits: Predicted coordinates before the sigmoid.
        boxes: True coordinates in [0, 1].
        present: Which boxes exist; the others count nothing.
        beta: Where the parabola meets the straight line; above 0.

    Returns:
        A float32 scalar; exactly 0 when no box is present.
    """
    distance = jnp.abs(jax.nn.sigmoid(box_logits.astype(jnp.float32)) - boxes)
    per_coordinate = jnp.where(
        distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta
    )
    total = jnp.sum(per_coordinate, where=present[..., None])
    count = 4 * jnp.sum(present, dtype=jnp.float32)
    return total / jnp.maximum(count, 1.0)
