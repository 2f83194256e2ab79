"""Random numbers that are the same on every machine and with every NumPy.

NumPy may change the streams of its distributions, so nothing here uses them: a
SplitMix64 counter hash (Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", 2014) in plain integers drives every draw.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB

Item = TypeVar("Item")


def _mix(value: int) -> int:
    value = ((value ^ (value >> 30)) * _MIX_1) & _MASK
    value = ((value ^ (value >> 27)) * _MIX_2) & _MASK
    return value ^ (value >> 31)


class Stream:
    """A sequence of draws that depends on its integer keys only.

    Args:
        *keys: Integers that name the stream, for instance a seed and a purpose.
            Streams with different keys are independent.
    """

    __slots__ = ("_state",)

    def __init__(self, *keys: int) -> None:
        state = 0
        for key in keys:
            state = _mix((state + _GOLDEN + (key & _MASK)) & _MASK)
        self._state = state

    def raw(self) -> int:
        """Returns 64 random bits as an integer in [0, 2**64)."""
        self._state = value = (self._state + _GOLDEN) & _MASK
        value = ((value ^ (value >> 30)) * _MIX_1) & _MASK
        value = ((value ^ (value >> 27)) * _MIX_2) & _MASK
        return value ^ (value >> 31)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Returns a float in [low, high) with 53 random bits."""
        return low + (high - low) * ((self.raw() >> 11) * 2.0**-53)

    def below(self, count: int) -> int:
        """Returns an integer in [0, count); the bias is under count / 2**64."""
        return (self.raw() * count) >> 64

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        return self.raw() < probability * 2.0**64

    def choice(self, items: Sequence[Item]) -> Item:
        """Returns one of the items, each with the same probability."""
        return items[self.below(len(items))]

    def weighted(self, weights: dict[Item, float]) -> Item:
        """Returns a key of `weights` with a probability in proportion to its value."""
        rest = self.uniform() * sum(weights.values())
        for item, weight in weights.items():
            rest -= weight
            if rest < 0.0:
                return item
        return next(reversed(weights))


def random_bits(key: int, count: int) -> np.ndarray:
    """Draws many 64-bit values at once, for lookup tables.

    Args:
        key: Names the sequence.
        count: How many values.

    Returns:
        uint64 [count].
    """
    start = np.uint64(_mix(key))
    value = start + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_MIX_1)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_MIX_2)
    return value ^ (value >> np.uint64(31))
