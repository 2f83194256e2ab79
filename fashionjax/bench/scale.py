"""The training step on 1, 2, 4 … devices, each with a batch of the same size."""

import dataclasses
from collections.abc import Iterator
from statistics import median
from typing import Any

import jax

from fashionjax.bench.collectives import all_reduce_bytes, count_collectives
from fashionjax.bench.models import Setting
from fashionjax.bench.timing import time_step
from fashionjax.bench.training import Training


def device_counts(most: int | None = None) -> list[int]:
    """Powers of two up to the number of devices, and that number.

    Args:
        most: Devices to use; None for all.

    Raises:
        ValueError: If there are not as many.
    """
    present = len(jax.devices())
    most = most or present
    if most > present:
        raise ValueError(f"--devices={most}; there are {present}")
    powers = [2**i for i in range(most.bit_length()) if 2**i < most]
    return [*powers, most]


def measure_scale(
    setting: Setting, counts: list[int], *, num_steps: int, window: int | None
) -> Iterator[dict[str, Any]]:
    """Times the step on each number of devices, the batch a device staying the same.

    Args:
        setting: What to train; its batch is that of one device.
        counts: Numbers of devices, the first of which the efficiency refers to.
        num_steps: Steps that count.
        window: Steps between two readings of the clock; None as in `time_step`.

    Yields:
        For each count what was measured, by name: collectives of the compiled step,
        and, but for virtual CPU devices, which share what there is, times.
    """
    first = 0.0
    for count in counts:
        rows = setting.batch_size * count
        training = Training(
            dataclasses.replace(setting, batch_size=rows), jax.devices()[:count]
        )
        text = training.compilation.program.as_text()
        found = count_collectives(text)
        row = {
            **training.setting.record(),
            "devices_used": count,
            "batch_device": setting.batch_size,
            **{name.replace("-", "_"): number for name, number in found.items()},
            "all_reduce_mib": all_reduce_bytes(text) / 2**20,
            "params_mib": 4 * training.num_params / 2**20,
        }
        if jax.devices()[0].platform != "cpu":
            timing = time_step(training.dispatch, num_steps=num_steps, window=window)
            step = median(timing.seconds)
            first = first or step
            row |= {
                **timing.record("step"),
                "images_per_second": rows / step,
                "efficiency": first / step,
            }
        yield row
