"""Metrics of image-level tags."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool


def tag_metrics(
    pred: Bool[np.ndarray, "images num_tags"],
    tags: Bool[np.ndarray, "images num_tags"],
    tag_names: Sequence[str],
) -> dict[str, float]:
    """Computes the multi-label metrics of the Extended U-Net's document.

    F-scores are computed for each image and averaged, as fastai's `fbeta` does:
    `P = TP / (predicted + eps)`, `R = TP / (true + eps)`,
    `F = (1 + b**2) P R / (b**2 P + R + eps)` with eps = 1e-9.

    Args:
        pred: Which tags are predicted for each image of the split.
        tags: Which tags are true.
        tag_names: Names of the tags.

    Returns:
        `f1`, `f2`, `exact_match` (share of images with all tags right) and
        `tag_accuracy/NAME`, fractions in [0, 1]; NaN for a split without images.
    """
    if not len(pred):
        names = ["f1", "f2", "exact_match", *(f"tag_accuracy/{n}" for n in tag_names)]
        return dict.fromkeys(names, float("nan"))
    right = pred == tags
    return {
        "f1": _f_score(pred, tags, beta=1.0),
        "f2": _f_score(pred, tags, beta=2.0),
        "exact_match": float(right.all(axis=1).mean()),
        **{
            f"tag_accuracy/{name}": float(right[:, i].mean())
            for i, name in enumerate(tag_names)
        },
    }


def _f_score(pred: np.ndarray, tags: np.ndarray, *, beta: float) -> float:
    eps = 1e-9
    true_positive = (pred & tags).sum(axis=1).astype(np.float64)
    precision = true_positive / (pred.sum(axis=1) + eps)
    recall = true_positive / (tags.sum(axis=1) + eps)
    score = (1 + beta**2) * precision * recall / (beta**2 * precision + recall + eps)
    return float(score.mean())
