"""What a training run tells: a progress line, metrics, and programs compiled again."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from fashionjax.train.evaluation import Evaluation
from fashionjax.train.guards import CompilationCount
from fashionjax.train.memory import peak_memory
from fashionjax.train.progress import Progress, print_line
from fashionjax.writers import MetricWriter

LAST = frozenset({"learning_rate", "momentum", "loss_scale"})
"""Metrics that are not averaged over the steps since the last line."""

SHOWN = ("loss", "mean_iou", "pooled_iou_excl_bg", "mask_iou", "pixel_accuracy", "f1")
"""Metrics in the line about an evaluation."""


class TrainLog:
    """Collects the metrics of steps; prints and writes them every so often."""

    def __init__(
        self,
        progress: Progress,
        writers: MetricWriter,
        compilations: CompilationCount,
        *,
        every: int,
        host_metrics: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Starts at the progress' first step.

        Args:
            progress: Measures and prints.
            writers: Where the metrics go.
            compilations: Counts the programs that are compiled; entered by the caller.
            every: Steps between two lines.
            host_metrics: Returns what else was measured since its last call.
        """
        self._progress, self._writers = progress, writers
        self._compilations = compilations
        self._every = every
        self._host_metrics = host_metrics
        self._steps: list[Mapping[str, jax.Array]] = []
        self._last_step = 0

    @contextlib.contextmanager
    def pause(self, *, once: bool = False) -> Iterator[None]:
        """Leaves what happens meanwhile out of the speed; it may compile."""
        with self._progress.pause(once=once):
            yield
        self._compilations.take()

    def waiting_for_data(self) -> contextlib.AbstractContextManager[None]:
        """Measures the time that a step waits for its batch."""
        return self._progress.waiting_for_data()

    def dispatching(self) -> contextlib.AbstractContextManager[None]:
        """Measures the call of a step, which may or may not wait for its end."""
        return self._progress.dispatching()

    def step(
        self, step: int, metrics: Mapping[str, jax.Array], *, last: bool = False
    ) -> None:
        """Adds a step that has begun; waits for it if it is time for a line.

        The step before has ended: the wait shows how long the devices take.

        Args:
            step: The step.
            metrics: Its scalars.
            last: Whether there is a line in any case.
        """
        self._steps.append(metrics)
        self._last_step = step
        if step % self._every == 0 or last:
            with self._progress.finishing():
                jax.block_until_ready(metrics)
            self._report(step)

    @contextlib.contextmanager
    def flushing(self, *stops: type[Exception]) -> Iterator[None]:
        """Tells the steps since the last line also where the run stops between two.

        Args:
            *stops: Errors that stop a run and leave its devices as they were.
        """
        try:
            yield
        except stops:
            self._report(self._last_step)
            raise
        self._report(self._last_step)

    def _report(self, step: int) -> None:
        if not self._steps:
            return
        averages = average(jax.device_get(self._steps))
        self._steps = []
        rates = self._progress.report(step, averages)
        again = self._compilations.take()
        if again:
            print_line(
                f"{again} program(s) compiled again before step {step}: the shape or"
                " type of something changes between steps, and that costs time"
            )
        averages |= rates.metrics() | {"compilations": again}
        averages |= self._host_metrics()
        peak = peak_memory()
        if peak is not None:
            averages["peak_memory_bytes"] = peak
        self._writers.write(step, "train", averages, self._progress.epoch(step))

    def evaluation(self, result: Evaluation) -> None:
        """Prints and writes an evaluation during training."""
        print_evaluation(result)
        epoch = self._progress.epoch(result.step)
        self._writers.write(result.step, result.split, result.metrics, epoch)


def average(steps: list[Mapping[str, Any]]) -> dict[str, float]:
    """Means over steps, of those in which a value is finite.

    Args:
        steps: Scalars of each step, at least one.

    Returns:
        Means by name; NaN where no value is finite. `LAST` ones are those of the last
        step, and "skipped" is a sum.
    """
    columns = {name: np.asarray([s[name] for s in steps]) for name in steps[0]}
    return {name: _summary(name, values) for name, values in columns.items()}


def _summary(name: str, values: np.ndarray) -> float:
    if name in LAST:
        return float(values[-1])
    if name == "skipped":
        return float(values.sum())
    finite = values[np.isfinite(values)]
    return float(np.mean(finite, dtype=np.float64)) if finite.size else float("nan")


def print_evaluation(result: Evaluation) -> None:
    """Prints the most important metrics of an evaluation."""
    parts = [
        f"{name} {result.metrics[name]:.4f}" for name in SHOWN if name in result.metrics
    ]
    num_classes, present = len(result.confusion), result.num_classes_present
    if present < num_classes:
        parts.append(f"{present} of {num_classes} classes occur")
    if result.chose_checkpoint and result.split != "val":
        parts.append("these images also chose the checkpoint")
    prior = f" told {result.prior}" if result.prior else ""
    print_line(
        f"{result.split}{prior} at step {result.step} · {result.num_images} images · "
        + " · ".join(parts)
    )
