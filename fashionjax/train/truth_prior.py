"""Evaluation with some of the truth told in advance (S3's Table 5 and Figure 5)."""

import csv
import dataclasses
import re
from collections.abc import Sequence
from typing import Literal, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from fashionjax.constants import BACKGROUND
from fashionjax.models import MultitaskUNet
from fashionjax.types import Logits, TagPrior, Targets

Means = Literal["mask", "tags", "boxes"]
"""How the model gets to know:

- "mask": classes that are known to be absent are never predicted, for any model;
- "tags": the tag branch's injected logits are corrected by what is known;
- "boxes": as "tags", and the true boxes of classes that are known to be present take
  the place of the box branch's injected logits.
"""

_NUM_NAMED = 4
"""So many classes are named in the name of a prior; more are numbered."""


@dataclasses.dataclass(frozen=True)
class TruthPrior:
    """Which classes of an image are told, present or absent, and how.

    Attributes:
        name: What to call it, fit for a file name.
        means: How the model gets to know.
        classes: Ids of the classes that are told for every image; None: drawn.
        fraction: Share of the classes that is drawn for each image.
        seed: Of the draw.
    """

    name: str
    means: tuple[Means, ...]
    classes: tuple[int, ...] | None = None
    fraction: float = 1.0
    seed: int = 0

    def tell(self, targets: Targets, index: Int[Array, " batch"]) -> TagPrior:
        """Picks what is told of a batch; to be traced.

        Args:
            targets: The truth.
            index: Positions of the images in their split: what is drawn for an image
                depends on its own and on the seed, not on its batch.

        Returns:
            The knowledge, with boxes where "boxes" is among the means.
        """
        num_tags = targets.tags.shape[-1]
        told = self._told(index, num_tags)
        return TagPrior(
            present=targets.tags & told,
            absent=~targets.tags & told,
            boxes=targets.boxes if "boxes" in self.means else None,
        )

    def _told(
        self, index: Int[Array, " batch"], num_tags: int
    ) -> Bool[Array, "batch num_tags"]:
        if self.classes is not None:
            ids = np.arange(BACKGROUND + 1, num_tags + 1)
            return jnp.asarray(np.isin(ids, self.classes)[None])
        key = jax.random.key(self.seed)
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(index)
        drawn = jax.vmap(lambda key: jax.random.uniform(key, (num_tags,)))(keys)
        return drawn < self.fraction

    def inject(self, prior: TagPrior) -> TagPrior | None:
        """What the model itself is given of the knowledge."""
        return prior if {"tags", "boxes"} & set(self.means) else None

    def mask(self, logits: Logits, prior: TagPrior) -> Logits:
        """Rules absent classes out, where "mask" is among the means."""
        return rule_out(logits, prior) if "mask" in self.means else logits


def rule_out(logits: Logits, prior: TagPrior) -> Logits:
    """Makes classes that are known to be absent impossible; background never is."""
    absent = jnp.pad(prior.absent, ((0, 0), (1, 0)), constant_values=False)
    return jnp.where(absent[:, None, None], -jnp.inf, logits)


def parse_prior(
    spec: str,
    class_names: Sequence[str],
    model: nn.Module,
    *,
    means: Sequence[str] = (),
    seed: int = 0,
) -> TruthPrior:
    """Reads what a user asked for.

    Args:
        spec: "oracle" for all classes, "random:FRACTION" for a share of them drawn for
            each image, or names of classes with commas.
        class_names: Names of the classes, background first.
        model: The model to be told.
        means: Of `Means`; empty: "mask", and "tags" if the model injects tags.
        seed: Of the draw.

    Returns:
        The prior.

    Raises:
        ValueError: If anything is not understood, or the model cannot be told so.
    """
    injects = isinstance(model, MultitaskUNet)
    possible: dict[str, bool] = {
        "mask": True,
        "tags": injects and model.injects_tags,
        "boxes": injects and model.injects_boxes,
    }
    chosen = tuple(means) or (("mask", "tags") if possible["tags"] else ("mask",))
    for word in chosen:
        if not possible.get(word):
            allowed = ", ".join(word for word, can in possible.items() if can)
            raise ValueError(f"--prior_by={word}; allowed for this model are {allowed}")
    name, fraction, classes = _parse(spec, class_names)
    if classes is None and 0 < fraction < 1:
        name += f"-seed{seed}"
    return TruthPrior(
        name=f"{name}-{'+'.join(chosen)}",
        means=cast(tuple[Means, ...], chosen),
        classes=classes,
        fraction=fraction,
        seed=seed,
    )


def _parse(
    spec: str, class_names: Sequence[str]
) -> tuple[str, float, tuple[int, ...] | None]:
    """Name, share that is drawn, and ids of the classes that are told."""
    if spec == "oracle":
        return spec, 1.0, None
    word, colon, number = spec.partition(":")
    if word == "random" and colon:
        return f"random-{number}", _fraction(spec, number), None
    # As a list of flags: names that have commas themselves stand in quotes.
    (names,) = csv.reader([spec])
    for name in names:
        if name not in class_names[BACKGROUND + 1 :]:
            raise ValueError(
                f"--prior={spec}: {name!r} is no class; allowed are oracle,"
                f" random:FRACTION and names among {', '.join(class_names[1:])}"
            )
    classes = tuple(sorted({class_names.index(name) for name in names}))
    words = names if len(names) <= _NUM_NAMED else map(str, classes)
    return "+".join(re.sub(r"\W+", "_", word) for word in words), 1.0, classes


def _fraction(spec: str, number: str) -> float:
    try:
        fraction = float(number)
    except ValueError:
        fraction = float("nan")
    if not 0 <= fraction <= 1:
        raise ValueError(f"--prior={spec}; allowed are random:0 to random:1")
    return fraction
