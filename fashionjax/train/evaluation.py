"""Exact evaluation of a split: each image counts once."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from fashionjax.data.dataset import Source
from fashionjax.metrics import Measures, box_metrics, image_scores, tag_metrics
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
        images: A record for each image, in the split's order; None if not asked for.
        prior: Name of what of the truth the model was told in advance; None: nothing.
        measures: What was measured, and how.
        chose_checkpoint: Whether these images also chose the checkpoint, so that no
            number here is of images that had no part in the run.
    """

    split: str
    step: int
    num_images: int
    metrics: dict[str, float]
    confusion: np.ndarray
    images: Sequence[Mapping[str, Any]] | None = None
    prior: str | None = None
    measures: Measures = dataclasses.field(default_factory=Measures)
    chose_checkpoint: bool = False

    @property
    def num_classes_present(self) -> int:
        """Classes that are true or predicted anywhere; the others have no IoU."""
        present = self.confusion.sum(axis=0) + self.confusion.sum(axis=1) > 0
        return int(present.sum())

    def with_image_ids(self, source: Source) -> "Evaluation":
        """The same with `image_id` in the records of the images, if there are any.

        Args:
            source: The split; every example is read again.
        """
        if self.images is None:
            return self
        images = [
            {"image_id": str(source[image["index"]]["image_id"]), **image}
            for image in self.images
        ]
        return dataclasses.replace(self, images=images)

    def save(self, workdir: Path) -> Path:
        """Writes `metrics.json` and the rest to `eval-SPLIT/`; returns the folder.

        `confusion.npy` is always there, `images.jsonl` where images were asked for.
        With a prior the folder is `eval-SPLIT-PRIOR/`.
        """
        folder = workdir / "-".join(filter(None, ("eval", self.split, self.prior)))
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "confusion.npy", self.confusion)
        images = folder / "images.jsonl"
        # Those of an older evaluation must not stay.
        images.unlink(missing_ok=True)
        if self.images is not None:
            lines = (json.dumps(image, ensure_ascii=False) for image in self.images)
            images.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        record = {
            "split": self.split,
            "step": self.step,
            "prior": self.prior,
            "chose_checkpoint": self.chose_checkpoint,
            "num_images": self.num_images,
            "num_classes": len(self.confusion),
            "num_classes_present": self.num_classes_present,
            "measures": dataclasses.asdict(self.measures),
            "metrics": {name: _json(value) for name, value in self.metrics.items()},
        }
        # Last and at once: where it is, the result is whole.
        part = folder / "metrics.json.part"
        part.write_text(json.dumps(record, indent=2) + "\n")
        part.replace(folder / "metrics.json")
        return folder


def _json(value: float) -> float | None:
    """JSON has no NaN: what is undefined is null."""
    return float(value) if np.isfinite(value) else None


def evaluated_step(workdir: Path, split: str) -> int | None:
    """Returns the step of the result that `Evaluation.save` left, if there is one."""
    path = workdir / f"eval-{split}" / "metrics.json"
    return json.loads(path.read_text())["step"] if path.is_file() else None


def evaluate(  # noqa: PLR0913 (keywords of independent meaning)
    eval_step: EvalStep,
    variables: Mapping[str, Any],
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    mesh: Mesh,
    class_names: Sequence[str],
    split: str,
    step: int,
    measures: Measures | None = None,
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
        measures: What `eval_step` was made to count.
        stop: Ends the evaluation early, on all processes at once.

    Returns:
        Metrics and confusion matrix of the split, the same on every process.

    Raises:
        StoppedError: If any process was asked to stop.
    """
    measures = measures or Measures()
    sums = measures.no_pixels(len(class_names))
    rows: list[EvalOutputs] = []
    for batch in batches:
        asked = stop is not None and stop.requested
        device_batch = put_batch(batch, mesh, stop=asked)
        outputs = jax.device_get(
            eval_step(variables["params"], variables["batch_stats"], device_batch)
        )
        if outputs.stop:
            raise StoppedError(f"stopped in the evaluation of {split} at step {step}")
        sums = jax.tree.map(np.add, sums, outputs.sums)
        images = outputs.replace(sums=None, stop=None)
        rows.append(jax.tree.map(lambda x, valid=images.valid: x[valid], images))
    metrics = measures.pixel_metrics(sums, class_names)
    records, num_images = None, 0
    if rows:
        columns = _in_order(rows)
        num_images = len(columns.index)
        metrics |= _image_metrics(columns, class_names[1:])
        if columns.regions is not None:
            metrics |= measures.region_metrics(columns.regions, class_names)
        if measures.images:
            records = _records(columns, class_names)
    confusion = np.asarray(sums.confusion)
    return Evaluation(
        split, step, num_images, metrics, confusion, images=records, measures=measures
    )


def _in_order(rows: Sequence[EvalOutputs]) -> Any:
    """All images, in the order of the split whatever devices and processes had them."""
    columns = jax.tree.map(lambda *parts: np.concatenate(parts), *rows)
    order = np.argsort(columns.index)
    return jax.tree.map(lambda x: x[order], columns)


def _image_metrics(columns: Any, tag_names: Sequence[str]) -> dict[str, float]:
    """Means over images: the loss, and metrics of the branches that there are."""
    metrics = {"loss": float(np.mean(columns.loss, dtype=np.float64))}
    if columns.tag_pred is not None:
        metrics |= tag_metrics(columns.tag_pred, columns.tags, tag_names)
    if columns.box_iou is not None:
        metrics |= box_metrics(columns.box_distance, columns.box_iou, columns.tags)
    return metrics


def _records(columns: Any, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Scores of each image, and its classes in truth and prediction, as JSON values."""
    names, regions = np.asarray(class_names), columns.regions
    scores = image_scores(regions)

    def classes(pixels: np.ndarray) -> list[str]:
        return names[np.flatnonzero(pixels)].tolist()

    return [
        {
            "index": int(columns.index[i]),
            "loss": _json(columns.loss[i]),
            **{name: _json(values[i]) for name, values in scores.items()},
            "classes": classes(regions.true[i]),
            "predicted": classes(regions.pred[i]),
        }
        for i in range(len(columns.index))
    ]
