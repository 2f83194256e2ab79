"""The objective: a weighted sum of named loss terms."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp

from fashionjax.types import Outputs, Scalar, Targets


@dataclasses.dataclass(frozen=True)
class Term:
    """One summand of the objective.

    Attributes:
        name: What the term is called in logs.
        weight: Factor of the term in the sum.
        loss: The loss, before weighting.
    """

    name: str
    weight: float
    loss: Callable[[Outputs, Targets], Scalar]


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weighted sum of loss terms.

    Attributes:
        terms: The summands, at least one.
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("an objective needs at least one term, got none")

    def __call__(
        self, outputs: Outputs, targets: Targets
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """Computes the loss.

        Args:
            outputs: What the model returned.
            targets: What it should have returned.

        Returns:
            The weighted sum, and each term before weighting, by name.
        """
        values = {term.name: term.loss(outputs, targets) for term in self.terms}
        total = jnp.float32(0)
        for term in self.terms:
            total = total + term.weight * values[term.name]
        return total, values
