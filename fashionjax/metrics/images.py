"""What is known image by image: scores, regions by size, means over batches."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from fashionjax.constants import BACKGROUND
from fashionjax.metrics.class_counts import ClassCounts
from fashionjax.metrics.quotients import Absent, mean_of_known, quotient


def image_scores(
    regions: ClassCounts,
) -> dict[str, Float[np.ndarray, " images"]]:
    """Scores of each image on its own; means are over the classes in that image.

    Args:
        regions: Of `count_classes`, `[images, num_classes]`.

    Returns:
        `pixel_accuracy`, `mean_iou` (background included, over the classes that are
        true or predicted in the image), `pooled_iou_excl_bg` and `mask_iou`: fractions
        in [0, 1], NaN where undefined.
    """
    hit, true, pred = (np.asarray(x, np.int64) for x in regions.parts)
    return {
        "pixel_accuracy": quotient(hit.sum(axis=-1), true.sum(axis=-1)),
        "mean_iou": mean_of_known(regions.iou()),
        "pooled_iou_excl_bg": _pooled_iou_excl_bg(hit, true, pred),
        "mask_iou": _mask_iou(hit, true, pred),
    }


def batch_mean_metrics(
    regions: ClassCounts, class_names: Sequence[str], batch_size: int
) -> dict[str, float]:
    """Metrics of batches, averaged with the batches' sizes as weights.

    This is what a framework reports that computes metrics batch by batch, such as
    fastai; it depends on the batch size and on the order of the images. The batches
    are of consecutive images, whatever batches the evaluation ran in. Undefined values
    are left out: a class counts in the batches where it is true or predicted.

    Args:
        regions: Of `count_classes`, `[images, num_classes]`, in the order of the split.
        class_names: Names of the classes, background first.
        batch_size: Images of a batch; 1 gives means over images.

    Returns:
        `batch_mean/NAME` for `pooled_iou`, `pooled_iou_excl_bg`, `mask_iou` and
        `iou/CLASS`: fractions in [0, 1], NaN where undefined.
    """
    num_images = len(regions.true)
    starts = np.arange(0, num_images, batch_size)
    weights = np.diff(np.append(starts, num_images))
    hit, true, pred = (
        np.add.reduceat(np.asarray(x, np.int64), starts, axis=0) for x in regions.parts
    )
    union = true + pred - hit
    values = {
        "pooled_iou": quotient(hit.sum(axis=-1), union.sum(axis=-1)),
        "pooled_iou_excl_bg": _pooled_iou_excl_bg(hit, true, pred),
        "mask_iou": _mask_iou(hit, true, pred),
    }
    iou = quotient(hit, union).T
    values |= {f"iou/{n}": v for n, v in zip(class_names, iou, strict=True)}
    return {f"batch_mean/{n}": _weighted(v, weights) for n, v in values.items()}


def size_metrics(
    regions: ClassCounts, edges: Sequence[int], *, absent: Absent = "skip"
) -> dict[str, float]:
    """IoU of small and of large objects.

    An object is all that is true of a foreground class in an image. It falls into a
    bucket by its number of pixels. The IoU of a class in a bucket is that of the images
    where its objects are: what is predicted where a class is absent has no size.

    Args:
        regions: Of `count_classes`, `[images, num_classes]`.
        edges: Numbers of pixels at which the next bucket begins, ascending.
        absent: What the IoU of a class without objects in a bucket is.

    Returns:
        For each bucket, such as `below_1024`, `1024_to_9215` and `from_9216`:
        `iou_by_size/BUCKET`, the mean over foreground classes, and
        `pooled_iou_by_size/BUCKET`, that of all its objects together. Fractions in
        [0, 1], NaN where undefined.
    """
    hit, true, pred = (
        np.delete(np.asarray(x, np.int64), BACKGROUND, axis=-1) for x in regions.parts
    )
    metrics = {}
    for name, inside in size_buckets(true, edges).items():
        counts = ClassCounts(*(np.where(inside, x, 0) for x in (hit, true, pred)))
        of_class = ClassCounts(*(x.sum(axis=0) for x in counts.parts))
        of_all = ClassCounts(*(x.sum() for x in counts.parts))
        metrics[f"iou_by_size/{name}"] = float(mean_of_known(of_class.iou(absent)))
        metrics[f"pooled_iou_by_size/{name}"] = float(of_all.iou())
    return metrics


def size_buckets(
    area: np.ndarray, edges: Sequence[int]
) -> dict[str, Bool[np.ndarray, "*shape"]]:
    """Divides areas into buckets; an area of 0 is in none.

    Args:
        area: Numbers of pixels.
        edges: Where the next bucket begins, ascending, above 0.

    Returns:
        Which areas are in the bucket, by its name.
    """
    lowest = (1, *edges)
    names = [f"below_{edges[0]}"]
    names += [f"{a}_to_{b - 1}" for a, b in itertools.pairwise(edges)]
    names += [f"from_{edges[-1]}"]
    bucket = np.searchsorted(lowest, area, side="right") - 1
    return {name: bucket == i for i, name in enumerate(names)}


def _weighted(values: np.ndarray, weights: np.ndarray) -> float:
    known = ~np.isnan(values)
    total = weights.sum(where=known)
    return float((values * weights).sum(where=known) / total) if total else np.nan


def _pooled_iou_excl_bg(
    hit: np.ndarray, true: np.ndarray, pred: np.ndarray
) -> Float[np.ndarray, " images"]:
    foreground = np.arange(hit.shape[-1]) != BACKGROUND
    union = (true + pred - hit).sum(axis=-1, where=foreground)
    return quotient(hit.sum(axis=-1, where=foreground), union)


def _mask_iou(
    hit: np.ndarray, true: np.ndarray, pred: np.ndarray
) -> Float[np.ndarray, " images"]:
    """IoU of foreground and background as two classes, the foreground's."""
    total = true.sum(axis=-1)
    both = hit[..., BACKGROUND]
    either = true[..., BACKGROUND] + pred[..., BACKGROUND] - both
    return quotient(total - either, total - both)
