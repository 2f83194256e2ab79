"""Runs torch's and segmentation_models_pytorch's losses.

`python -m tests.references.make_losses` writes `tests/losses/reference_answers.npz`:
values of the losses and their gradients by the logits, in float64 where they can.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from segmentation_models_pytorch import losses
from torch.nn import functional

PATH = Path(__file__).parents[1] / "losses" / "reference_answers.npz"
CLASSES = 5
WEIGHTS = [1.0, 2.0, 0.5, 3.0, 2.0]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def problems() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Logits and labels: all labelled; with holes, and without class 4."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (2, 2, 6, 7, CLASSES)).astype(np.float32)
    whole = rng.integers(0, CLASSES, (2, 6, 7))
    holes = rng.integers(0, CLASSES - 1, (2, 6, 7))
    holes[rng.random(holes.shape) < 0.3] = 255
    return {
        "whole": (logits[0], whole.astype(np.uint8)),
        "holes": (logits[1], holes.astype(np.uint8)),
    }


def annotator_confusion() -> np.ndarray:
    """Rows of probabilities."""
    counts = np.random.default_rng(1).random((CLASSES, CLASSES)) + 3 * np.eye(CLASSES)
    return (counts / counts.sum(1, keepdims=True)).astype(np.float32)


def _cross_entropy(**options: object) -> Loss:
    return lambda x, y: functional.cross_entropy(x, y, ignore_index=255, **options)


def _soft_cross_entropy(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Probabilities as targets, of the labelled pixels."""
    labelled = y != 255
    rows = torch.from_numpy(annotator_confusion()).double()[y[labelled]]
    return functional.cross_entropy(x.movedim(1, -1)[labelled], rows)


def _focal(gamma: float, weights: torch.Tensor | None = None) -> Loss:
    """The softmax form; that of segmentation_models_pytorch is of sigmoids."""

    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        ce = functional.cross_entropy(x, y, ignore_index=255, reduction="none")
        labelled = y != 255
        w = labelled.double()
        if weights is not None:
            w[labelled] = weights[y[labelled]]
        return (w * (1 - torch.exp(-ce)) ** gamma * ce).sum() / w.sum()

    return loss


def _over_present(loss: torch.nn.Module) -> Loss:
    """Their mean over all classes, of which absent ones cost 0, as that of present."""
    return lambda x, y: loss(x, y) * CLASSES / len(set(y.unique().tolist()) - {255})


def _in_float32(loss: torch.nn.Module) -> Loss:
    """For those that take nothing else."""
    return lambda x, y: loss(x.float(), y)


def answers() -> Mapping[str, Loss]:
    """What is computed of each problem."""
    weights = torch.tensor(WEIGHTS).double()
    ignoring = {"mode": "multiclass", "ignore_index": 255}
    return {
        "cross_entropy": _cross_entropy(),
        "cross_entropy_weighted": _cross_entropy(weight=weights),
        "cross_entropy_smoothed": _cross_entropy(label_smoothing=0.1),
        "cross_entropy_smoothed_weighted": _cross_entropy(
            label_smoothing=0.1, weight=weights
        ),
        "cross_entropy_soft": _soft_cross_entropy,
        "focal": _focal(2.0),
        "focal_weighted": _focal(0.5, weights),
        "dice": _over_present(losses.DiceLoss(**ignoring)),
        # There it is added to half of what others write down, 2 TP + FP + FN.
        "dice_smooth": _over_present(losses.DiceLoss(smooth=1.5, **ignoring)),
        "tversky": _over_present(losses.TverskyLoss(alpha=0.3, beta=0.7, **ignoring)),
        "lovasz": _in_float32(losses.LovaszLoss(**ignoring)),
        "lovasz_per_image": _in_float32(losses.LovaszLoss(per_image=True, **ignoring)),
    }


def answers_of_whole() -> Mapping[str, Loss]:
    """What is comparable only where all is labelled and all classes occur."""
    return {
        "cross_entropy_smoothed": losses.SoftCrossEntropyLoss(smooth_factor=0.1),
        "dice_weighted": losses.DiceLoss("multiclass", class_weights=WEIGHTS),
    }


if __name__ == "__main__":
    arrays = {"annotator_confusion": annotator_confusion()}
    for problem, (logits, label) in problems().items():
        arrays |= {f"{problem}/logits": logits, f"{problem}/label": label}
        chosen = dict(answers())
        if problem == "whole":
            ours = {f"{name}_smp": loss for name, loss in answers_of_whole().items()}
            chosen |= ours
        for name, loss in chosen.items():
            x = torch.from_numpy(logits).double().movedim(-1, 1).requires_grad_()
            value = loss(x, torch.from_numpy(label).long())
            (grad,) = torch.autograd.grad(value, x)
            arrays[f"{problem}/{name}/value"] = np.float64(value.item())
            arrays[f"{problem}/{name}/grad"] = grad.movedim(1, -1).float().numpy()
    np.savez_compressed(PATH, **arrays)
    print(f"{PATH.name}: {PATH.stat().st_size / 1024:.0f} KiB")
