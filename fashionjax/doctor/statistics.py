"""Statistics of classes and sizes, from counts alone."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int64, Real

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.data.class_balance import median_frequency_weights


@dataclasses.dataclass(frozen=True)
class Spread:
    """How a quantity is spread over the images.

    Attributes:
        min: The smallest value.
        median: The middle one.
        mean: Their mean.
        max: The largest value.
        std: Their standard deviation.
    """

    min: float
    median: float
    mean: float
    max: float
    std: float


@dataclasses.dataclass(frozen=True)
class ClassCounts:
    """The classes of some images.

    Attributes:
        num_images: How many images.
        images: Number of images that contain each class.
        pixels: Number of pixels of each class.
        shares: Part of the labelled pixels that are of each class.
        weights: Median-frequency weight of each class; None where it does not occur.
        ignored_share: Part of all pixels that have no label.
        background_accuracy: Pixel accuracy of predicting background everywhere; None
            without labelled pixels.
    """

    num_images: int
    images: list[int]
    pixels: list[int]
    shares: list[float]
    weights: list[float | None]
    ignored_share: float
    background_accuracy: float | None


@dataclasses.dataclass(frozen=True)
class SourceCounts:
    """The ids of some images as the dataset has them, whatever is made of them.

    Attributes:
        names: By source id.
        num_images: How many images, by split.
        images: Number of images that contain each id, by split.
        pixels: Number of pixels of each id, also where it lies below others.
        covered: Number of those that lie below others.
        shares: Part of the labelled pixels that have each id, alone or with others.
        nothing: Part of them that have none: between instances.
        images_by_number: How many images contain how many ids, by that number.
    """

    names: tuple[str, ...]
    num_images: dict[str, int]
    images: dict[str, list[int]]
    pixels: list[int]
    covered: list[int]
    shares: list[float]
    nothing: float
    images_by_number: dict[int, int]


def count_sources(
    sources: Int64[np.ndarray, "images 256"],
    covered: Int64[np.ndarray, "images 256"],
    labelled: int,
    names: Sequence[str],
    rows: Mapping[str, Bool[np.ndarray, " images"]],
) -> SourceCounts:
    """Counts source ids.

    Args:
        sources: Pixels of each id in each image.
        covered: How many of those lie below others.
        labelled: Number of pixels that have a label.
        names: By id.
        rows: Which images are in each split.
    """
    sources, covered = sources[:, : len(names)], covered[:, : len(names)]
    present = sources > 0
    numbers, counts = np.unique(present.sum(axis=1), return_counts=True)
    return SourceCounts(
        names=tuple(names),
        num_images={split: int(chosen.sum()) for split, chosen in rows.items()},
        images={
            split: present[chosen].sum(axis=0).tolist()
            for split, chosen in rows.items()
        },
        pixels=sources.sum(axis=0).tolist(),
        covered=covered.sum(axis=0).tolist(),
        shares=(sources.sum(axis=0) / max(1, labelled)).tolist(),
        nothing=1 - int((sources - covered).sum()) / labelled if labelled else 0.0,
        images_by_number=dict(zip(numbers.tolist(), counts.tolist(), strict=True)),
    )


def count_classes(
    pixels: Int64[np.ndarray, "images 256"], num_classes: int
) -> ClassCounts:
    """Counts the classes of images.

    Args:
        pixels: Pixels of each class in each image, `IGNORE_INDEX` of those without one.
        num_classes: Number of classes, background included.
    """
    classes = pixels[:, :num_classes]
    totals = classes.sum(axis=0)
    labelled, ignored = int(totals.sum()), int(pixels[:, IGNORE_INDEX].sum())
    weights = median_frequency_weights(classes)
    return ClassCounts(
        num_images=len(pixels),
        images=(classes > 0).sum(axis=0).tolist(),
        pixels=totals.tolist(),
        shares=(totals / max(1, labelled)).tolist(),
        weights=[float(w) if np.isfinite(w) else None for w in weights],
        ignored_share=ignored / max(1, labelled + ignored),
        background_accuracy=int(totals[BACKGROUND]) / labelled if labelled else None,
    )


def spread(values: Real[np.ndarray, " images"]) -> Spread:
    """Returns the spread of at least one value."""
    return Spread(
        min=float(np.min(values)),
        median=float(np.median(values)),
        mean=float(np.mean(values)),
        max=float(np.max(values)),
        std=float(np.std(values)),
    )


def size_spreads(sizes: Int64[np.ndarray, "images 2"]) -> dict[str, Spread]:
    """Returns the spreads of heights, widths (pixels), aspect ratios and megapixels.

    Args:
        sizes: (height, width) of each image.
    """
    height, width = sizes[:, 0], sizes[:, 1]
    return {
        "height": spread(height),
        "width": spread(width),
        "aspect_ratio": spread(height / width),
        "megapixels": spread(height * width / 1e6),
    }
