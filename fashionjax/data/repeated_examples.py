"""Epochs that have some examples more than once: repeat-factor sampling."""

import functools

import numpy as np
from jaxtyping import Float, Int64

_ONE = 1 << 20
"""Factors are whole numbers of this part, so that every machine rounds alike."""


class RepeatedExamples:
    """Which example has which place in an epoch, before places are shuffled.

    After Gupta, Dollár and Girshick: LVIS, CVPR 2019. An example of factor 2.3 is twice
    or three times in an epoch, by a lot that the seed draws for each epoch, 2.3 times
    on average. All epochs are of one length, the sum of the factors rounded up; the
    place that this may leave is given to any example.

    The rounding is systematic: the examples lie on a line, in an order drawn for the
    epoch, each as long as its factor, and are there as often as marks fall on them,
    which are one apart and begin anywhere.

    It is a function of place and epoch, and can be pickled.

    Args:
        factors: How often an epoch has each example on average, 1 or more.
        num_examples: How many examples there are.
        seed: Determines the draws; 0..2**32-1.

    Attributes:
        length: Places in an epoch.

    Raises:
        ValueError: Not one factor for each example, or one is below 1 or not finite.
    """

    def __init__(
        self, factors: Float[np.ndarray, " examples"], num_examples: int, seed: int
    ) -> None:
        factors = np.asarray(factors, np.float64)
        if factors.shape != (num_examples,):
            raise ValueError(
                f"repeat factors of shape {list(factors.shape)}; allowed is one for"
                f" each of {num_examples} examples"
            )
        if not (np.isfinite(factors) & (factors >= 1)).all():
            wrong = factors[~(np.isfinite(factors) & (factors >= 1))][0]
            raise ValueError(f"repeat factor {wrong}; allowed is 1 or more")
        self._parts = np.round(factors * _ONE).astype(np.int64)
        self._seed = seed
        self.length = -(-int(self._parts.sum()) // _ONE)

    def __call__(self, index: int, place: int) -> int:
        """Returns the example at a place of an epoch.

        Args:
            index: Position in the endless stream, which tells the epoch.
            place: 0 up to the length, exclusive.
        """
        return int(_epoch(self, index // self.length)[place])

    def epoch(self, epoch: int) -> Int64[np.ndarray, " length"]:
        """Returns the examples at all places of an epoch, in their order."""
        # RandomState: its streams are frozen, a Generator's may change with NumPy.
        rng = np.random.RandomState([self._seed, epoch])
        order = rng.permutation(len(self._parts))
        ends = np.cumsum(self._parts[order]) + rng.randint(_ONE)
        counts = np.empty_like(self._parts)
        counts[order] = np.diff(ends // _ONE, prepend=0)
        counts[rng.randint(len(counts))] += self.length - counts.sum()
        return np.repeat(np.arange(len(counts)), counts)


@functools.lru_cache(maxsize=4)
def _epoch(examples: RepeatedExamples, epoch: int) -> Int64[np.ndarray, " length"]:
    """The epochs in use: batches that are made ahead are of one or two."""
    return examples.epoch(epoch)
