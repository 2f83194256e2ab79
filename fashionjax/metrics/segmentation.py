"""Segmentation metrics, all from one integer confusion matrix of a whole split."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int64

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.types import LabelMap


def confusion_matrix(
    label: LabelMap,
    pred: LabelMap,
    num_classes: int,
    *,
    ignore_index: int = IGNORE_INDEX,
) -> Int[Array, "num_classes num_classes"]:
    """Counts pixels by true and predicted class, exactly.

    A product of one-hot matrices, int8 with int32 sums: no scatter, and no rounding
    below 2**31 pixels.

    Args:
        label: True class ids, or `ignore_index`.
        pred: Predicted class ids in `[0, num_classes)`.
        num_classes: Number of classes, background included.
        ignore_index: Label of the pixels that are not counted.

    Returns:
        int32 counts; rows are true classes, columns predicted ones.
    """
    classes = jnp.arange(num_classes, dtype=jnp.int32)
    label = jnp.where(label == ignore_index, -1, label.astype(jnp.int32))
    true_one_hot = (label.reshape(-1, 1) == classes).astype(jnp.int8)
    pred_one_hot = (pred.astype(jnp.int32).reshape(-1, 1) == classes).astype(jnp.int8)
    return jax.lax.dot_general(
        true_one_hot,
        pred_one_hot,
        (((0,), (0,)), ((), ())),
        preferred_element_type=jnp.int32,
    )


def segmentation_metrics(
    confusion: Int64[np.ndarray, "num_classes num_classes"],
    class_names: Sequence[str],
) -> dict[str, float]:
    """Computes every segmentation metric of the project.

    With N the confusion matrix, TP its diagonal, G its row sums, Q its column sums
    and U = G + Q - TP:

    - `pixel_accuracy`: sum TP / sum N;
    - `acc/CLASS`: TP / G, `mean_class_accuracy`: its mean over classes with G > 0;
    - `iou/CLASS`: TP / U, `mean_iou`: its mean over classes with U > 0, background
      included (as mmsegmentation's mIoU);
    - `pooled_iou`: sum TP / sum U; `pooled_iou_excl_bg`: the same without background
      (what the Extended U-Net's document reports);
    - `mask_iou`: IoU of foreground against background; `binary_iou`: the mean of that
      and of the background's IoU.

    Args:
        confusion: Pixel counts; rows are true classes, columns predicted ones.
        class_names: Names of the classes, background first.

    Returns:
        Fractions in [0, 1]; NaN where a denominator is 0.

    Raises:
        ValueError: If there is not one name for each class.
    """
    num_classes = confusion.shape[0]
    if confusion.shape != (num_classes, num_classes) or len(class_names) != num_classes:
        raise ValueError(
            f"confusion matrix of shape {confusion.shape} and {len(class_names)} class"
            " names; expected a square matrix with one name a row"
        )
    counts = confusion.astype(np.int64)
    true_positive = np.diagonal(counts)
    true, pred = counts.sum(axis=1), counts.sum(axis=0)
    union = true + pred - true_positive
    foreground = np.arange(num_classes) != BACKGROUND
    accuracy = _divide(true_positive, true)
    iou = _divide(true_positive, union)
    mask_intersection = counts[np.ix_(foreground, foreground)].sum()
    mask_iou = _ratio(mask_intersection, counts.sum() - counts[BACKGROUND, BACKGROUND])
    metrics = {
        "pixel_accuracy": _ratio(true_positive.sum(), counts.sum()),
        "mean_class_accuracy": _mean(accuracy),
        "mean_iou": _mean(iou),
        "pooled_iou": _ratio(true_positive.sum(), union.sum()),
        "pooled_iou_excl_bg": _ratio(
            true_positive[foreground].sum(), union[foreground].sum()
        ),
        "mask_iou": mask_iou,
        "binary_iou": (mask_iou + float(iou[BACKGROUND])) / 2,
    }
    metrics |= {
        f"iou/{name}": float(v) for name, v in zip(class_names, iou, strict=True)
    }
    metrics |= {
        f"acc/{name}": float(v) for name, v in zip(class_names, accuracy, strict=True)
    }
    return metrics


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Element-wise quotient, NaN where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _ratio(numerator: int, denominator: int) -> float:
    return float(numerator) / float(denominator) if denominator > 0 else float("nan")


def _mean(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
