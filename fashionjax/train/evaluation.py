"""Exact evaluation of a split: each image counts once."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from fashionjax.metrics import box_metrics, segmentation_metrics, tag_metrics
from fashionjax.train.eval_step import EvalOutputs, EvalStep
from fashionjax.train.interrupt import StoppedError, StopRequest
from fashionjax.train.sharding import put_batch


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The result of evaluating one split.

    Attributes:
        split: "train", "val" or "test".
        step: Number of updates behind the evaluated parameters.
        num_images: Images counted.
        metrics: Fractions in [0, 1], NaN where undefined.
        confusion: int64 pixel counts, rows = true class, columns = prediction.
    """

    split: str
    step: int
    num_images: int
    metrics: dict[str, float]
    confusion: np.ndarray

    def save(self, workdir: Path) -> Path:
        """Writes `eval-SPLIT/metrics.json` and `confusion.npy`; returns the folder."""
        folder = workdir / f"eval-{self.split}"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "confusion.npy", self.confusion)
        record = {
            "split": self.split,
            "step": self.step,
            "num_images": self.num_images,
            # JSON has no NaN: an undefined metric is null.
            "metrics": {
                k: v if np.isfinite(v) else None for k, v in self.metrics.items()
            },
        }
        # Last and at once: where it is, the result is whole.
        part = folder / "metrics.json.part"
        part.write_text(json.dumps(record, indent=2) + "\n")
        part.replace(folder / "metrics.json")
        return folder


def evaluated_step(workdir: Path, split: str) -> int | None:
    """Returns the step of the result that `Evaluation.save` left, if there is one."""
    path = workdir / f"eval-{split}" / "metrics.json"
    return json.loads(path.read_text())["step"] if path.is_file() else None


def evaluate(
    eval_step: EvalStep,
    variables: Mapping[str, Any],
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    mesh: Mesh,
    class_names: Sequence[str],
    split: str,
    step: int,
    stop: StopRequest | None = None,
) -> Evaluation:
    """Evaluates a split.

    Args:
        eval_step: What `make_eval_step` returned.
        variables: `params` and `batch_stats` of the model.
        batches: This process's share of the split; the same number of batches on
            every process.
        mesh: The mesh of the run.
        class_names: Names of the classes, background first.
        split: Name of the split.
        step: Number of updates behind the parameters.
        stop: Ends the evaluation early, on all processes at once.

    Returns:
        Metrics and confusion matrix of the split, the same on every process.

    Raises:
        StoppedError: If any process was asked to stop.
    """
    confusion = np.zeros((len(class_names), len(class_names)), np.int64)
    rows: list[EvalOutputs] = []
    num_images = 0
    for batch in batches:
        asked = stop is not None and stop.requested
        device_batch = put_batch(batch, mesh, stop=asked)
        outputs = jax.device_get(
            eval_step(variables["params"], variables["batch_stats"], device_batch)
        )
        if outputs.stop:
            raise StoppedError(f"stopped in the evaluation of {split} at step {step}")
        confusion += outputs.confusion
        num_images += int(outputs.valid.sum())
        images = outputs.replace(confusion=None, stop=None)
        rows.append(jax.tree.map(lambda x, valid=images.valid: x[valid], images))
    metrics = segmentation_metrics(confusion, class_names)
    metrics |= _image_metrics(rows, class_names[1:])
    return Evaluation(split, step, num_images, metrics, confusion)


def _image_metrics(
    rows: Sequence[EvalOutputs], tag_names: Sequence[str]
) -> dict[str, float]:
    """Means over images: the loss, and metrics of the branches that there are."""
    if not rows:
        return {}
    columns = jax.tree.map(lambda *parts: np.concatenate(parts), *rows)
    metrics = {"loss": float(np.mean(columns.loss, dtype=np.float64))}
    if columns.tag_pred is not None:
        metrics |= tag_metrics(columns.tag_pred, columns.tags, tag_names)
    if columns.box_iou is not None:
        metrics |= box_metrics(columns.box_distance, columns.box_iou, columns.tags)
    return metrics
