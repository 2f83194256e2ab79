"""Examples that a preparation leaves out, each with its reason."""

import dataclasses
import math
from collections.abc import Mapping

MAX_BAD_FRACTION = 0.01
"""Share of the examples that may be left out, unless the caller says otherwise."""


@dataclasses.dataclass
class Quarantine:
    """The bad examples of a dataset, up to a limit.

    A few damaged files must not end hours of preparation, and a folder full of them
    must not end in a dataset of what is left.

    Attributes:
        num_examples: Number of examples of the dataset, good ones and bad.
        max_fraction: Share of them that may be bad, 0..1, rounded down to examples.
        reasons: What is wrong, by the example's id, in the order of finding.
    """

    num_examples: int
    max_fraction: float = MAX_BAD_FRACTION
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the fraction.

        Raises:
            ValueError: If it is not in 0..1.
        """
        if not 0 <= self.max_fraction <= 1:
            raise ValueError(
                f"fraction of bad examples {self.max_fraction}; allowed is 0..1"
            )

    @property
    def limit(self) -> int:
        """Number of examples that may be bad."""
        return math.floor(self.max_fraction * self.num_examples)

    def add(self, image_id: str, error: ValueError) -> None:
        """Leaves an example out.

        Args:
            image_id: Its id.
            error: What is wrong with it.

        Raises:
            ValueError: If it is one too many; the message has the reasons so far.
        """
        self.reasons[image_id] = str(error)
        if len(self.reasons) <= self.limit:
            return
        if self.max_fraction == 0:
            raise error
        raise ValueError(
            f"{len(self.reasons)} of {self.num_examples} examples are bad; allowed are"
            f" {self.limit}, and more with python -m fashionjax.data …"
            f" --max_bad=FRACTION:\n{describe(self.reasons)}"
        ) from error


def describe(reasons: Mapping[str, str], most: int = 10) -> str:
    """Returns a line for each bad example, `most` at most."""
    lines = [f"  {image_id}: {reason}" for image_id, reason in reasons.items()]
    hidden = len(lines) - most
    return "\n".join(lines[:most] + [f"  … and {hidden} more"] * (hidden > 0))
