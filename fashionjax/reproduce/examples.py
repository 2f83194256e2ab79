"""Examples of a run's test split by their loss, with what the run predicts of them."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.data.dataset import Source
from fashionjax.report import Panel
from fashionjax.reproduce.table import TEST
from fashionjax.train.results import make_panels
from fashionjax.train.run import Run, open_run
from fashionjax.train.run_config import read_config
from fashionjax.visualize import Palette

MAX_SEARCHED = 40
"""Images of the highest loss among which failures are looked for."""

PER_LEVEL = 4


@dataclasses.dataclass(frozen=True)
class Example:
    """An example, and how well it went.

    Attributes:
        panel: Photo, truth and prediction.
        loss: Its loss.
    """

    panel: Panel
    loss: float


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Examples of a run, by level.

    Attributes:
        num_images: How many test images were sorted.
        palette: RGB of each class.
        levels: Examples by what they have in common.
    """

    num_images: int
    palette: Palette
    levels: Mapping[str, Sequence[Example]]


def make_gallery(workdir: Path) -> Gallery:
    """Sorts test images by loss and predicts some.

    Args:
        workdir: Folder of a finished run that was evaluated with `eval.images`.

    Returns:
        Levels: the highest losses, those in the middle and the lowest; and of the
        highest losses those with the most pixels of one garment taken for another.
    """
    run = open_run(read_config(workdir), workdir)
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
    panels = make_panels(run.experiment, _best_variables(run), picked, len(places))
    shown = dict(zip(places, panels, strict=True))
    examples = {
        level: [Example(shown[i], float(losses[i])) for i in ids.tolist()]
        for level, ids in levels.items()
    }
    failures = sorted(examples["wrong garment"], key=_wrong_garment, reverse=True)
    examples["wrong garment"] = [e for e in failures[:PER_LEVEL] if _wrong_garment(e)]
    return Gallery(len(losses), run.experiment.label_map.palette, examples)


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


def _best_variables(run: Run) -> dict[str, Any]:
    """Parameters and statistics of the best checkpoint."""
    abstract = run.abstract_state
    with run.open_checkpoints(read_only=True) as checkpoints:
        step = checkpoints.best_step
        if step is None:
            raise ValueError(f"{run.workdir} has no checkpoint that was evaluated")
        return checkpoints.restore_variables(
            step,
            {"params": abstract.params, "batch_stats": abstract.batch_stats},
            ema=abstract.ema is not None,
        )


@dataclasses.dataclass(frozen=True)
class _Picked:
    """Some examples of a source."""

    source: Source
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.source[self.indices[index]]
