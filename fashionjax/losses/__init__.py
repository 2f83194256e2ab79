"""Losses: pure functions of a model's outputs and its targets."""

from fashionjax.losses.boxes import smooth_l1
from fashionjax.losses.cross_entropy import softmax_cross_entropy
from fashionjax.losses.focal import focal
from fashionjax.losses.lovasz import lovasz_softmax
from fashionjax.losses.objective import Objective, Term
from fashionjax.losses.ohem import ohem_cross_entropy
from fashionjax.losses.overlap import dice, tversky
from fashionjax.losses.tags import binary_cross_entropy

__all__ = [
    "Objective",
    "Term",
    "binary_cross_entropy",
    "dice",
    "focal",
    "lovasz_softmax",
    "ohem_cross_entropy",
    "smooth_l1",
    "softmax_cross_entropy",
    "tversky",
]
