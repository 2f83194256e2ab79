"""Runs torch's pooling and unpooling. `python -m tests.references.make_pooling`.

Writes `tests/ops/pooling_answers.npz`: small arrays, channels last.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

PATH = Path(__file__).parents[1] / "ops" / "pooling_answers.npz"


def images() -> dict[str, np.ndarray]:
    """Feature maps with ties, of odd sizes, and with values that are not finite."""
    rng = np.random.default_rng(0)
    special = np.array([np.nan, -np.inf, np.inf, 0, 1], np.float32)
    return {
        "ties": rng.integers(-1, 3, (2, 8, 6, 3)).astype(np.float32),
        "odd": rng.normal(0, 1, (2, 7, 9, 3)).round(1).astype(np.float32),
        "special": rng.choice(special, (1, 24, 24, 2)),
    }


def _answers(image: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    x = torch.from_numpy(image).permute(0, 3, 1, 2).requires_grad_()
    pooled, index = functional.max_pool2d(x, 2, return_indices=True)
    unpooled = functional.max_unpool2d(pooled, index, 2, output_size=x.shape[2:])
    overlapping = functional.max_pool2d(x, 3, 2, 1)
    answers = {
        "pooled": pooled,
        "index": index,
        "unpooled": unpooled,
        "overlapping": overlapping,
    }
    for name in ("pooled", "unpooled", "overlapping"):
        weights = torch.from_numpy(
            rng.normal(0, 1, answers[name].shape).astype(np.float32)
        )
        source = pooled if name == "unpooled" else x
        (grad,) = torch.autograd.grad(answers[name], source, weights, retain_graph=True)
        answers |= {f"{name}_weights": weights, f"{name}_grad": grad}
    return {
        name: np.moveaxis(array.detach().numpy(), 1, -1)
        for name, array in answers.items()
    }


if __name__ == "__main__":
    arrays = {}
    for key, image in images().items():
        arrays[f"{key}/x"] = image
        for name, array in _answers(image).items():
            small = array.astype(np.int32) if name == "index" else array
            arrays[f"{key}/{name}"] = small
    np.savez_compressed(PATH, **arrays)
    print(f"{PATH.name}: {PATH.stat().st_size / 1024:.0f} KiB")
