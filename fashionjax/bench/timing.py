"""Measuring time without waiting for the device in every step."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

LEAST_SECONDS = 0.1
"""Of a window: readings of the clock and the wait at its end shall not count."""

LEAST_WINDOWS = 10
"""What tenths at both ends need."""


class Timing(NamedTuple):
    """Windows of a step.

    Attributes:
        seconds: Of a step, of each window.
        window: Steps of a window.
    """

    seconds: list[float]
    window: int

    def record(self, name: str) -> dict[str, float]:
        """The row's numbers of it: `in_milliseconds`, steps and window."""
        return {
            **in_milliseconds(name, self.seconds),
            "steps": len(self.seconds) * self.window,
            "window": self.window,
        }


def time_step(
    dispatch: Callable[[], Any], *, num_steps: int, window: int | None = None
) -> Timing:
    """Times a step in windows that are long enough.

    Args:
        dispatch: As `time_windows`.
        num_steps: As `time_windows`.
        window: Steps of a window; None for as many as take `LEAST_SECONDS`, and then
            `LEAST_WINDOWS` of them at least.
    """

    def time_steps(count: int) -> float:
        (seconds,) = time_windows(dispatch, num_steps=count, window=count)
        return seconds

    num_windows, window = plan_windows(time_steps, num_steps, window)
    num_steps = num_windows * window
    return Timing(time_windows(dispatch, num_steps=num_steps, window=window), window)


def plan_windows(
    time_steps: Callable[[int], float], num_steps: int, window: int | None
) -> tuple[int, int]:
    """How many windows to measure, and their steps.

    Args:
        time_steps: Makes as many steps as it is told; returns the seconds of one.
        num_steps: Steps of all windows, at least one window.
        window: Steps of a window; None as in `time_step`.
    """
    if window is not None:
        window = min(window, num_steps)
        return num_steps // window, window
    window = 1
    while window * time_steps(window) < LEAST_SECONDS:
        window *= 2
    return max(LEAST_WINDOWS, num_steps // window), window


def time_windows(
    dispatch: Callable[[], Any], *, num_steps: int, window: int
) -> list[float]:
    """Makes steps, waiting for the device at the end of each window alone.

    Args:
        dispatch: Begins a step; what it returns is ready when the step is over.
        num_steps: Steps of all windows; at least one window is measured.
        window: Steps between two readings of the clock.

    Returns:
        Seconds a step, of each window.
    """
    seconds = []
    window = min(window, num_steps)
    for _ in range(num_steps // window):
        start, result = time.perf_counter(), None
        for _ in range(window):
            result = dispatch()
        jax.block_until_ready(result)
        seconds.append((time.perf_counter() - start) / window)
    return seconds


def in_milliseconds(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """Median and the tenths at both ends, as NAME_ms, NAME_ms_p10 and NAME_ms_p90."""
    p10, p50, p90 = 1e3 * np.percentile(seconds, (10, 50, 90))
    return {
        f"{name}_ms": float(p50),
        f"{name}_ms_p10": float(p10),
        f"{name}_ms_p90": float(p90),
    }
