"""Quotients of counts, and what becomes of 0/0."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Integer

Absent = Literal["skip", "zero", "one"]
"""What a class's quotient is where nothing is counted, as 0/0 of its pixels:

- "skip": undefined (NaN), and left out of means over classes, as mmsegmentation does;
- "zero", "one": that number, and part of the means (scikit-learn's `zero_division`).

Where something is counted, no policy matters: a class that occurs and is never found,
or is predicted and never occurs, has an IoU of 0.
"""

_VALUES = {"skip": float("nan"), "zero": 0.0, "one": 1.0}


def check_absent(absent: str) -> None:
    """Refuses a policy that is none.

    Raises:
        ValueError: If it is none of `Absent`.
    """
    if absent not in get_args(Absent):
        raise ValueError(
            f"absent={absent!r}; allowed are {', '.join(get_args(Absent))}"
        )


def quotient(
    numerator: Integer[np.ndarray, "*shape"] | int,
    denominator: Integer[np.ndarray, "*shape"] | int,
    absent: Absent = "skip",
) -> Float[np.ndarray, "*shape"]:
    """Divides counts, element by element.

    Args:
        numerator: Counts.
        denominator: Counts, not below the numerator.
        absent: What 0/0 is.

    Returns:
        Fractions in [0, 1], float64; NaN for 0/0 under the policy "skip".
    """
    numerator, denominator = np.asarray(numerator), np.asarray(denominator)
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    result = np.full(shape, _VALUES[absent])
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def mean_of_known(
    values: Float[np.ndarray, "*shape n"],
) -> Float[np.ndarray, "*shape"]:
    """Means along the last axis of what is not NaN; NaN where everything is."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.sum(values, axis=-1, where=known)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
