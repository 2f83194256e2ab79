"""Several writers as one, and how a run opens its own."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fashionjax.writers.jsonl import JsonlWriter
from fashionjax.writers.tensorboard import TensorBoardWriter
from fashionjax.writers.weights_and_biases import WandbWriter


class MetricWriter(Protocol):
    """Takes the metrics of one split at one step."""

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Writes scalars; Python, NumPy and JAX scalars are all fine."""
        ...

    def close(self) -> None:
        """Flushes and closes; a second call does nothing."""
        ...


class WriterGroup:
    """Several writers as one; what fails in a writer never ends a run.

    A failing writer is warned about once, by name, and is still given the later
    metrics: a disk that was full may have room again.

    Args:
        writers: Writers, served in this order.
    """

    def __init__(self, writers: Sequence[MetricWriter]) -> None:
        self._writers = tuple(writers)
        self._warned: set[int] = set()

    def _warn(self, position: int, error: Exception) -> None:
        if position not in self._warned:
            self._warned.add(position)
            name = type(self._writers[position]).__name__
            warnings.warn(
                f"{name} failed, the run goes on without complete metrics there: "
                f"{type(error).__name__}: {error}",
                stacklevel=3,
            )

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Passes the metrics to every writer."""
        for position, writer in enumerate(self._writers):
            try:
                writer.write(step, split, metrics, epoch)
            except Exception as error:  # a log must not cost the training
                self._warn(position, error)

    def close(self) -> None:
        """Closes every writer."""
        for position, writer in enumerate(self._writers):
            try:
                writer.close()
            except Exception as error:  # the others still have to be closed
                self._warn(position, error)


def _open_tensorboard(
    workdir: Path, config: Mapping[str, Any] | None, resume_step: int | None
) -> MetricWriter:
    del config
    return TensorBoardWriter(workdir / "tensorboard", resume_step)


WRITERS: Mapping[
    str, Callable[[Path, Mapping[str, Any] | None, int | None], MetricWriter]
] = {"tensorboard": _open_tensorboard, "wandb": WandbWriter}
"""Writers beside `metrics.jsonl` by name, given folder, config and resumed step.

The other name tables are in `fashionjax.builders`, which makes objects out of a config
alone: it must know nothing of the files and services of the process that trains.
"""


def open_writers(
    workdir: str | os.PathLike[str],
    resume_step: int | None = None,
    names: Sequence[str] = ("tensorboard",),
    config: Mapping[str, Any] | None = None,
) -> WriterGroup:
    """Opens what a run writes: always `metrics.jsonl`, and the writers that are named.

    Args:
        workdir: Folder of the run; created.
        resume_step: Step that the run goes on from; 0 for a run from the start.
        names: Names of `WRITERS`.
        config: What the run was configured with, for writers that show it.

    Returns:
        The group. A writer that fails to open is warned about and left out.

    Raises:
        ValueError: If a name is not in `WRITERS`; nothing is opened then.
        OSError: If `metrics.jsonl` cannot be written.
    """
    for name in names:
        if name not in WRITERS:
            raise ValueError(
                f"unknown writer {name!r}; allowed are {', '.join(WRITERS)}"
            )
    folder = Path(workdir)
    writers: list[MetricWriter] = [JsonlWriter(folder / "metrics.jsonl", resume_step)]
    for name in names:
        try:
            writers.append(WRITERS[name](folder, config, resume_step))
        except Exception as error:  # a log must not cost the training
            warnings.warn(
                f"the run goes on without the writer {name!r}: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )
    return WriterGroup(writers)
