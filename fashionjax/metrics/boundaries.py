"""How well the edges of classes are met: boundary IoU and the trimap curve.

Distances are the larger of the two along the axes (chessboard), as morphology with
squares measures them: a window of `2 r + 1` pixels a side reaches `r` pixels far. A
window holds more than one class where its smallest and its largest id differ, so the
cost does not depend on the number of classes.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from fashionjax.constants import BACKGROUND
from fashionjax.metrics.class_counts import (
    NO_CLASS,
    ClassCounts,
    count_classes,
    without_ignored,
)
from fashionjax.metrics.quotients import Absent, mean_of_known, quotient
from fashionjax.types import LabelMap

_OUTSIDE = -2
"""What lies beyond an image's border; neither a class nor `NO_CLASS`."""


def boundary_width(height: int, width: int, ratio: float) -> int:
    """Width of the band along the edges that boundary IoU looks at.

    Args:
        height: Of the images, in pixels.
        width: Of the images, in pixels.
        ratio: Width of the band in diagonals of the image.

    Returns:
        Pixels, rounded half to even, at least 1.
    """
    return max(1, round(ratio * math.hypot(height, width)))


def count_boundaries(
    label: LabelMap, pred: LabelMap, num_classes: int, width: int
) -> ClassCounts:
    """Counts, for boundary IoU, the pixels near the edges of the own region.

    A region's band is what is at most `width` pixels from something outside of the
    region; the border of the image and pixels without label are outside, as Cheng et
    al. (Boundary IoU, CVPR 2021) have it for the border.

    Args:
        label: True class ids, or the ignore index.
        pred: Predicted class ids.
        num_classes: Number of classes, background included.
        width: Width of the bands in pixels.

    Returns:
        int32 counts `[batch, num_classes]` of the bands of the truth, of the
        prediction, and of pixels that are in both bands of a class.
    """
    label, pred = without_ignored(label, pred)
    return count_classes(_band(label, width), _band(pred, width), num_classes)


def count_trimaps(
    label: LabelMap, pred: LabelMap, num_classes: int, radii: Sequence[int]
) -> ClassCounts:
    """Counts the pixels around the edges between true classes.

    A pixel is in the band of radius `r` if another true class is at most `r` pixels
    away from it. Neither the image's border nor pixels without label are an edge.

    Args:
        label: True class ids, or the ignore index.
        pred: Predicted class ids.
        num_classes: Number of classes, background included.
        radii: Radii in pixels, ascending.

    Returns:
        int32 counts `[batch, len(radii), num_classes]`.
    """
    label, pred = without_ignored(label, pred)
    lowest = jnp.where(label == NO_CLASS, num_classes, label)
    highest = label
    reached = 0
    counts = []
    for radius in radii:
        # Extremes of extremes: each window grows out of the one before.
        lowest = _minimum(lowest, radius - reached)
        highest = _maximum(highest, radius - reached)
        reached = radius
        near = lowest < highest
        counts.append(
            count_classes(
                jnp.where(near, label, NO_CLASS),
                jnp.where(near, pred, NO_CLASS),
                num_classes,
            )
        )
    return jax.tree.map(lambda *x: jnp.stack(x, axis=1), *counts)


def boundary_metrics(
    counts: ClassCounts, class_names: Sequence[str], *, absent: Absent = "skip"
) -> dict[str, float]:
    """Computes boundary IoU from the sums over a split.

    Args:
        counts: Of `count_boundaries`, `[num_classes]`.
        class_names: Names of the classes, background first.
        absent: What 0/0 is.

    Returns:
        `boundary_iou/CLASS`, and the means over classes `boundary_iou` and
        `boundary_iou_excl_bg`; fractions in [0, 1], NaN where undefined.
    """
    iou = counts.iou(absent)
    names = [f"boundary_iou/{name}" for name in class_names]
    return {
        "boundary_iou": float(mean_of_known(iou)),
        "boundary_iou_excl_bg": float(mean_of_known(np.delete(iou, BACKGROUND))),
        **dict(zip(names, iou.tolist(), strict=True)),
    }


def trimap_metrics(
    counts: ClassCounts, radii: Sequence[int], *, absent: Absent = "skip"
) -> dict[str, float]:
    """Computes the trimap curve from the sums over a split.

    Args:
        counts: Of `count_trimaps`, `[len(radii), num_classes]`.
        radii: Radii in pixels.
        absent: What 0/0 is for a class.

    Returns:
        For each radius, of the pixels in its band: `trimap_accuracy/RADIUSpx` (pixel
        accuracy) and `trimap_mean_iou/RADIUSpx`; fractions in [0, 1], NaN where
        undefined.
    """
    hit, true, _ = (np.asarray(x, np.int64) for x in counts.parts)
    accuracy = quotient(hit.sum(axis=-1), true.sum(axis=-1))
    mean_iou = mean_of_known(counts.iou(absent))
    metrics = {}
    for i, radius in enumerate(radii):
        metrics[f"trimap_accuracy/{radius}px"] = float(accuracy[i])
        metrics[f"trimap_mean_iou/{radius}px"] = float(mean_iou[i])
    return metrics


def _band(ids: LabelMap, width: int) -> LabelMap:
    """The ids of pixels that are near the edge of their region, else `NO_CLASS`."""
    padding = ((0, 0), (width, width), (width, width))
    padded = jnp.pad(ids, padding, constant_values=_OUTSIDE)
    edge: Bool[Array, "batch height width"] = (
        _minimum(padded, width) != _maximum(padded, width)
    )[:, width:-width, width:-width]
    return jnp.where(edge, ids, NO_CLASS)


def _minimum(ids: LabelMap, radius: int) -> LabelMap:
    """The smallest id at most `radius` away."""
    for window in _windows(radius):
        ids = jax.lax.reduce_window(
            ids, jnp.iinfo(ids.dtype).max, jax.lax.min, window, (1, 1, 1), "SAME"
        )
    return ids


def _maximum(ids: LabelMap, radius: int) -> LabelMap:
    """The largest id at most `radius` away."""
    for window in _windows(radius):
        ids = jax.lax.reduce_window(
            ids, jnp.iinfo(ids.dtype).min, jax.lax.max, window, (1, 1, 1), "SAME"
        )
    return ids


def _windows(radius: int) -> tuple[tuple[int, int, int], ...]:
    """A square window, one axis after the other."""
    return (1, 2 * radius + 1, 1), (1, 1, 2 * radius + 1)
