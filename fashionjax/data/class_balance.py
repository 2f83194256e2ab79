"""Remedies for classes that are rare: weights of a loss, repetition of photos."""

import numpy as np
from jaxtyping import Float, Int64

ClassPixels = Int64[np.ndarray, "images num_classes"]
"""Pixels of each class in each image."""


def median_frequency_weights(
    pixels: ClassPixels,
) -> Float[np.ndarray, " num_classes"]:
    """Weights that balance the classes of a loss, as SegNet's.

    Args:
        pixels: Pixels of each class in each image.

    Returns:
        The median of all classes' frequencies over each one's, where a class's
        frequency is its share of the labelled pixels of the images that contain it; NaN
        for classes that do not occur. After Eigen and Fergus: Predicting Depth, Surface
        Normals and Semantic Labels, ICCV 2015.
    """
    present = pixels > 0
    room = (pixels.sum(axis=1, keepdims=True) * present).sum(axis=0)
    frequencies = np.full(pixels.shape[1], np.nan)
    np.divide(pixels.sum(axis=0), room, out=frequencies, where=room > 0)
    if np.isnan(frequencies).all():
        return frequencies
    return np.nanmedian(frequencies) / frequencies


def enet_weights(
    pixels: ClassPixels, *, c: float = 1.02
) -> Float[np.ndarray, " num_classes"]:
    """Weights that balance the classes of a loss, within bounds.

    Args:
        pixels: Pixels of each class in each image.
        c: Keeps the weights below `1 / log(c)`: 50 if 1.02; above 1.

    Returns:
        `1 / log(c + p)` of each class's share p of all labelled pixels; NaN for classes
        that do not occur. After Paszke et al.: ENet, 2016.
    """
    totals = pixels.sum(axis=0)
    shares = totals / max(1, totals.sum())
    return np.where(totals > 0, 1 / np.log(c + shares), np.nan)


def class_repeat_factors(
    pixels: ClassPixels, threshold: float
) -> Float[np.ndarray, " num_classes"]:
    """How often each class asks for the images that contain it.

    Args:
        pixels: Pixels of each class in each image.
        threshold: Share of the images below which a class is rare, 0..1.

    Returns:
        `max(1, sqrt(threshold / f))` of each class, which a share f of the images
        contains; 1 for classes that none contains. After Gupta, Dollár and Girshick:
        LVIS, CVPR 2019, where the threshold is 0.001.

    Raises:
        ValueError: If the threshold is out of its range.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"repeat threshold {threshold}; allowed is 0 (never) to 1")
    images = (pixels > 0).sum(axis=0)
    frequencies = np.where(images > 0, images / max(1, len(pixels)), 1.0)
    return np.maximum(1.0, np.sqrt(threshold / frequencies))


def repeat_factors(
    pixels: ClassPixels, threshold: float
) -> Float[np.ndarray, " images"]:
    """How often each image is seen in an epoch, on average: what its rarest class asks.

    Args:
        pixels: Pixels of each class in each image.
        threshold: As `class_repeat_factors`.

    Returns:
        1 or more of each image.

    Raises:
        ValueError: As `class_repeat_factors`.
    """
    factors = class_repeat_factors(pixels, threshold)
    return np.where(pixels > 0, factors, 1.0).max(axis=1)
