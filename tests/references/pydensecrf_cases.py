"""What pydensecrf2's script and our test share. Nothing but NumPy."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

FIXTURE = Path(__file__).parent / "fixtures" / "crf" / "pydensecrf2.npz"
NUM_SAMPLES = 1000
SIZE = (80, 64)
NUM_CLASSES = 25

_KEYS = (
    "bilateral_sxy",
    "bilateral_srgb",
    "bilateral_compat",
    "gaussian_sxy",
    "gaussian_compat",
    "num_iterations",
)
SETTINGS = [
    dict(zip(_KEYS, values, strict=True))
    for values in [(80, 13, 10, 3, 3, 10), (30, 10, 10, 1, 1, 10), (20, 50, 7, 6, 2, 5)]
]
"""The last one has a smoothness that is wide enough for the lattice."""


class Case(NamedTuple):
    """An image, and logits at an eighth of its size."""

    image: np.ndarray
    logits: np.ndarray


def probs_of(case: Case) -> np.ndarray:
    """Class probabilities of the pixels, float32 `[height, width, classes]`."""
    logits = case.logits.astype(np.float32).repeat(8, 0).repeat(8, 1)
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def positions() -> np.ndarray:
    """Which of the probabilities are stored."""
    rng = np.random.default_rng(0)
    size = SIZE[0] * SIZE[1] * NUM_CLASSES
    return np.sort(rng.choice(size, NUM_SAMPLES, replace=False))
