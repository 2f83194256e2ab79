"""Losses: pure functions of a model's outputs and its targets."""

from fashionjax.losses.boxes import smooth_l1
from fashionjax.losses.objective import Objective, Term
from fashionjax.losses.segmentation import softmax_cross_entropy
from fashionjax.losses.tags import binary_cross_entropy

__all__ = [
    "Objective",
    "Term",
    "binary_cross_entropy",
    "smooth_l1",
    "softmax_cross_entropy",
]
