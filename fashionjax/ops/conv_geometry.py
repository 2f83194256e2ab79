"""Where the windows of a convolution lie, and the compiler's own convolution."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float

NHWC = ("NHWC", "HWIO", "NHWC")
"""Layout of maps, kernels and results."""

Maps = Float[Array, "batch height width channels"]
Kernel = Float[Array, "kernel_height kernel_width group_channels out_channels"]
Result = Float[Array, "batch height_out width_out out_channels"]


class Geometry(NamedTuple):
    """Windows of a convolution, along height and width.

    Attributes:
        strides: Distance of neighbouring windows.
        pads: Zeros before and behind the map.
        dilation: Distance of a window's taps.
    """

    strides: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]
    dilation: tuple[int, int]

    def size_out(self, x: Maps, kernel: Kernel) -> tuple[int, int]:
        """Returns height and width of the result."""
        height, width = (
            (x.shape[1 + i] + sum(self.pads[i]) - self.span(kernel, i))
            // self.strides[i]
            + 1
            for i in range(2)
        )
        return height, width

    def span(self, kernel: Kernel, axis: int) -> int:
        """Returns the length of a window along the height (0) or the width (1)."""
        return self.dilation[axis] * (kernel.shape[axis] - 1) + 1


def compiler_conv(
    x: Maps, kernel: Kernel, geometry: Geometry, groups: int = 1
) -> Result:
    """Convolves as the compiler does.

    Args:
        x: Feature maps.
        kernel: Weights.
        geometry: Where the windows lie.
        groups: Groups of channels that do not see each other.

    Returns:
        Feature maps.
    """
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        geometry.strides,
        geometry.pads,
        rhs_dilation=geometry.dilation,
        dimension_numbers=NHWC,
        feature_group_count=groups,
    )
