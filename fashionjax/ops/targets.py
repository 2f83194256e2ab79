"""Image-level targets read off a label map, on the accelerator.

They are taken from the label map after augmentation, so that tags and boxes always
agree with the pixels that the model sees.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from fashionjax.types import LabelMap, Targets


def label_to_tags(label: LabelMap, num_classes: int) -> Bool[Array, "batch num_tags"]:
    """Tells which classes, background left out, a label map contains.

    Args:
        label: Class ids, or the ignore index (which is no class).
        num_classes: Number of classes, background included.

    Returns:
        True where class `i + 1` has at least one pixel.
    """
    return jnp.any(_is_class(label, num_classes), axis=(1, 2))


def label_to_boxes(
    label: LabelMap, num_classes: int
) -> Float[Array, "batch num_tags 4"]:
    """Finds the bounding box of each class, background left out.

    Args:
        label: Class ids, or the ignore index (which is no class).
        num_classes: Number of classes, background included.

    Returns:
        (x1, y1, x2, y2) divided by (W, H, W, H), float32 in [0, 1]; x2 and y2 are
        one past the last pixel. Zeros where the class is absent.
    """
    is_class = _is_class(label, num_classes)
    x1, x2 = _extent(jnp.any(is_class, axis=1))
    y1, y2 = _extent(jnp.any(is_class, axis=2))
    return jnp.stack([x1, y1, x2, y2], axis=-1)


def make_targets(label: LabelMap, num_classes: int) -> Targets:
    """Collects everything that a loss or a metric compares outputs with.

    Args:
        label: Class ids of any integer type, or the ignore index.
        num_classes: Number of classes, background included.

    Returns:
        Label as int32, tags and boxes.
    """
    label = label.astype(jnp.int32)
    return Targets(
        label=label,
        tags=label_to_tags(label, num_classes),
        boxes=label_to_boxes(label, num_classes),
    )


def _is_class(
    label: LabelMap, num_classes: int
) -> Bool[Array, "batch height width num_tags"]:
    return label[..., None] == jnp.arange(1, num_classes, dtype=label.dtype)


def _extent(
    occupied: Bool[Array, "batch length num_tags"],
) -> tuple[Float[Array, "batch num_tags"], Float[Array, "batch num_tags"]]:
    """First and one-past-last occupied position, divided by the length."""
    length = occupied.shape[1]
    position = jnp.arange(length, dtype=jnp.float32)[None, :, None]
    first = jnp.min(jnp.where(occupied, position, jnp.float32(length)), axis=1)
    end = jnp.max(jnp.where(occupied, position + 1, jnp.float32(0)), axis=1)
    # An absent class has end 0 and first `length`: both become 0.
    first = jnp.where(end > 0, first, jnp.float32(0))
    return first / length, end / length
