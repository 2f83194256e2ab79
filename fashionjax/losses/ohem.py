"""Cross-entropy of the hard pixels."""

import jax
import jax.numpy as jnp

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses.averaging import ClassWeights, mean_over_pixels, pixel_weights
from fashionjax.losses.cross_entropy import negative_log_likelihood
from fashionjax.ops.order_statistics import kth_smallest
from fashionjax.types import LabelMap, Logits, Scalar


def ohem_cross_entropy(
    logits: Logits,
    label: LabelMap,
    *,
    threshold: float = 0.7,
    min_kept: int = 100_000,
    class_weights: ClassWeights | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Scalar:
    """Cross-entropy with online hard example mining (Shrivastava et al., 2016).

    Pixels are kept whose true class has a probability below `threshold`; where these
    are fewer than `min_kept * batch`, so many of the lowest. That is the selection of
    mmsegmentation's `OHEMPixelSampler` and of HRNet's `OhemCrossEntropy` but for ties,
    which are kept here. The loss is the mean over the pixels kept, as HRNet's. The
    selection passes no gradient.

    Args:
        logits: Unnormalised class scores.
        label: Class ids in `[0, num_classes)`, or `ignore_index`.
        threshold: Probability above which a pixel counts as easy, 0..1.
        min_kept: Pixels of an image, on the average of the batch, to keep at least; all
            where there are no more.
        class_weights: Weights of the classes; all 1 if None.
        ignore_index: Label of the pixels left out.

    Returns:
        A float32 scalar; exactly 0 when no pixel carries a label.

    Raises:
        ValueError: If the threshold or the number is out of its range, or there is not
            one weight for each class.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold {threshold} of OHEM; allowed is 0 to 1")
    if min_kept < 0:
        raise ValueError(f"min_kept {min_kept} of OHEM; allowed is 0 or more")
    weight = pixel_weights(label, logits.shape[-1], class_weights, ignore_index)
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
    cross_entropy = negative_log_likelihood(log_probs, label)
    least = min_kept * label.shape[0]
    if least < label.size:
        prob = jnp.exp(-jax.lax.stop_gradient(cross_entropy))
        # Behind all others, where they take nobody's place.
        prob = jnp.where(label == ignore_index, jnp.inf, prob)
        kept = prob < threshold
        if least > 0:
            kept |= prob <= kth_smallest(prob, least - 1)
        weight = jnp.where(kept, weight, 0.0)
    return mean_over_pixels(cross_entropy, weight)
