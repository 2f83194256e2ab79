"""Losses on image-level tags."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from fashionjax.types import Scalar


def binary_cross_entropy(
    tag_logits: Float[Array, "batch num_tags"], tags: Bool[Array, "batch num_tags"]
) -> Scalar:
    """Mean binary cross-entropy of the sigmoid over all images and tags.

    Computed from the logits, finite for any finite logit.

    Args:
        tag_logits: Scores before the sigmoid.
        tags: Whether the class is in the image.

    Returns:
        A float32 scalar.
    """
    tag_logits = tag_logits.astype(jnp.float32)
    per_tag = jnp.where(
        tags, -jax.nn.log_sigmoid(tag_logits), -jax.nn.log_sigmoid(-tag_logits)
    )
    return jnp.mean(per_tag)
