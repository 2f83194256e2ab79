"""Losses on the label map."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from fashionjax.constants import IGNORE_INDEX
from fashionjax.types import LabelMap, Logits, Scalar


def softmax_cross_entropy(
    logits: Logits,
    label: LabelMap,
    *,
    class_weights: Sequence[float] | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Scalar:
    """Mean softmax cross-entropy over the pixels that carry a label.

    With class weights w, it is `sum(w[y] * ce) / sum(w[y])` over the whole batch, as
    torch's `nn.CrossEntropyLoss` computes it.

    Args:
        logits: Unnormalised class scores.
        label: Class ids in `[0, num_classes)`, or `ignore_index`.
        class_weights: One weight for each class; all 1 if None.
        ignore_index: Label of the pixels left out of the mean.

    Returns:
        A float32 scalar; exactly 0 when no pixel carries a label.

    Raises:
        ValueError: If there is not one weight for each class.
    """
    num_classes = logits.shape[-1]
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
    # A comparison, not a gather: the gradient of a gather is a scatter.
    is_class = label[..., None] == jnp.arange(num_classes, dtype=label.dtype)
    valid = label != ignore_index
    if class_weights is None:
        weight = valid.astype(jnp.float32)
    else:
        if len(class_weights) != num_classes:
            raise ValueError(
                f"{len(class_weights)} class weights for {num_classes} classes"
            )
        weights = jnp.asarray(class_weights, jnp.float32)
        weight = jnp.sum(
            jnp.where(is_class, weights, jnp.float32(0)),
            axis=-1,
            where=valid[..., None],
        )
    per_pixel = -jnp.sum(log_probs, axis=-1, where=is_class)
    total = jnp.sum(per_pixel * weight, where=valid)
    weight_sum = jnp.sum(weight)
    return total / jnp.where(weight_sum > 0, weight_sum, 1.0)
