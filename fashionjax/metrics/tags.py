"""Metrics of image-level tags."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from fashionjax.metrics.quotients import mean_of_known, quotient


def tag_metrics(
    pred: Bool[np.ndarray, "images num_tags"],
    tags: Bool[np.ndarray, "images num_tags"],
    tag_names: Sequence[str],
) -> dict[str, float]:
    """Computes the multi-label metrics of the Extended U-Net's document, and others.

    F-scores are computed for each image and averaged, as fastai's `fbeta` does:
    `P = TP / (predicted + eps)`, `R = TP / (true + eps)`,
    `F = (1 + b**2) P R / (b**2 P + R + eps)` with eps = 1e-9. Names in `_micro` count
    all images and tags together, those in `_macro` are means over tags; a tag that is
    neither true nor predicted anywhere is left out of those.

    Args:
        pred: Which tags are predicted for each image of the split.
        tags: Which tags are true.
        tag_names: Names of the tags.

    Returns:
        `f1`, `f2`, `exact_match` (share of images with all tags right), `f1_micro`,
        `f2_micro`, `f1_macro`, `f2_macro`, `mean_tag_accuracy` and
        `tag_accuracy/NAME`, fractions in [0, 1]; NaN where undefined, as all are for a
        split without images.
    """
    if not len(pred):
        pred = tags = np.zeros((1, len(tag_names)), bool)
        return dict.fromkeys(tag_metrics(pred, tags, tag_names), float("nan"))
    right = pred == tags
    metrics = {"exact_match": float(right.all(axis=1).mean())}
    for name, beta in (("f1", 1.0), ("f2", 2.0)):
        counts = (pred & tags), pred, tags
        by_tag = _f_score(*(x.sum(axis=0) for x in counts), beta=beta)
        metrics |= {
            name: float(_fastai_f_score(*(x.sum(axis=1) for x in counts), beta=beta)),
            f"{name}_micro": float(_f_score(*(x.sum() for x in counts), beta=beta)),
            f"{name}_macro": float(mean_of_known(by_tag)),
        }
    accuracy = right.mean(axis=0)
    metrics["mean_tag_accuracy"] = float(accuracy.mean())
    names = (f"tag_accuracy/{name}" for name in tag_names)
    return metrics | dict(zip(names, accuracy.tolist(), strict=True))


def _fastai_f_score(
    hit: np.ndarray, pred: np.ndarray, true: np.ndarray, *, beta: float
) -> float:
    eps = 1e-9
    precision, recall = hit / (pred + eps), hit / (true + eps)
    score = (1 + beta**2) * precision * recall / (beta**2 * precision + recall + eps)
    return score.mean()


def _f_score(
    hit: np.ndarray, pred: np.ndarray, true: np.ndarray, *, beta: float
) -> np.ndarray:
    """`(1 + b**2) TP / (b**2 true + predicted)`; NaN for 0/0."""
    denominator = beta**2 * true + pred
    return quotient((1 + beta**2) * hit, denominator)
