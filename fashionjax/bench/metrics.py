"""What counting a confusion matrix costs."""

from typing import Any

import jax
import numpy as np

from fashionjax.bench.timing import time_step
from fashionjax.metrics import confusion_matrix


def measure_metrics(
    *,
    batch_size: int,
    image_size: tuple[int, int],
    num_classes: int,
    num_steps: int,
    window: int | None,
) -> dict[str, Any]:
    """Times the confusion matrix of a batch of labels and predictions.

    Args:
        batch_size: Images.
        image_size: (height, width).
        num_classes: Number of classes.
        num_steps: Repetitions that count.
        window: Repetitions between two readings of the clock; None as in `time_step`.

    Returns:
        What was measured, by name.
    """
    shape = (2, batch_size, *image_size)
    drawn = np.random.default_rng(0).integers(0, num_classes, shape, np.uint8)
    label, pred = jax.device_put(drawn)
    count = jax.jit(confusion_matrix, static_argnums=2)

    def dispatch() -> jax.Array:
        return count(label, pred, num_classes)

    jax.block_until_ready(dispatch())
    timing = time_step(dispatch, num_steps=num_steps, window=window)
    times = timing.record("confusion")
    return {
        "batch": batch_size,
        "size": "x".join(map(str, image_size)),
        "classes": num_classes,
        **times,
        "mpixel_s": label.size / times["confusion_ms"] / 1e3,
    }
