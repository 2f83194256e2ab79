"""Focal loss."""

import jax
import jax.numpy as jnp

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses.averaging import ClassWeights, mean_over_pixels, pixel_weights
from fashionjax.losses.cross_entropy import negative_log_likelihood
from fashionjax.types import LabelMap, Logits, Scalar


def focal(
    logits: Logits,
    label: LabelMap,
    *,
    gamma: float = 2.0,
    class_weights: ClassWeights | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Scalar:
    """Softmax focal loss (Lin et al., Focal Loss for Dense Object Detection, 2017).

    `-(1 - p)**gamma * log p` of the probability p of the true class, averaged over the
    pixels that carry a label; gamma 0 is cross-entropy. The paper's alpha is
    `class_weights`, by whose sum the mean divides as cross-entropy's does.

    Args:
        logits: Unnormalised class scores.
        label: Class ids in `[0, num_classes)`, or `ignore_index`.
        gamma: How much less pixels count that are classified well, 0 or more.
        class_weights: Weights of the classes; all 1 if None.
        ignore_index: Label of the pixels left out of the mean.

    Returns:
        A float32 scalar; exactly 0 when no pixel carries a label.

    Raises:
        ValueError: If gamma is negative or there is not one weight for each class.
    """
    if gamma < 0:
        raise ValueError(f"gamma {gamma} of the focal loss; allowed is 0 or more")
    weight = pixel_weights(label, logits.shape[-1], class_weights, ignore_index)
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
    cross_entropy = negative_log_likelihood(log_probs, label)
    # 1 - p without cancellation; never 0, where powers below 1 have no derivative.
    missing = jnp.maximum(-jnp.expm1(-cross_entropy), jnp.finfo(jnp.float32).tiny)
    return mean_over_pixels(missing**gamma * cross_entropy, weight)
