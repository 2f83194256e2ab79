"""Examples of a run's test split by their loss, with what the run predicts of them."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.data.dataset import Source
from fashionjax.data.label_maps import LabelMap
from fashionjax.postprocess import dense_crf
from fashionjax.report import Panel
from fashionjax.reproduce.runs import METRICS
from fashionjax.reproduce.table import TEST
from fashionjax.train.eval_step import predict
from fashionjax.train.loop import best_variables
from fashionjax.train.results import make_panels
from fashionjax.train.run import Run, open_run
from fashionjax.train.run_config import read_config
from fashionjax.types import Targets

MAX_SEARCHED = 40
"""Images of the highest loss among which failures are looked for."""

PER_LEVEL = 4

PredictOne: TypeAlias = Callable[[np.ndarray, np.ndarray], tuple[jax.Array, Targets]]
"""From image and label, each a batch of one, to class probabilities and truth."""


@dataclasses.dataclass(frozen=True)
class Example:
    """An example, and how well it went.

    Attributes:
        panel: Photo, truth and prediction.
        loss: Its loss.
        refined: The same with the prediction after a CRF; None where there is none.
    """

    panel: Panel
    loss: float
    refined: Panel | None = None


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Examples of a run, by level.

    Attributes:
        num_images: How many test images were sorted.
        label_map: Classes and colours.
        levels: Examples by what they have in common.
    """

    num_images: int
    label_map: LabelMap
    levels: Mapping[str, Sequence[Example]]


def make_gallery(workdir: Path, crf_folder: str = "") -> Gallery:
    """Sorts test images by loss and predicts some.

    Args:
        workdir: Folder of a finished run that was evaluated with `eval.images`.
        crf_folder: Where its evaluation with CRF lies, for predictions with it too.

    Returns:
        Levels: the highest losses, those in the middle and the lowest; and of the
        highest losses those with the most pixels of one garment taken for another.
    """
    run, variables = open_best(workdir)
    losses = _losses(workdir)
    order = np.argsort(-losses, kind="stable")
    middle = max(0, (len(order) - PER_LEVEL) // 2)
    levels = {
        "highest loss": order[:PER_LEVEL],
        "middle": order[middle : middle + PER_LEVEL],
        "lowest loss": order[::-1][:PER_LEVEL],
        "wrong garment": order[:MAX_SEARCHED],
    }
    places = list(dict.fromkeys(np.concatenate(list(levels.values())).tolist()))
    picked = _Picked(run.dataset.sources["test"], places)
    panels = make_panels(run.experiment, variables, picked, len(places))
    shown = dict(zip(places, panels, strict=True))
    examples = {
        level: [Example(shown[i], float(losses[i])) for i in ids.tolist()]
        for level, ids in levels.items()
    }
    failures = sorted(examples["wrong garment"], key=_wrong_garment, reverse=True)
    examples["wrong garment"] = [e for e in failures[:PER_LEVEL] if _wrong_garment(e)]
    if crf_folder:
        record = json.loads((workdir / crf_folder / METRICS).read_text())
        predict_one = make_predict(run, variables)
        examples = _with_crf(predict_one, examples, record["options"])
    return Gallery(len(losses), run.experiment.label_map, examples)


def open_best(workdir: Path) -> tuple[Run, Mapping[str, Any]]:
    """Opens a finished run; returns it with the variables of its best checkpoint."""
    run = open_run(read_config(workdir), workdir)
    with run.open_checkpoints(read_only=True) as checkpoints:
        _, variables = best_variables(run, checkpoints)
    return run, variables


def make_predict(run: Run, variables: Mapping[str, Any]) -> PredictOne:
    """Builds what predicts an example as the run's evaluation does."""
    experiment = run.experiment

    @jax.jit
    def compute(variables: Any, image: Any, label: Any) -> tuple[jax.Array, Targets]:
        normalized, targets = experiment.prepare(image, label)
        params, batch_stats = variables["params"], variables.get("batch_stats", {})
        probs = predict(experiment.model, params, batch_stats, normalized).probs
        return probs, targets

    # To one device, once: a run's own may be spread over several.
    return functools.partial(compute, jax.device_put(jax.device_get(dict(variables))))


def _with_crf(
    predict_one: PredictOne,
    levels: Mapping[str, Sequence[Example]],
    options: Mapping[str, Any],
) -> dict[str, list[Example]]:
    """The same examples with what a CRF makes of their predictions."""

    def refine(example: Example) -> Example:
        image, label = example.panel.image[None], example.panel.label[None]
        probs = dense_crf(predict_one(image, label)[0], image, **options)
        pred = np.asarray(probs[0].argmax(axis=-1), np.uint8)
        refined = dataclasses.replace(example.panel, pred=pred)
        return dataclasses.replace(example, refined=refined)

    return {level: list(map(refine, examples)) for level, examples in levels.items()}


def _losses(workdir: Path) -> Float[np.ndarray, " images"]:
    """The loss of every test image, in the split's order."""
    lines = (workdir / TEST.folder / "images.jsonl").read_text().splitlines()
    records = sorted(map(json.loads, lines), key=lambda record: record["index"])
    return np.array([record["loss"] for record in records])


def _wrong_garment(example: Example) -> float:
    """Part of the labelled pixels whose garment was taken for another one."""
    label, pred = example.panel.label, example.panel.pred
    worn = (label != BACKGROUND) & (label != IGNORE_INDEX) & (pred != BACKGROUND)
    return float(np.mean(worn & (label != pred)))


@dataclasses.dataclass(frozen=True)
class _Picked:
    """Some examples of a source."""

    source: Source
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.source[self.indices[index]]
