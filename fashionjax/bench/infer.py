"""Inference: the latency of a call, and images a second."""

from statistics import median
from typing import Any

import numpy as np

from fashionjax.bench.bounds import shares
from fashionjax.bench.cost import read_cost
from fashionjax.bench.inference import Inference
from fashionjax.bench.memory import device_memory, planned_memory
from fashionjax.bench.models import Setting
from fashionjax.bench.timing import time_step, time_windows


def measure_infer(
    setting: Setting, *, fold: bool, num_steps: int, window: int | None
) -> dict[str, Any]:
    """Times a model from bytes to labels, call by call and one call behind another.

    Args:
        setting: What to run.
        fold: Whether BatchNorm is folded into convolutions.
        num_steps: Calls that count, of either kind.
        window: Calls between two readings of the clock, for images a second; None as
            in `time_step`.

    Returns:
        What was measured, by name; latencies are those of calls that are waited for.
    """
    inference = Inference(setting, fold=fold)
    calls = time_windows(inference.dispatch, num_steps=num_steps, window=1)
    timing = time_step(inference.dispatch, num_steps=num_steps, window=window)
    step_seconds = median(timing.seconds)
    p50, p99 = 1e3 * np.percentile(calls, (50, 99))
    # Before the ceilings are measured, which takes memory as well.
    memory = device_memory()
    cost = read_cost(setting.build(), setting.image_size)
    return {
        **setting.record(),
        "fold": fold,
        "params": inference.num_params,
        "latency_ms_p50": float(p50),
        "latency_ms_p99": float(p99),
        **timing.record("step"),
        "images_per_second": setting.batch_size / step_seconds,
        **shares(cost, setting, step_seconds, train=False),
        **planned_memory(inference.compilation.program),
        **memory,
        "trace_s": inference.compilation.trace_seconds,
        **inference.compilation.record(),
    }
