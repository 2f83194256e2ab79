"""Lovász-softmax: a convex surrogate of the mean IoU."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from fashionjax.constants import IGNORE_INDEX
from fashionjax.losses.averaging import (
    Classes,
    ClassWeights,
    is_class,
    mean_over_classes,
)
from fashionjax.types import LabelMap, Logits, Scalar


def lovasz_softmax(
    logits: Logits,
    label: LabelMap,
    *,
    per_image: bool = False,
    classes: Classes = "present",
    class_weights: ClassWeights | None = None,
    ignore_index: int = IGNORE_INDEX,
) -> Scalar:
    """Lovász extension of one minus the IoU of each class, averaged over classes.

    After Berman et al., The Lovász-Softmax loss, 2018, algorithm 1. Sorts every class's
    errors; the pixels of a batch that is spread over devices are brought together to be
    sorted, unless it is `per_image`.

    Args:
        logits: Unnormalised class scores.
        label: Class ids in `[0, num_classes)`, or `ignore_index`.
        per_image: The IoU is that of each image, and the mean is over images too; else
            it is that of the whole batch.
        classes: "present" leaves classes without pixels out of the mean; "all" asks
            that they be predicted nowhere.
        class_weights: Weights of the mean over classes, 0 to leave a class out; all 1
            if None.
        ignore_index: Label of the pixels left out.

    Returns:
        A float32 scalar in [0, 1]; exactly 0 when no pixel carries a label.

    Raises:
        ValueError: If there is not one weight for each class, or `classes` is unknown.
    """
    num_classes = logits.shape[-1]
    groups = label.shape[0] if per_image else 1
    probs = jax.nn.softmax(logits.astype(jnp.float32))

    def by_class(x: Array) -> Array:
        return jnp.moveaxis(x.reshape(groups, -1, num_classes), 1, 2)

    true = by_class(is_class(label, num_classes))
    valid = (label != ignore_index).reshape(groups, 1, -1)
    probs = by_class(probs)
    errors = jnp.where(true, 1 - probs, probs) * valid
    slopes = _slopes(jax.lax.stop_gradient(errors), true, valid)
    count = jnp.sum(true, axis=-1, dtype=jnp.float32)
    per_class = jnp.sum(errors * slopes, axis=-1)
    return mean_over_classes(per_class, count, class_weights, classes)


def _slopes(
    errors: Float[Array, "groups num_classes pixels"],
    true: Bool[Array, "groups num_classes pixels"],
    valid: Bool[Array, "groups 1 pixels"],
) -> Float[Array, "groups num_classes pixels"]:
    """By how much the Jaccard loss grows where each pixel's error is added.

    Errors are added from the largest to the smallest; the extension is the sum of
    errors times these, and these are its gradient. They come back to their places by a
    second sort: a gather's or a sort's own gradient would be a scatter.
    """
    # The place of a pixel, and whether it is of the class in the last bit.
    place = jax.lax.broadcasted_iota(jnp.int32, errors.shape, errors.ndim - 1)
    code = 2 * place + true
    # Floats that are not negative are in the order of their bits, and integers are
    # sorted faster. Ignored pixels come last, where they change nothing before them.
    key = jnp.where(valid, -jax.lax.bitcast_convert_type(errors, jnp.int32), 1)
    _, code = jax.lax.sort((key, code), num_keys=1, is_stable=True)
    hit = code % 2
    num_true = jnp.sum(hit, axis=-1, keepdims=True)
    num_others = jnp.cumsum(1 - hit, axis=-1)
    intersection = (num_true - jnp.cumsum(hit, axis=-1)).astype(jnp.float32)
    union = (num_true + num_others).astype(jnp.float32)
    # Differences of neighbouring losses 1 - intersection / union, worked out: written
    # as differences, float32 would leave few digits of them.
    of_other = jnp.where(
        num_true > 0,
        intersection / jnp.maximum(union * (union - 1), 1.0),
        (num_others == 1).astype(jnp.float32),
    )
    slope = jnp.where(hit == 1, 1 / jnp.maximum(union, 1.0), of_other)
    return jax.lax.sort((code, slope), num_keys=1, is_stable=False)[1]
