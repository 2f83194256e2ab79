"""Metrics of the box branch."""

import numpy as np
from jaxtyping import Bool, Float


def box_metrics(
    distance: Float[np.ndarray, "images num_boxes"],
    iou: Float[np.ndarray, "images num_boxes"],
    present: Bool[np.ndarray, "images num_boxes"],
) -> dict[str, float]:
    """Averages over the boxes that are present in a split.

    Args:
        distance: Mean smooth L1 distance of the four coordinates of each box.
        iou: Intersection over union of each predicted box with the true one.
        present: Which boxes exist.

    Returns:
        `box_l1` and `box_iou`; NaN if no box is present.
    """
    if not present.any():
        return {"box_l1": float("nan"), "box_iou": float("nan")}
    return {
        "box_l1": float(distance[present].astype(np.float64).mean()),
        "box_iou": float(iou[present].astype(np.float64).mean()),
    }
