"""Softmax cross-entropy of the label map: sparse, weighted, smoothed, soft."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses.averaging import (
    ClassWeights,
    divide,
    is_class,
    pixel_weights,
    weight_vector,
)
from fashionjax.types import LabelMap, Logits, Scalar


def softmax_cross_entropy(
    logits: Logits,
    label: LabelMap,
    *,
    class_weights: ClassWeights | None = None,
    label_smoothing: float = 0.0,
    annotator_confusion: Sequence[Sequence[float]] | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Scalar:
    """Mean softmax cross-entropy over the pixels that carry a label.

    With class weights w, it is `sum(w[y] * ce) / sum(w[y])` over the whole batch. The
    target of a pixel labelled y is the distribution q over classes, one-hot unless it
    is smoothed (`(1 - label_smoothing) * q + label_smoothing / num_classes`) or row y
    of the annotators' confusion; then the numerator is `-sum(w[c] * q[c] * log p[c])`.
    All as torch's `nn.CrossEntropyLoss` computes it from class ids.

    Args:
        logits: Unnormalised class scores.
        label: Class ids in `[0, num_classes)`, or `ignore_index`.
        class_weights: Weights of the classes; all 1 if None.
        label_smoothing: Part of the target that all classes share equally, 0..1.
        annotator_confusion: Entry [y, c] is the probability that annotators call c what
            is labelled y: `num_classes` rows of as many entries, each row a
            distribution. None for annotators who agree.
        ignore_index: Label of the pixels left out of the mean.

    Returns:
        A float32 scalar; exactly 0 when no pixel carries a label.

    Raises:
        ValueError: If there is not one weight for each class, the smoothing is out of
            its range or the confusion is no such matrix.
    """
    num_classes = logits.shape[-1]
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label smoothing {label_smoothing}; allowed is 0 to 1")
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
    weight = pixel_weights(label, num_classes, class_weights, ignore_index)
    valid = label != ignore_index
    weights = weight_vector(class_weights, num_classes)
    if annotator_confusion is None:
        per_pixel = negative_log_likelihood(log_probs, label) * weight
    else:
        confusion = _checked_confusion(annotator_confusion, num_classes)
        # Of each class that a pixel may be labelled, then of the one that it is.
        expected = jnp.einsum(
            "bhwc,yc->bhwy", log_probs * weights, confusion, precision="highest"
        )
        per_pixel = negative_log_likelihood(expected, label)
    total = jnp.sum(per_pixel, where=valid)
    if label_smoothing > 0:
        uniform = -jnp.mean(log_probs * weights, axis=-1)
        total = (1 - label_smoothing) * total
        total += label_smoothing * jnp.sum(uniform, where=valid)
    return divide(total, jnp.sum(weight))


def negative_log_likelihood(
    log_probs: Logits, label: LabelMap
) -> Float[Array, "batch height width"]:
    """Minus the log-probability of each pixel's label; 0 where there is none."""
    # A comparison, not a gather: the gradient of a gather is a scatter.
    return -jnp.sum(log_probs, axis=-1, where=is_class(label, log_probs.shape[-1]))


def _checked_confusion(
    rows: Sequence[Sequence[float]], num_classes: int
) -> Float[np.ndarray, "num_classes num_classes"]:
    confusion = np.asarray(rows, np.float32)
    if confusion.shape != (num_classes, num_classes):
        raise ValueError(
            f"annotators' confusion of shape {list(confusion.shape)}; allowed is"
            f" [{num_classes}, {num_classes}], a row for each class"
        )
    sums = confusion.sum(axis=1)
    # Written so that NaN fails too.
    wrong = ~((np.abs(sums - 1) < 1e-3) & (confusion >= 0).all(axis=1))
    if wrong.any():
        raise ValueError(
            f"annotators' confusion: rows {np.flatnonzero(wrong).tolist()} are no"
            " distributions; allowed are entries of 0 or more that add up to 1"
        )
    return confusion
