"""The progress line of a run: loss, speed, time left, and whether data is the brake."""

import contextlib
import dataclasses
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from fashionjax.writers import loss_terms

NUM_WINDOWS = 8
"""Logging intervals that the time left is estimated from."""


_is_muted = False


def mute() -> None:
    """Silences `print_line`: in all processes of a run but the first."""
    global _is_muted
    _is_muted = True


def print_line(line: str) -> None:
    """Prints at once; a terminal without the line's characters shows `?` for them."""
    if _is_muted:
        return
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)


def format_duration(seconds: float) -> str:
    """Writes a duration with its two largest units, such as `7 min 12 s`.

    Args:
        seconds: Any non-negative number.
    """
    total = round(seconds)
    minutes, hours = total // 60, total // 3600
    if total < 60:
        return f"{total} s"
    if hours == 0:
        return f"{minutes} min {total % 60:02} s"
    if hours < 24:
        return f"{hours} h {minutes % 60:02} min"
    return f"{hours // 24} d {hours % 24} h"


@dataclasses.dataclass(frozen=True)
class Rates:
    """How fast the steps since the previous report were.

    Attributes:
        images_per_second: Training speed, pauses left out; NaN before any step.
        device_images_per_second: Speed of the devices alone, from the last step that
            was waited for; NaN if none was.
        data_wait: Share of that time spent waiting for data, in [0, 1]; NaN before
            any step.
        seconds_left: Estimate for the rest of the run, with pauses such as
            evaluation; NaN before any step.
    """

    images_per_second: float
    device_images_per_second: float
    data_wait: float
    seconds_left: float

    def metrics(self) -> dict[str, float]:
        """Returns what belongs into the training metrics."""
        return {
            "images_per_second": self.images_per_second,
            "device_images_per_second": self.device_images_per_second,
            "data_wait": self.data_wait,
        }


@dataclasses.dataclass(frozen=True)
class _Window:
    """What happened between two reports; times in seconds."""

    steps: int
    busy: float
    waited: float
    paused: float


class Progress:
    """Measures a run and prints a line about it.

    The clock starts when the object is made, and a resumed run is measured from
    `start_step`: what an earlier process did counts for nothing.

    Args:
        total_steps: Step at which the run ends.
        start_step: Finished steps at the start of this process.
        batch_size: Images a step, over all processes.
        num_examples: Images in the training split; None leaves out the epoch.
        clock: Returns seconds; only differences count.
        emit: Takes the line.

    Raises:
        ValueError: If a count is negative or `batch_size` is not positive.
    """

    def __init__(
        self,
        total_steps: int,
        *,
        batch_size: int,
        start_step: int = 0,
        num_examples: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        emit: Callable[[str], None] = print_line,
    ) -> None:
        if total_steps < 0 or start_step < 0 or batch_size < 1:
            raise ValueError(
                "needs total_steps >= 0, start_step >= 0 and batch_size >= 1, got "
                f"{total_steps}, {start_step} and {batch_size}"
            )
        self._total_steps = total_steps
        self._batch_size = batch_size
        self._num_examples = num_examples
        self._clock = clock
        self._emit = emit
        self._windows: deque[_Window] = deque(maxlen=NUM_WINDOWS)
        self._step = start_step
        self._begin_window()

    def _begin_window(self) -> None:
        self._window_start = self._clock()
        self._waited = self._paused = self._uncounted = 0.0
        self._dispatch = self._step_seconds = math.nan

    @contextlib.contextmanager
    def waiting_for_data(self) -> Iterator[None]:
        """Counts the time inside as waiting for the input pipeline."""
        start = self._clock()
        try:
            yield
        finally:
            self._waited += self._clock() - start

    @contextlib.contextmanager
    def dispatching(self) -> Iterator[None]:
        """Measures the call of a step, whose work the devices may do afterwards."""
        start = self._clock()
        yield
        self._dispatch = self._clock() - start

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """Measures the wait for the last step that was called.

        With its call that is the time of the devices, if the step before had ended.
        """
        start = self._clock()
        yield
        self._step_seconds = self._dispatch + self._clock() - start

    @contextlib.contextmanager
    def pause(self, *, once: bool = False) -> Iterator[None]:
        """Leaves the time inside out of the training speed.

        Args:
            once: True for what does not come again, such as compilation: it is left
                out of the time left as well. False for evaluation and checkpoints.
        """
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            if once:
                self._uncounted += seconds
            else:
                self._paused += seconds

    def epoch(self, step: int) -> float | None:
        """Returns the passes over the training split after `step` updates."""
        if not self._num_examples:
            return None
        return step * self._batch_size / self._num_examples

    def measure(self, step: int) -> Rates:
        """Ends the current interval.

        Args:
            step: Number of finished updates.

        Returns:
            The speed since the previous call.
        """
        elapsed = self._clock() - self._window_start
        busy = max(0.0, elapsed - self._paused - self._uncounted)
        window = _Window(step - self._step, busy, self._waited, self._paused)
        alone = self._step_seconds
        if window.steps > 0:
            self._windows.append(window)
        self._step = step
        self._begin_window()
        if window.steps <= 0 or busy <= 0:
            return Rates(math.nan, math.nan, math.nan, self._seconds_left())
        return Rates(
            images_per_second=window.steps * self._batch_size / busy,
            device_images_per_second=self._batch_size / alone if alone else math.nan,
            data_wait=min(1.0, window.waited / busy),
            seconds_left=self._seconds_left(),
        )

    def _seconds_left(self) -> float:
        steps = sum(window.steps for window in self._windows)
        if steps == 0:
            return math.nan
        seconds = sum(window.busy + window.paused for window in self._windows)
        return max(0, self._total_steps - self._step) * seconds / steps

    def report(self, step: int, metrics: Mapping[str, float]) -> Rates:
        """Measures and emits the line.

        Args:
            step: Number of finished updates.
            metrics: `loss`, and the terms of the objective under their names.

        Returns:
            The speed since the previous report.
        """
        rates = self.measure(step)
        self._emit(self._line(step, metrics, rates))
        return rates

    def _line(self, step: int, metrics: Mapping[str, float], rates: Rates) -> str:
        parts = [f"step {step}/{self._total_steps}"]
        epoch = self.epoch(step)
        if epoch is not None:
            parts.append(f"epoch {epoch:.1f}")
        if "loss" in metrics:
            terms = ", ".join(f"{k} {v:.3g}" for k, v in loss_terms(metrics).items())
            parts.append(
                f"loss {metrics['loss']:.4g}" + (f" ({terms})" if terms else "")
            )
        if math.isfinite(rates.images_per_second):
            speed = rates.images_per_second
            parts.append(
                f"{speed:.0f} images/s" if speed > 99 else f"{speed:.3g} images/s"
            )
        if math.isfinite(rates.seconds_left):
            parts.append(f"{format_duration(rates.seconds_left)} left")
        if math.isfinite(rates.data_wait):
            parts.append(f"waiting for data {100 * rates.data_wait:.0f} %")
        return " · ".join(parts)
