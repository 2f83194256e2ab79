"""What losses on label maps are averages over: labelled pixels, or classes."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from fashionjax.types import LabelMap, Scalar

ClassWeights: TypeAlias = Sequence[float]
"""A weight for each class, background included, 0 or more."""

Classes: TypeAlias = Literal["present", "all"]
"""Which classes a mean over classes takes in: those of the labels, or all there are."""


def is_class(
    label: LabelMap, num_classes: int
) -> Bool[Array, "batch height width num_classes"]:
    """Tells pixels by class; all False where there is no label.

    A comparison, not a gather: the gradient of a gather is a scatter.
    """
    return label[..., None] == jnp.arange(num_classes, dtype=label.dtype)


def weight_vector(
    class_weights: ClassWeights | None, num_classes: int
) -> Float[Array, " num_classes"]:
    """The weights of the classes; all 1 if None.

    Raises:
        ValueError: If there is not one weight for each class.
    """
    if class_weights is None:
        return jnp.ones(num_classes, jnp.float32)
    if len(class_weights) != num_classes:
        raise ValueError(
            f"{len(class_weights)} class weights for {num_classes} classes"
        )
    return jnp.asarray(class_weights, jnp.float32)


def pixel_weights(
    label: LabelMap,
    num_classes: int,
    class_weights: ClassWeights | None,
    ignore_index: int,
) -> Float[Array, "batch height width"]:
    """The weight of each pixel: that of its class, 0 where it carries no label.

    Raises:
        ValueError: If there is not one weight for each class.
    """
    valid = label != ignore_index
    if class_weights is None:
        return valid.astype(jnp.float32)
    weights = weight_vector(class_weights, num_classes)
    return jnp.sum(
        jnp.where(is_class(label, num_classes), weights, jnp.float32(0)),
        axis=-1,
        where=valid[..., None],
    )


def mean_over_pixels(
    per_pixel: Float[Array, "batch height width"],
    weight: Float[Array, "batch height width"],
) -> Scalar:
    """`sum(weight * per_pixel) / sum(weight)` over the whole batch, 0 without weight.

    As torch's `nn.CrossEntropyLoss` with weights. Pixels of no weight may hold anything
    finite.
    """
    return divide(jnp.sum(per_pixel * weight), jnp.sum(weight))


def mean_over_classes(
    per_class: Float[Array, "groups num_classes"],
    count: Float[Array, "groups num_classes"],
    class_weights: ClassWeights | None,
    classes: Classes,
) -> Scalar:
    """Averages a loss of each class: first over classes, then over groups of pixels.

    Args:
        per_class: The loss of each class in each group: in an image, or in the batch.
        count: Labelled pixels of each class in each group.
        class_weights: Weights of the mean over classes.
        classes: Whether classes without pixels in a group count in its mean.

    Returns:
        The mean over the groups that have labelled pixels of any class that counts;
        exactly 0 where there is no such group.

    Raises:
        ValueError: If there is not one weight for each class, or `classes` is unknown.
    """
    if classes not in ("present", "all"):
        raise ValueError(f"classes {classes!r}; allowed are present, all")
    counts = count > 0
    if classes == "all":
        counts = jnp.broadcast_to(counts.any(axis=1, keepdims=True), counts.shape)
    weights = counts * weight_vector(class_weights, per_class.shape[1])
    weight_sum = jnp.sum(weights, axis=1)
    of_group = divide(jnp.sum(per_class * weights, axis=1), weight_sum)
    return divide(jnp.sum(of_group), jnp.sum(weight_sum > 0, dtype=jnp.float32))


def divide(total: Array, count: Array) -> Array:
    """`total / count`, 0 where the count is: then the total is 0 as well."""
    return total / jnp.where(count > 0, count, 1.0)
