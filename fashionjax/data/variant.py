"""What tells the preparations of one dataset apart."""

import dataclasses

from fashionjax.data.instances import SMALLER_WINS

REFINED = "_refined"
"""What the folder's name ends in where photos are cropped."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to prepare a dataset; each lies in a folder of its own.

    Attributes:
        scheme: How photos are divided into splits.
        overlap: Which of several instances is on top, one of
            `fashionjax.data.instances.ORDERS`.
        refined: Whether photos are cropped and left out as `refine` decided.
        first_pixel: The number of a photo's first pixel in run lengths, 1 or 0.
    """

    scheme: str
    overlap: str = SMALLER_WINS
    refined: bool = False
    first_pixel: int = 1

    @property
    def name(self) -> str:
        """The folder's name: the scheme, and what is not as usual."""
        unusual = [self.overlap] * (self.overlap != SMALLER_WINS)
        unusual += [f"first_pixel_{self.first_pixel}"] * (self.first_pixel != 1)
        return "_".join([self.scheme, *unusual]) + REFINED * self.refined
