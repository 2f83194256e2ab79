"""Metrics: sums that merge exactly, divided last."""

from fashionjax.metrics.boxes import box_metrics
from fashionjax.metrics.class_counts import ClassCounts
from fashionjax.metrics.images import image_scores
from fashionjax.metrics.measures import Measures, PixelSums
from fashionjax.metrics.segmentation import confusion_matrix, segmentation_metrics
from fashionjax.metrics.tags import tag_metrics

__all__ = [
    "ClassCounts",
    "Measures",
    "PixelSums",
    "box_metrics",
    "confusion_matrix",
    "image_scores",
    "segmentation_metrics",
    "tag_metrics",
]
