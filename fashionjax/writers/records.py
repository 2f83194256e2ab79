"""Metrics of one split at one step, and what is picked out of many."""

import dataclasses
from collections.abc import Iterable, Mapping

NOT_LOSS_TERMS = frozenset(
    {
        "loss",
        "grad_norm",
        "learning_rate",
        "momentum",
        "loss_scale",
        "skipped",
        "compilations",
        "images_per_second",
        "device_images_per_second",
        "host_images_per_second",
        "peak_memory_bytes",
        "data_wait",
    }
)
"""Training metrics that are no summand of the objective; nor is a name with a slash
(`learning_rate/encoder`). Every other training metric is taken for a loss term."""


@dataclasses.dataclass(frozen=True)
class MetricRecord:
    """One line of `metrics.jsonl`.

    Attributes:
        step: Number of finished updates.
        epoch: Passes over the training split, a fraction; None where unknown.
        split: `train`, `val` or `test`.
        metrics: Value by name; NaN where the value was not finite.
    """

    step: int
    epoch: float | None
    split: str
    metrics: dict[str, float]


def loss_terms(metrics: Mapping[str, float]) -> dict[str, float]:
    """Picks the terms of the objective out of the metrics of a training step."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if name not in NOT_LOSS_TERMS and "/" not in name
    }


def series(
    records: Iterable[MetricRecord], split: str, name: str
) -> tuple[list[int], list[float]]:
    """Picks one metric out of the records.

    Args:
        records: As `read_metrics` returns them.
        split: `train`, `val` or `test`.
        name: Name of the metric.

    Returns:
        Steps and values where the split has the metric; values may be NaN.
    """
    pairs = [
        (record.step, record.metrics[name])
        for record in records
        if record.split == split and name in record.metrics
    ]
    return [step for step, _ in pairs], [value for _, value in pairs]
