"""Labels of superpixels."""

import numpy as np


def look_up(superpixels: np.ndarray, labels: np.ndarray, name: str) -> np.ndarray:
    """Labels pixels by their superpixels.

    Args:
        superpixels: Integers `[height, width]`, counted from 0.
        labels: The label of each superpixel, 0..255.
        name: What to call the result in errors.

    Returns:
        uint8 `[height, width]`.

    Raises:
        ValueError: A superpixel without a label, or a label out of range.
    """
    if superpixels.min() < 0 or superpixels.max() >= labels.size:
        raise ValueError(
            f"{name} has superpixels {superpixels.min()}..{superpixels.max()}; allowed"
            f" are 0..{labels.size - 1}, those with a label"
        )
    if labels.min() < 0 or labels.max() > np.iinfo(np.uint8).max:
        raise ValueError(f"{name} has labels {labels.min()}..{labels.max()}")
    return labels.astype(np.uint8)[superpixels]
