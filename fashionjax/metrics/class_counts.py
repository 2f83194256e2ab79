"""Pixels of each class, in truth, prediction and both: all that an IoU needs."""

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer

from fashionjax.constants import IGNORE_INDEX
from fashionjax.metrics.quotients import Absent, quotient
from fashionjax.types import LabelMap

NO_CLASS = -1
"""Stands in label maps for a pixel that is not looked at."""


@flax.struct.dataclass
class ClassCounts:
    """Numbers of pixels by class.

    Attributes:
        hit: Pixels of the class in both.
        true: Pixels of the class in the truth.
        pred: Pixels of the class in the prediction.
    """

    hit: Integer[Array | np.ndarray, "*shape num_classes"]
    true: Integer[Array | np.ndarray, "*shape num_classes"]
    pred: Integer[Array | np.ndarray, "*shape num_classes"]

    def iou(self, absent: Absent = "skip") -> Float[np.ndarray, "*shape num_classes"]:
        """Intersection over union of each class, on the host."""
        hit, true, pred = (np.asarray(x, np.int64) for x in self.parts)
        return quotient(hit, true + pred - hit, absent)

    @property
    def parts(self) -> tuple[Array | np.ndarray, ...]:
        """`hit`, `true` and `pred`."""
        return self.hit, self.true, self.pred


def count_classes(label: LabelMap, pred: LabelMap, num_classes: int) -> ClassCounts:
    """Counts the pixels of each class, image by image, without a scatter.

    Args:
        label: True class ids; any other value is no class.
        pred: Predicted class ids; any other value is no class.
        num_classes: Number of classes, background included.

    Returns:
        int32 counts `[batch, num_classes]`.
    """
    return ClassCounts(
        hit=_histogram(jnp.where(label == pred, label, NO_CLASS), num_classes),
        true=_histogram(label, num_classes),
        pred=_histogram(pred, num_classes),
    )


def without_ignored(
    label: LabelMap, pred: LabelMap, *, ignore_index: int = IGNORE_INDEX
) -> tuple[LabelMap, LabelMap]:
    """Takes the pixels without a label out of both maps.

    Args:
        label: True class ids, or `ignore_index`.
        pred: Predicted class ids.
        ignore_index: Label of the pixels that are not looked at.

    Returns:
        Both as int32, `NO_CLASS` where there is no label.
    """
    valid = label != ignore_index
    return (
        jnp.where(valid, label.astype(jnp.int32), NO_CLASS),
        jnp.where(valid, pred.astype(jnp.int32), NO_CLASS),
    )


def _histogram(ids: LabelMap, num_classes: int) -> Int[Array, "batch num_classes"]:
    is_class = ids[..., None] == jnp.arange(num_classes, dtype=ids.dtype)
    return jnp.sum(is_class, axis=(1, 2), dtype=jnp.int32)
