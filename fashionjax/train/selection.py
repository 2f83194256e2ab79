"""Which checkpoint is the best, and whether the run should stop early.

Both are functions of the evaluations so far, which are kept beside the checkpoints:
there is no counter of patience that a resumed run could lose.
"""

import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

LOWER_IS_BETTER = frozenset({"loss", "box_l1"})
"""Metrics whose lowest value is the best; of all others it is the highest."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """An evaluation on the validation split.

    Attributes:
        step: Steps behind the evaluated parameters.
        metrics: Its finite metrics.
    """

    step: int
    metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Selection:
    """What the evaluations so far say.

    Attributes:
        best_step: Step of the best one; None before the first.
        best_value: Its metric; None if no evaluation had the metric.
        num_stale: Evaluations since the best one.
    """

    best_step: int | None = None
    best_value: float | None = None
    num_stale: int = 0


def select(
    history: Sequence[Scored], metric: str, *, min_delta: float = 0.0
) -> Selection:
    """Finds the best evaluation.

    Keras' EarlyStopping: an evaluation is better if it improves on the best one by more
    than `min_delta`; of equal ones the first stays.

    Args:
        history: Evaluations, in order.
        metric: Name of the metric; one that lacks it (undefined) is no improvement.
        min_delta: Smallest improvement, at least 0.

    Returns:
        The selection. If no evaluation has the metric, the last is taken, since some
        checkpoint has to be.
    """
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    best: tuple[int, float] | None = None
    num_stale = 0
    for scored in history:
        value = sign * scored.metrics.get(metric, -sign * math.inf)
        least = -math.inf if best is None else best[1] + min_delta
        if value > least:
            best, num_stale = (scored.step, value), 0
        else:
            num_stale += 1
    if best is None:
        return Selection(history[-1].step if history else None, None, num_stale)
    return Selection(best[0], sign * best[1], num_stale)


def read_history(path: Path) -> list[Scored]:
    """Reads what `write_history` wrote; a file that is not there is empty."""
    if not path.is_file():
        return []
    return [Scored(**line) for line in json.loads(path.read_text())]


def write_history(path: Path, history: Sequence[Scored]) -> None:
    """Writes the evaluations, at once: a killed process leaves the old file or the new.

    Raises:
        OSError: If the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    with part.open("w") as file:
        json.dump([dataclasses.asdict(scored) for scored in history], file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
