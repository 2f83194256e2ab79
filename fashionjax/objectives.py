"""From `config.objective` to what training minimises: the part of `builders` on losses.

A name in `config.objective` is a key of one of the literal tables below.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from collections.abc import Callable, Mapping

import flax.linen as nn
from ml_collections import ConfigDict

from fashionjax import losses, models
from fashionjax.constants import BACKGROUND
from fashionjax.lookup import lookup
from fashionjax.losses import Objective, Term


def _segmentation_term(config: ConfigDict, num_classes: int) -> Term:
    class_weights = [config.foreground_weight] * num_classes
    class_weights[BACKGROUND] = config.background_weight
    return Term(
        "segmentation",
        config.weight,
        lambda outputs, targets: losses.softmax_cross_entropy(
            outputs.logits, targets.label, class_weights=class_weights
        ),
    )


def _tag_term(config: ConfigDict, num_classes: int) -> Term:
    del num_classes
    return Term(
        "tags",
        config.weight,
        lambda outputs, targets: losses.binary_cross_entropy(
            outputs.tag_logits, targets.tags
        ),
    )


def _box_term(config: ConfigDict, num_classes: int) -> Term:
    del num_classes
    return Term(
        "boxes",
        config.weight,
        lambda outputs, targets: losses.smooth_l1(
            outputs.box_logits, targets.boxes, targets.tags, beta=config.beta
        ),
    )


def _aux_term(config: ConfigDict, num_classes: int) -> Term:
    del num_classes
    return Term(
        "aux",
        config.weight,
        lambda outputs, targets: losses.softmax_cross_entropy(
            outputs.aux_logits, targets.label
        ),
    )


TERMS: Mapping[str, Callable[[ConfigDict, int], Term]] = {
    "segmentation": _segmentation_term,
    "aux": _aux_term,
    "tags": _tag_term,
    "boxes": _box_term,
}

BRANCHES: Mapping[str, str] = {
    "aux": "aux_head",
    "tags": "tag_branch",
    "boxes": "box_branch",
}
"""The attribute by which a model tells whether it has what a term reads."""


def build_objective(
    config: ConfigDict, model: nn.Module, num_classes: int
) -> Objective:
    """Builds the sum of the loss terms of `config.objective`.

    Args:
        config: One entry for each term: its weight and its options.
        model: The model; terms of a branch that is switched off are left out.
        num_classes: Number of classes, background included.

    Returns:
        The objective.

    Raises:
        ValueError: If a term is unknown, or the model can have no such branch.
    """
    return Objective(
        tuple(
            lookup("loss term", TERMS, name)(config[name], num_classes)
            for name in config
            if _has_branch(model, name)
        )
    )


def _has_branch(model: nn.Module, term: str) -> bool:
    # OCRNet's pixels attend to the regions of its auxiliary head: it is always there.
    if term not in BRANCHES or (term == "aux" and isinstance(model, models.OCRNet)):
        return True
    if not hasattr(model, BRANCHES[term]):
        raise ValueError(
            f"config.objective.{term} needs a model with {BRANCHES[term]};"
            f" {type(model).__name__} has none"
        )
    return bool(getattr(model, BRANCHES[term]))
