"""What augmentation costs, as a share of the training step."""

import time
from statistics import median
from typing import Any

import jax

from fashionjax.augment import EXTENDED_UNET, Normalization, Prepare
from fashionjax.bench.environment import environment
from fashionjax.bench.training import MODELS, Training, draw_batch
from fashionjax.constants import EXAMPLE_INDEX, IMAGE, LABEL

_MODEL = "unet-resnet34"


def measure_augmentation(
    *,
    batch_size: int,
    step_batch_size: int,
    image_size: tuple[int, int],
    num_classes: int,
    num_steps: int,
    model: str = _MODEL,
) -> dict[str, Any]:
    """Times the preparation of a batch and a training step, by turns.

    Args:
        batch_size: Images that are prepared together.
        step_batch_size: Images a training step.
        image_size: (height, width).
        num_classes: Number of classes.
        num_steps: Repetitions of each.
        model: A key of `training.MODELS`.

    Returns:
        What was measured, by name: milliseconds for an image, medians; the share of the
        preparation with augmentation in the step.
    """
    training = Training(
        MODELS[model](num_classes),
        batch_size=step_batch_size,
        image_size=image_size,
        num_classes=num_classes,
    )
    plain = Prepare(num_classes, Normalization())
    augmented = Prepare(num_classes, Normalization(), EXTENDED_UNET)
    timers = {
        "prepare": _Preparation(plain, batch_size, image_size),
        "augment": _Preparation(augmented, batch_size, image_size),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ("step", *timers)}
    for _ in range(num_steps):
        seconds["step"].append(training.time_step() / step_batch_size)
        for name, timer in timers.items():
            seconds[name].append(timer.time() / batch_size)
    per_image = {name: 1e3 * median(times) for name, times in seconds.items()}
    return {
        "model": model,
        "size": "x".join(map(str, image_size)),
        "batch": batch_size,
        "step_batch": step_batch_size,
        "step_ms": per_image["step"],
        "prepare_ms": per_image["prepare"],
        "augment_ms": per_image["augment"],
        "share": per_image["augment"] / per_image["step"],
        "steps": num_steps,
        **environment(),
    }


class _Preparation:
    """The compiled preparation of a batch that does not change."""

    def __init__(
        self, prepare: Prepare, batch_size: int, image_size: tuple[int, int]
    ) -> None:
        batch = draw_batch(batch_size, image_size, prepare.num_classes)
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
