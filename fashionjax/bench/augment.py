"""What augmentation costs, as a share of the training step."""

import dataclasses
import time
from statistics import median
from typing import Any

import jax

from fashionjax.augment import EXTENDED_UNET, Normalization, Prepare
from fashionjax.bench.models import Setting
from fashionjax.bench.training import Training, draw_batch
from fashionjax.constants import EXAMPLE_INDEX, IMAGE, LABEL


def measure_augmentation(
    setting: Setting, *, step_batch_size: int, num_steps: int
) -> dict[str, Any]:
    """Times the preparation of a batch and a training step, by turns.

    Args:
        setting: The model, and the images that are prepared together.
        step_batch_size: Images a training step.
        num_steps: Repetitions of each.

    Returns:
        What was measured, by name: milliseconds for an image, medians; the share of the
        preparation with augmentation in the step.
    """
    training = Training(dataclasses.replace(setting, batch_size=step_batch_size))
    plain = Prepare(setting.num_classes, Normalization())
    augmented = Prepare(setting.num_classes, Normalization(), EXTENDED_UNET)
    timers = {
        "prepare": _Preparation(plain, setting),
        "augment": _Preparation(augmented, setting),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ("step", *timers)}
    for _ in range(num_steps):
        seconds["step"].append(training.time_steps() / step_batch_size)
        for name, timer in timers.items():
            seconds[name].append(timer.time() / setting.batch_size)
    per_image = {name: 1e3 * median(times) for name, times in seconds.items()}
    return {
        **setting.record(),
        "step_batch": step_batch_size,
        "step_ms": per_image["step"],
        "prepare_ms": per_image["prepare"],
        "augment_ms": per_image["augment"],
        "share": per_image["augment"] / per_image["step"],
        "steps": num_steps,
    }


class _Preparation:
    """The compiled preparation of a batch that does not change."""

    def __init__(self, prepare: Prepare, setting: Setting) -> None:
        batch = draw_batch(setting)
        self._arguments = jax.device_put(
            (batch[IMAGE], batch[LABEL], jax.random.key(0), batch[EXAMPLE_INDEX])
        )
        self._prepare = jax.jit(prepare)
        self.time()

    def time(self) -> float:
        """Prepares the batch; returns the seconds."""
        start = time.perf_counter()
        jax.block_until_ready(self._prepare(*self._arguments))
        return time.perf_counter() - start
