"""From `config.objective` to what training minimises: the part of `builders` on losses.

A name in `config.objective` is a key of one of the literal tables below.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from fashionjax import losses, models
from fashionjax.constants import BACKGROUND
from fashionjax.data.class_balance import (
    ClassPixels,
    enet_weights,
    median_frequency_weights,
)
from fashionjax.lookup import lookup
from fashionjax.losses import Objective, Term
from fashionjax.ops.targets import make_targets
from fashionjax.types import LabelMap, Logits, Outputs, Scalar

Options: TypeAlias = Mapping[str, Any]
"""All of a term's keys in the config."""

ClassWeights: TypeAlias = list[float] | None
"""A weight for each class; None where all are 1, or the term has no such weights."""

PixelLoss: TypeAlias = Callable[[Logits, LabelMap], Scalar]

CLASS_WEIGHTS: Mapping[
    str, Callable[[ClassPixels], Float[np.ndarray, " num_classes"]]
] = {"median_frequency": median_frequency_weights, "enet": enet_weights}
"""Class weights that are computed from the training split."""

_WEIGHTS: Options = {
    "background_weight": 1.0,
    "foreground_weight": 1.0,
    # "none", a key of CLASS_WEIGHTS, or a number for each class with commas between;
    # times the two above.
    "class_weights": "none",
}

_PIXELS: Options = {
    "loss": "cross_entropy",
    **_WEIGHTS,
    # Of "cross_entropy" alone.
    "label_smoothing": 0.0,
    "annotator_confusion": "",  # a .npy file, such as an evaluation's confusion.npy
    # Of "focal" alone.
    "gamma": 2.0,
    # Of "ohem" alone.
    "threshold": 0.7,
    "min_kept": 100_000,
}

_REGIONS: Options = {**_WEIGHTS, "per_image": False, "classes": "present"}

OPTIONS: Mapping[str, Options] = {
    "segmentation": _PIXELS,
    "aux": _PIXELS,
    "dice": {**_REGIONS, "smooth": 0.0},
    "tversky": {**_REGIONS, "smooth": 0.0, "alpha": 0.3, "beta": 0.7, "gamma": 1.0},
    "lovasz": _REGIONS,
    "tags": {},
    "boxes": {"beta": 1.0},
}
"""The keys of each term, beside its `weight`, and what they are where not given."""


# --- losses of pixels -----------------------------------------------------------


PIXEL_LOSSES: Mapping[str, tuple[Callable[..., Scalar], tuple[str, ...]]] = {
    "cross_entropy": (
        losses.softmax_cross_entropy,
        ("label_smoothing", "annotator_confusion"),
    ),
    "focal": (losses.focal, ("gamma",)),
    "ohem": (losses.ohem_cross_entropy, ("threshold", "min_kept")),
}
"""By the values of `loss`: the function, and the keys that are its own."""


def _pixel_loss(name: str, options: Options, class_weights: ClassWeights) -> PixelLoss:
    """The loss of a term, with its options."""
    function, keys = lookup("loss", PIXEL_LOSSES, options["loss"])
    for other, (_, other_keys) in PIXEL_LOSSES.items():
        for key in set(other_keys) - set(keys):
            if options[key] != _PIXELS[key]:
                raise ValueError(
                    f"config.objective.{name}.{key}={options[key]!r} is of loss"
                    f" {other!r}; allowed with {options['loss']!r} are"
                    f" {', '.join(keys)}"
                )
    own = {key: options[key] for key in keys}
    if "annotator_confusion" in own:
        file = own["annotator_confusion"]
        own["annotator_confusion"] = _read_confusion(file) if file else None
    return partial(function, class_weights=class_weights, **own)


def _read_confusion(file: str) -> list[list[float]]:
    """Counts or probabilities as rows of probabilities; rows of zeros: no confusion."""
    counts = np.load(file, allow_pickle=False).astype(np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or (counts < 0).any():
        raise ValueError(
            f"annotator_confusion {file!r} holds {counts.dtype}{list(counts.shape)};"
            " allowed is a square matrix of counts or probabilities"
        )
    sums = counts.sum(axis=1, keepdims=True)
    return np.where(
        sums > 0, counts / np.where(sums > 0, sums, 1), np.eye(len(counts))
    ).tolist()


# --- terms ----------------------------------------------------------------------


def _segmentation_term(options: Options, class_weights: ClassWeights) -> Term:
    loss = _pixel_loss("segmentation", options, class_weights)
    return Term(
        "segmentation",
        options["weight"],
        lambda outputs, targets: loss(outputs.logits, targets.label),
    )


def _aux_term(options: Options, class_weights: ClassWeights) -> Term:
    loss = _pixel_loss("aux", options, class_weights)
    return Term(
        "aux",
        options["weight"],
        lambda outputs, targets: loss(outputs.aux_logits, targets.label),
    )


def _region_term(
    name: str,
    function: Callable[..., Scalar],
    options: Options,
    class_weights: ClassWeights,
) -> Term:
    """A term of regions' overlap, whose options are the function's keywords."""
    own = {k: v for k, v in options.items() if k != "weight" and k not in _WEIGHTS}
    return Term(
        name,
        options["weight"],
        lambda outputs, targets: function(
            outputs.logits, targets.label, class_weights=class_weights, **own
        ),
    )


def _tag_term(options: Options, class_weights: ClassWeights) -> Term:
    del class_weights
    return Term(
        "tags",
        options["weight"],
        lambda outputs, targets: losses.binary_cross_entropy(
            outputs.tag_logits, targets.tags
        ),
    )


def _box_term(options: Options, class_weights: ClassWeights) -> Term:
    del class_weights
    return Term(
        "boxes",
        options["weight"],
        lambda outputs, targets: losses.smooth_l1(
            outputs.box_logits, targets.boxes, targets.tags, beta=options["beta"]
        ),
    )


TERMS: Mapping[str, Callable[[Options, ClassWeights], Term]] = {
    "segmentation": _segmentation_term,
    "dice": partial(_region_term, "dice", losses.dice),
    "tversky": partial(_region_term, "tversky", losses.tversky),
    "lovasz": partial(_region_term, "lovasz", losses.lovasz_softmax),
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
    config: ConfigDict,
    model: nn.Module,
    num_classes: int,
    class_pixels: ClassPixels | None = None,
) -> Objective:
    """Builds the sum of the loss terms of `config.objective`.

    Args:
        config: One entry for each term: its weight and its options.
        model: The model; terms of a branch that is switched off are left out, and so
            are terms of weight 0.
        num_classes: Number of classes, background included.
        class_pixels: Pixels of each class in each image of the training split, for
            class weights that are computed from it; where they are None these are 1.

    Returns:
        The objective.

    Raises:
        ValueError: If a term, an option or a value is unknown, or the model can have no
            such branch.
        OSError: If a file that an option names cannot be read.
    """
    terms = []
    for name in config:
        build = lookup("loss term", TERMS, name)
        options = _all_options(name, config[name])
        if _has_branch(model, name) and options["weight"] > 0:
            terms.append(
                build(options, _class_weights(name, options, num_classes, class_pixels))
            )
    objective = Objective(tuple(terms))
    _try_out(objective, num_classes)
    return objective


def _try_out(objective: Objective, num_classes: int) -> None:
    """Lets every loss check its options, on shapes alone, before data are read."""
    logits = jax.ShapeDtypeStruct((1, 2, 2, num_classes), jnp.float32)
    tags = jax.ShapeDtypeStruct((1, num_classes - 1), jnp.float32)
    boxes = jax.ShapeDtypeStruct((1, num_classes - 1, 4), jnp.float32)
    label = jax.ShapeDtypeStruct((1, 2, 2), jnp.int32)
    targets = jax.eval_shape(lambda x: make_targets(x, num_classes), label)
    jax.eval_shape(objective, Outputs(logits, logits, tags, boxes), targets)


def needs_class_pixels(config: ConfigDict) -> bool:
    """Whether a term of `config.objective` weighs classes by the training split."""
    return any(
        term.get("weight", 1.0) > 0 and term.get("class_weights") in CLASS_WEIGHTS
        for term in config.values()
    )


def _all_options(name: str, config: ConfigDict) -> Options:
    """A term's options, those included that its config does not have."""
    allowed = {"weight": 1.0, **OPTIONS[name]}
    for key in config:
        if key not in allowed:
            raise ValueError(
                f"config.objective.{name} has no key {key!r}; allowed are"
                f" {', '.join(allowed)}"
            )
    options = {**allowed, **config.to_dict()}
    if not options["weight"] >= 0:
        raise ValueError(
            f"config.objective.{name}.weight={options['weight']}; allowed is 0, to"
            " leave the term out, or more"
        )
    return options


def _class_weights(
    name: str, options: Options, num_classes: int, class_pixels: ClassPixels | None
) -> ClassWeights:
    """The weights of the classes in a term."""
    if "class_weights" not in options:
        return None
    weights = [options["foreground_weight"]] * num_classes
    weights[BACKGROUND] = options["background_weight"]
    chosen = options["class_weights"]
    if chosen == "none" or (chosen in CLASS_WEIGHTS and class_pixels is None):
        factors = [1.0] * num_classes
    elif chosen in CLASS_WEIGHTS:
        # A class that no training pixel has needs no weight.
        factors = np.nan_to_num(CLASS_WEIGHTS[chosen](class_pixels)).tolist()
    else:
        factors = _numbers(chosen)
    if len(factors) != num_classes or not all(0 <= f < np.inf for f in factors):
        raise ValueError(
            f"config.objective.{name}.class_weights={chosen!r}; allowed are none,"
            f" {', '.join(CLASS_WEIGHTS)}, or {num_classes} numbers, 0 or more, with"
            " commas between"
        )
    weights = [w * f for w, f in zip(weights, factors, strict=True)]
    return None if set(weights) == {1.0} else weights


def _numbers(text: str) -> list[float]:
    """Numbers with commas between; none where it is not that."""
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        return []


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
