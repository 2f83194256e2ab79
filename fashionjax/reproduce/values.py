"""The numbers of a table: the document's and ours, read from what its runs wrote."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from fashionjax import builders
from fashionjax.constants import BACKGROUND
from fashionjax.data.label_maps import LabelMap
from fashionjax.report.confusion import column_percent, row_percent
from fashionjax.reproduce.runs import METRICS, Outcome
from fashionjax.reproduce.scale import Scale
from fashionjax.reproduce.table import TEST, Cell, Evaluation, Run, Table, Unit
from fashionjax.train.run_config import read_config

NO_NUMBER = "–"
FAILED = "failed"
NOT_MADE = "not made"


@dataclasses.dataclass(frozen=True)
class Value:
    """A cell, filled.

    Attributes:
        paper: The document's number, in the unit of its part; None where none.
        ours: Ours, in the same unit; None where the run has no such number.
        difference: Ours less the document's; None where they do not compare.
        lack: What stands in place of ours where a run has no result; else empty.
    """

    paper: float | None
    ours: float | None = None
    difference: float | None = None
    lack: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """What to show, by what it is: "paper", "ours", "difference"."""
        return {
            "paper": _number(self.paper),
            "ours": self.lack or _number(self.ours),
            "difference": _number(self.difference, sign="+"),
        }


@dataclasses.dataclass(frozen=True)
class Results:
    """A table with what its runs gave.

    Attributes:
        table: The table.
        scale: What its runs were made with.
        outcomes: What became of each run's evaluations.
        command: What was typed.
    """

    table: Table
    scale: Scale
    outcomes: Mapping[tuple[Run, Evaluation], Outcome]
    command: str

    @property
    def label(self) -> str:
        """What is said of the numbers; empty where they compare to the paper's."""
        return self.scale.label(self.table)

    @functools.cached_property
    def _metrics(self) -> dict[tuple[Run, Evaluation], Mapping[str, float]]:
        """The metrics of every evaluation, each read once."""
        return {
            (run, evaluation): read_metrics(outcome.plan.workdir, evaluation)
            for (run, evaluation), outcome in self.outcomes.items()
            if not outcome.error
        }

    def workdirs(self, runs: Sequence[Run]) -> dict[Run, Path]:
        """The folders of those runs that have a result, each once.

        On other data than the document's, runs may differ in nothing.
        """
        found: dict[Path, Run] = {}
        for run in runs:
            outcome = self.outcomes[run, TEST]
            if not outcome.error:
                found.setdefault(outcome.plan.workdir, run)
        return {run: workdir for workdir, run in found.items()}

    @property
    def remarks(self) -> list[str]:
        """What must be said of runs: which are one, blank, or chosen by test photos."""
        found: dict[Path, list[str]] = {}
        for run in self.table.runs:
            workdir = self.outcomes[run, TEST].plan.workdir
            found.setdefault(workdir, []).append(run.title)
        same = [
            f"One and the same run: {' = '.join(titles)}"
            for titles in found.values()
            if len(titles) > 1
        ]
        chose = [
            f"{' = '.join(titles)}: no photos were left to test; those that are"
            " evaluated also chose the checkpoint"
            for workdir, titles in found.items()
            if _chose_checkpoint(workdir)
        ]
        return same + chose + self._blank()

    def _blank(self) -> list[str]:
        """Names the runs that found nothing, whose numbers say nothing of the model."""
        blank = [
            run.title
            for run, workdir in self.workdirs(self.table.runs).items()
            if _is_all_background(workdir)
        ]
        if not blank:
            return []
        return [
            "All that these predict is background, so that their numbers and curves may"
            f" coincide: {'; '.join(blank)}"
        ]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The numbers of a cell that are shown: no difference where none can be."""
        return ("paper", "ours") + ("difference",) * (not self.label)

    @property
    def failures(self) -> list[Outcome]:
        """The runs and evaluations without a result."""
        failed = (outcome for outcome in self.outcomes.values() if outcome.error)
        return list(dict.fromkeys(failed))

    def value(self, cell: Cell, unit: Unit) -> Value:
        """A cell, filled, in the unit of its part."""
        if cell.run is None:
            return Value(cell.paper)
        outcome = self.outcomes[cell.run, cell.evaluation]
        if outcome.error:
            lack = NOT_MADE if outcome.stopped else FAILED
            return Value(cell.paper, lack=lack)
        metrics = self._metrics[cell.run, cell.evaluation]
        found = metrics.get(cell.metric, math.nan)
        if not math.isfinite(found):
            return Value(cell.paper)
        ours = 100 * found if unit == "percent" else found
        # Speeds are those of machines.
        if cell.paper is None or self.label or unit == "images/s":
            return Value(cell.paper, ours)
        return Value(cell.paper, ours, ours - cell.paper)


def _number(value: float | None, sign: str = "") -> str:
    return NO_NUMBER if value is None else f"{value:{sign}.2f}".replace("-", "−")


def read_metrics(workdir: Path, evaluation: Evaluation) -> dict[str, float]:
    """The metrics of an evaluation of a run, and the parts of its confusion matrix.

    Args:
        workdir: Folder of the run.
        evaluation: Which one.

    Returns:
        Fractions by name, those of the matrix as `row/TRUE/PRED`, part of the true
        class, and `column/TRUE/PRED`, part of the predicted one; of an evaluation with
        CRF `images_per_second/with_crf` and `…/without_crf`. NaN where undefined. Empty
        if there is no such evaluation.
    """
    folder = workdir / evaluation.folder
    if not (folder / METRICS).is_file():
        return {}
    record = json.loads((folder / METRICS).read_text())
    speeds = record.get("images_per_second", {})
    found = record["metrics"] | {f"images_per_second/{k}": v for k, v in speeds.items()}
    metrics = {k: math.nan if v is None else float(v) for k, v in found.items()}
    names = label_map_of(workdir).class_names
    return metrics | _parts(np.load(folder / "confusion.npy"), names)


def _chose_checkpoint(workdir: Path) -> bool:
    """Whether the images that a run was tested with also chose its checkpoint."""
    path = workdir / TEST.folder / METRICS
    if not path.is_file():
        return False
    # Runs from before it was recorded say nothing.
    return json.loads(path.read_text()).get("chose_checkpoint", False)


def _is_all_background(workdir: Path) -> bool:
    """Whether a run predicts no other class in any test image."""
    confusion = np.load(workdir / TEST.folder / "confusion.npy")
    return not confusion[:, BACKGROUND + 1 :].any()


def label_map_of(workdir: Path) -> LabelMap:
    """Classes and colours of a run."""
    return builders.build_label_map(read_config(workdir).data.label_map)


def _parts(
    confusion: Int64[np.ndarray, "num_classes num_classes"], names: Sequence[str]
) -> dict[str, float]:
    """Each cell of a confusion matrix, as a part of its row and of its column."""
    kinds = {"row": row_percent(confusion), "column": column_percent(confusion)}
    return {
        f"{kind}/{true}/{pred}": float(percents[i, j]) / 100
        for kind, percents in kinds.items()
        for i, true in enumerate(names)
        for j, pred in enumerate(names)
    }
