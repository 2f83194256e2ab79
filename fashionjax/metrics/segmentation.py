"""Segmentation metrics, all from one integer confusion matrix of a whole split."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int64

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.metrics.quotients import (
    Absent,
    check_absent,
    mean_of_known,
    quotient,
)
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
    *,
    absent: Absent = "skip",
) -> dict[str, float]:
    """Computes every metric that the confusion matrix of a split determines.

    `docs/metrics.md` has the formulas and says which document reports which. With N
    the matrix, TP its diagonal, G its row sums, Q its column sums, U = G + Q - TP, and
    means over classes with background, or without for names in `_excl_bg`:

    - of all pixels: `pixel_accuracy`, `foreground_accuracy`, `binary_accuracy`;
    - means over classes: `mean_iou`, `mean_class_accuracy`, `mean_dice`, each also
      `_excl_bg`, and `frequency_weighted_iou`;
    - sums over classes, divided last: `pooled_iou`, `pooled_iou_excl_bg`,
      `pooled_dice_excl_bg`;
    - all foreground as one class: `mask_iou`, `mask_dice`, and `binary_iou`, the mean
      of the former and the background's IoU;
    - of each class: `iou/CLASS`, `acc/CLASS`, `precision/CLASS`, `dice/CLASS`.

    Args:
        confusion: Pixel counts; rows are true classes, columns predicted ones.
        class_names: Names of the classes, background first.
        absent: What 0/0 is for a class, and for the foreground.

    Returns:
        Fractions in [0, 1]; NaN where undefined.

    Raises:
        ValueError: If there is not one name for each class, or no such policy.
    """
    num_classes = confusion.shape[0]
    if confusion.shape != (num_classes, num_classes) or len(class_names) != num_classes:
        raise ValueError(
            f"confusion matrix of shape {confusion.shape} and {len(class_names)} class"
            " names; expected a square matrix with one name a row"
        )
    check_absent(absent)
    counts = confusion.astype(np.int64)
    hit, true, pred = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    of_class = {
        "iou": quotient(hit, true + pred - hit, absent),
        "acc": quotient(hit, true, absent),
        "precision": quotient(hit, pred, absent),
        "dice": quotient(2 * hit, true + pred, absent),
    }
    metrics = _pooled(hit, true, pred)
    metrics |= _binary(counts, of_class["iou"][BACKGROUND], absent)
    for metric, name in _MEANS.items():
        metrics[name] = float(mean_of_known(of_class[metric]))
        foreground = np.delete(of_class[metric], BACKGROUND)
        metrics[f"{name}_excl_bg"] = float(mean_of_known(foreground))
    occurs = true > 0
    metrics["frequency_weighted_iou"] = float(
        np.sum(true * of_class["iou"], where=occurs) / true.sum()
        if occurs.any()
        else np.nan
    )
    for metric, values in of_class.items():
        names = (f"{metric}/{name}" for name in class_names)
        metrics |= zip(names, values.tolist(), strict=True)
    return metrics


_MEANS = {"iou": "mean_iou", "acc": "mean_class_accuracy", "dice": "mean_dice"}
"""Names of the means of class metrics."""


def _pooled(hit: np.ndarray, true: np.ndarray, pred: np.ndarray) -> dict[str, float]:
    """Quotients of sums over all classes, and over those but background."""
    metrics = {
        "pixel_accuracy": quotient(hit.sum(), true.sum()),
        "pooled_iou": quotient(hit.sum(), (true + pred - hit).sum()),
    }
    hit, true, pred = (np.delete(x, BACKGROUND) for x in (hit, true, pred))
    metrics |= {
        "foreground_accuracy": quotient(hit.sum(), true.sum()),
        "pooled_iou_excl_bg": quotient(hit.sum(), (true + pred - hit).sum()),
        "pooled_dice_excl_bg": quotient(2 * hit.sum(), (true + pred).sum()),
    }
    return {name: float(value) for name, value in metrics.items()}


def _binary(
    counts: np.ndarray, background_iou: float, absent: Absent
) -> dict[str, float]:
    """Metrics of two classes: background, and everything else."""
    total, both_background = counts.sum(), counts[BACKGROUND, BACKGROUND]
    background = counts[BACKGROUND].sum() + counts[:, BACKGROUND].sum()
    hit = total - background + both_background
    mask_iou = quotient(hit, total - both_background, absent)
    return {
        "binary_accuracy": float(quotient(hit + both_background, total)),
        "mask_iou": float(mask_iou),
        "mask_dice": float(quotient(2 * hit, 2 * total - background, absent)),
        "binary_iou": float(mean_of_known(np.array([mask_iou, background_iou]))),
    }
