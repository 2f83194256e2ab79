"""The bare training step: time, shares of the bounds, memory, compilation."""

from statistics import median
from typing import Any

from fashionjax.bench.bounds import shares
from fashionjax.bench.compilation import empty_cache
from fashionjax.bench.cost import read_cost
from fashionjax.bench.memory import device_memory, planned_memory
from fashionjax.bench.models import Setting
from fashionjax.bench.timing import time_step
from fashionjax.bench.training import Training


def measure_train(
    setting: Setting, *, num_steps: int, window: int | None
) -> dict[str, Any]:
    """Times the training step of a model, and how long compiling it takes.

    Args:
        setting: What to train.
        num_steps: Steps that count.
        window: Steps between two readings of the clock; None as in `time_step`.

    Returns:
        What `measure_step` measured, and seconds of compiling with an empty cache
        ("cold") and with what that left ("warm").
    """
    with empty_cache():
        training = Training(setting)
        warm = training.compile_again()
    compilation = training.compilation
    return {
        **_row(training, num_steps, window),
        "trace_s": compilation.trace_seconds,
        "compile_cold_s": compilation.compile_seconds,
        "compile_warm_s": warm,
    }


def measure_step(
    setting: Setting, *, num_steps: int, window: int | None
) -> dict[str, Any]:
    """Times the training step of a model on a batch that does not change.

    Args:
        setting: What to train.
        num_steps: Steps that count.
        window: Steps between two readings of the clock; None as in `time_step`.

    Returns:
        What was measured, by name. The peak of memory is the process's so far: of the
        largest model, where one process measures several.
    """
    return _row(Training(setting), num_steps, window)


def _row(training: Training, num_steps: int, window: int | None) -> dict[str, Any]:
    setting = training.setting
    timing = time_step(training.dispatch, num_steps=num_steps, window=window)
    step_seconds = median(timing.seconds)
    # Before the ceilings are measured, which takes memory as well.
    memory = device_memory()
    cost = read_cost(setting.build(), setting.image_size)
    return {
        **setting.record(),
        "params": training.num_params,
        **timing.record("step"),
        "images_per_second": setting.batch_size / step_seconds,
        **shares(cost, setting, step_seconds, train=True),
        **planned_memory(training.compilation.program),
        **memory,
    }
