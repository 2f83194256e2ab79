"""Weights and images that torch's scripts and our tests draw alike.

Nothing but NumPy, so that both sides can import it.
"""

import zlib
from collections.abc import Mapping

import numpy as np

SEED = 0


def draw_state(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Every tensor of a state dict, from its name and shape alone."""
    return {name: draw_tensor(name, tuple(shape)) for name, shape in shapes.items()}


def draw_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """He's weights; norms and statistics far enough from 0 and 1 to matter."""
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])
    leaf = name.replace("/", ".").rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf in ("running_var", "moving_variance"):
        values = rng.uniform(0.5, 1.5, shape)
    elif len(shape) > 1:
        # Keras has output channels last, torch first.
        fan_in = np.prod(shape[:-1] if leaf == "kernel" else shape[1:])
        values = rng.normal(0, np.sqrt(2 / fan_in), shape)
    elif leaf in ("weight", "gamma"):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(0, 0.1, shape)
    return values.astype(np.float32)


def draw_image(size: tuple[int, int], batch: int = 2) -> np.ndarray:
    """Normalised images, float32 NHWC."""
    rng = np.random.default_rng([SEED, *size])
    return rng.normal(0, 1, (batch, *size, 3)).astype(np.float32)


def draw_label(size: tuple[int, int], num_classes: int, batch: int = 2) -> np.ndarray:
    """Labels, int32 NHW, a few of them 255: to be ignored."""
    rng = np.random.default_rng([SEED, 1, *size])
    label = rng.integers(0, num_classes, (batch, *size))
    return np.where(rng.random(label.shape) < 0.05, 255, label).astype(np.int32)
