"""Gaussian filtering of an image along its axes, one after the other."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fashionjax.postprocess.stage import stage

_REACH = 4.0
"""Standard deviations at which the filter ends."""


@flax.struct.dataclass
class Gaussian:
    """A Gaussian of the distance between pixels.

    Attributes:
        before: Multiplies values before they are filtered.
        after: Multiplies filtered values.
        size: (height, width) of the image.
        deviation: Standard deviation in pixels.
    """

    before: Float[Array, " point"]
    after: Float[Array, " point"]
    size: tuple[int, int] = flax.struct.field(pytree_node=False)
    deviation: float = flax.struct.field(pytree_node=False)

    @property
    def num_points(self) -> int:
        """How many pixels the image has."""
        return self.size[0] * self.size[1]

    def filter(
        self, values: Float[Array, "point channels"]
    ) -> Float[Array, "point channels"]:
        """Filters the image whose pixels, row after row, have these values."""
        num_channels = values.shape[1]
        rows = (values * self.before[:, None]).reshape(self.size[0], -1)
        rows = _filter(rows, 0, 1, self.deviation)
        # Whole rows: the inner loops are over more than a pixel's channels.
        rows = _filter(rows, 1, num_channels, self.deviation)
        return rows.reshape(values.shape) * self.after[:, None]

    def scaled(
        self, by: Float[Array, " point"], factor: Float[Array, ""] | float = 1.0
    ) -> "Gaussian":
        """The filter that multiplies by something before, and after.

        Args:
            by: Multiplies values before they are filtered and afterwards.
            factor: Multiplies filtered values.
        """
        return dataclasses.replace(
            self, before=self.before * by, after=self.after * (by * factor)
        )


def make_gaussian(size: tuple[int, int], deviation: float) -> Gaussian:
    """Makes the filter of an image.

    Args:
        size: (height, width).
        deviation: Standard deviation in pixels.
    """
    ones = jnp.ones(size[0] * size[1], jnp.float32)
    return Gaussian(before=ones, after=ones, size=size, deviation=deviation)


def _filter(
    rows: Float[Array, "height row"], axis: int, spacing: int, deviation: float
) -> Float[Array, "height row"]:
    """Filters along an axis on which neighbours are `spacing` apart; zeros outside."""
    length = rows.shape[axis]
    radius = min(int(_REACH * deviation + 0.5), length // spacing - 1)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    pads = [(0, 0), (0, 0)]
    pads[axis] = (radius * spacing, radius * spacing)
    padded = stage(lambda rows: jnp.pad(rows, pads))(rows)
    total = jnp.zeros_like(rows)
    for i, tap in enumerate(taps):
        start = i * spacing
        shifted = jax.lax.slice_in_dim(padded, start, start + length, axis=axis)
        total += np.float32(tap) * shifted
    return total
