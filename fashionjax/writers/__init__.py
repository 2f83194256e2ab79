"""Where the numbers of a run go: `metrics.jsonl`, TensorBoard, Weights & Biases.

The report (`fashionjax.report`) reads what `JsonlWriter` wrote.
"""

from fashionjax.writers.group import WRITERS, MetricWriter, WriterGroup, open_writers
from fashionjax.writers.jsonl import JsonlWriter, read_metrics
from fashionjax.writers.records import NOT_LOSS_TERMS, MetricRecord, loss_terms, series
from fashionjax.writers.tensorboard import TensorBoardWriter
from fashionjax.writers.weights_and_biases import WandbWriter

__all__ = [
    "NOT_LOSS_TERMS",
    "WRITERS",
    "JsonlWriter",
    "MetricRecord",
    "MetricWriter",
    "TensorBoardWriter",
    "WandbWriter",
    "WriterGroup",
    "loss_terms",
    "open_writers",
    "read_metrics",
    "series",
]
