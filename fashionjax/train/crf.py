"""A run's predictions refined by a dense CRF: its options, evaluation and speed."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import functools
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8
from ml_collections import ConfigDict

from fashionjax.constants import EXAMPLE_MASK, IMAGE, LABEL
from fashionjax.data import pipeline
from fashionjax.metrics import confusion_matrix, segmentation_metrics
from fashionjax.postprocess import dense_crf
from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.eval_step import predict
from fashionjax.train.loop import best_variables
from fashionjax.train.progress import print_line
from fashionjax.train.run import Run

SEARCH_RESULT = "crf-search/result.json"
"""File in the work directory: what `fashionjax.crf_search` found."""

_UNSEARCHED = {"bilateral_sxy": 30.0, "bilateral_srgb": 10.0, "bilateral_compat": 10.0}
"""What a public CRF for clothes has (Tangseng et al., Looking at Outfit to Parse)."""

_MAX_VALUES = 1 << 25
"""Probabilities that are refined at a time; what is needed beside them is tenfold."""


def read_options(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """The options of `dense_crf` that a config means.

    Args:
        config: Its part `crf`; what is None is what a search in the work directory
            found, or else a published setting.
        workdir: Folder of the run.
    """
    found: dict[str, Any] = dict(_UNSEARCHED)
    path = workdir / SEARCH_RESULT
    if path.is_file():
        found |= json.loads(path.read_text())["best"]["options"]
    given = {name: value for name, value in config.items() if value is not None}
    return found | given


def refine(
    probs: Float[np.ndarray, "batch height width num_classes"],
    image: UInt8[np.ndarray, "batch height width 3"],
    options: Mapping[str, Any],
) -> Iterator[jax.Array]:
    """Refines a batch, as many images at a time as memory is sure to hold.

    Args:
        probs: Class probabilities.
        image: RGB, 0..255.
        options: Of `dense_crf`.

    Yields:
        Refined probabilities of the next images, float32.
    """
    size = max(1, _MAX_VALUES // probs[0].size)
    for start in range(0, len(probs), size):
        part = slice(start, start + size)
        yield jax.block_until_ready(dense_crf(probs[part], image[part], **options))


class Predicted(NamedTuple):
    """A batch of a split as the model sees it.

    Attributes:
        image: RGB, 0..255, at the model's size.
        label: True class ids, or the ignore index.
        probs: The model's class probabilities.
        seconds: What the model took for an image.
    """

    image: np.ndarray
    label: np.ndarray
    probs: np.ndarray
    seconds: float


def predict_split(
    run: Run, variables: Mapping[str, Any], split: str
) -> Iterator[Predicted]:
    """Predicts every image of a split once, in order.

    Args:
        run: The run; of one process.
        variables: `params` and `batch_stats`.
        split: "train", "val" or "test".

    Raises:
        ValueError: If there are several processes.
    """
    if jax.process_count() > 1:
        raise ValueError("the CRF is for one process")
    experiment = run.experiment

    @jax.jit
    def compute(variables: Any, image: Any, label: Any) -> Any:
        image, targets = experiment.prepare(image, label)
        params, batch_stats = variables["params"], variables["batch_stats"]
        probs = predict(experiment.model, params, batch_stats, image).probs
        return probs, targets.label

    variables = jax.device_get(variables)
    variables = jax.device_put(variables, jax.local_devices()[0])
    warm = False
    for batch in pipeline.eval_batches(
        run.dataset.sources[split],
        batch_size=run.config.eval_batch_size,
        num_classes=experiment.label_map.num_classes,
    ):
        image, label = batch[IMAGE], batch[LABEL]
        if not warm:
            jax.block_until_ready(compute(variables, image, label))
            warm = True
        start = time.perf_counter()
        probs, label = jax.block_until_ready(compute(variables, image, label))
        seconds = (time.perf_counter() - start) / len(image)
        valid = np.asarray(batch[EXAMPLE_MASK])
        yield Predicted(
            np.asarray(image)[valid],
            np.asarray(label)[valid],
            np.asarray(probs)[valid],
            seconds,
        )


def count(probs: Any, label: Any, num_classes: int) -> np.ndarray:
    """The confusion matrix of the most probable classes, int64."""
    return np.asarray(_count(probs, label, num_classes), np.int64)


@functools.partial(jax.jit, static_argnums=2)
def _count(probs: jax.Array, label: jax.Array, num_classes: int) -> jax.Array:
    return confusion_matrix(label, probs.argmax(-1), num_classes)


def evaluate_with_crf(run: Run, checkpoints: Checkpoints, split: str) -> dict[str, Any]:
    """Evaluates the best checkpoint with and without CRF; writes `eval-SPLIT-crf/`.

    Images per second are the medians of what batches took, reading and counting left
    out; the first batch of a shape, which compiles, counts as any other.

    Args:
        run: The run; of one process.
        checkpoints: Its checkpoints.
        split: "train", "val" or "test".

    Returns:
        The record that `metrics.json` has: "metrics" with CRF, "without_crf" without,
        "images_per_second" of both, and the CRF's "options".

    Raises:
        ValueError: If there are several processes, no evaluated checkpoint, or an
            option of the CRF is not allowed.
    """
    options = read_options(run.config.crf, run.workdir)
    step, variables = best_variables(run, checkpoints)
    names = run.experiment.label_map.class_names
    without, refined = np.zeros((2, len(names), len(names)), np.int64)
    model_seconds, crf_seconds, num_images = [], [], 0
    for batch in predict_split(run, variables, split):
        without += count(batch.probs, batch.label, len(names))
        model_seconds.append(batch.seconds)
        start, done = time.perf_counter(), 0
        for probs in refine(batch.probs, batch.image, options):
            crf_seconds.append((time.perf_counter() - start) / len(probs))
            label = batch.label[done : done + len(probs)]
            refined += count(probs, label, len(names))
            start, done = time.perf_counter(), done + len(probs)
        num_images += done
    seconds = median(model_seconds)
    record = {
        "split": split,
        "step": step,
        "num_images": num_images,
        "options": options,
        "images_per_second": {
            "without_crf": 1 / seconds,
            "with_crf": 1 / (seconds + median(crf_seconds)),
        },
        "metrics": _finite(segmentation_metrics(refined, names)),
        "without_crf": _finite(segmentation_metrics(without, names)),
    }
    _save(run.workdir / f"eval-{split}-crf", record, refined)
    print_line(table(record))
    return record


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN: an undefined metric is null."""
    return {k: v if np.isfinite(v) else None for k, v in metrics.items()}


def _save(folder: Path, record: Mapping[str, Any], confusion: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "confusion.npy", confusion)
    (folder / "table.md").write_text(table(record) + "\n")
    # Last and at once: where it is, the result is whole.
    part = folder / "metrics.json.part"
    part.write_text(json.dumps(record, indent=2) + "\n")
    part.replace(folder / "metrics.json")


def table(record: Mapping[str, Any]) -> str:
    """Accuracy, IoU and speed with and without CRF, in Markdown."""
    shown = ("pixel_accuracy", "mean_iou", "pooled_iou_excl_bg")
    rows = [
        f"| {record['split']}, step {record['step']}, {record['num_images']} images |"
        f" {' | '.join(shown)} | images/s |",
        "|---" * (len(shown) + 2) + "|",
    ]
    for name, metrics in (
        ("without_crf", record["without_crf"]),
        ("with_crf", record["metrics"]),
    ):
        values = ["–" if metrics[k] is None else f"{metrics[k]:.4f}" for k in shown]
        speed = f"{record['images_per_second'][name]:.2f}"
        rows.append(
            f"| {name.replace('_crf', ' CRF')} | {' | '.join(values)} | {speed} |"
        )
    return "\n".join(rows)
