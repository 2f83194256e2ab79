"""Measuring time without waiting for the device in every step."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np


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
