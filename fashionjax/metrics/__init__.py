"""Metrics: sums that merge exactly, divided last."""

from fashionjax.metrics.boxes import box_metrics
from fashionjax.metrics.segmentation import confusion_matrix, segmentation_metrics
from fashionjax.metrics.tags import tag_metrics

__all__ = ["box_metrics", "confusion_matrix", "segmentation_metrics", "tag_metrics"]
