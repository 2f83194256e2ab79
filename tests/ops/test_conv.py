import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops import conv
from tests.ops.convolutions import NHWC, draw


@pytest.mark.parametrize(
    "options",
    [
        {"padding": "SAME", "dimension_numbers": NHWC, "feature_group_count": 2},
        {"padding": ((1, 1), (1, 1)), "lhs_dilation": (2, 2)},
        {"padding": ((1, 1), (1, 1)), "precision": "highest"},
    ],
)
def test_other_convolutions_are_the_compilers(options):
    in_channels = 4 // options.get("feature_group_count", 1)
    x, kernel = draw((1, 8, 8, 4), (3, 3, in_channels, 4))
    options = {"window_strides": (2, 2), "dimension_numbers": NHWC} | options
    if "lhs_dilation" in options:
        options["window_strides"] = (1, 1)
    actual = conv.conv_general_dilated(x, kernel, **options)
    expected = jax.lax.conv_general_dilated(x, kernel, **options)
    np.testing.assert_array_equal(actual, expected)


def test_other_layouts_are_the_compilers():
    x, kernel = draw((1, 4, 8, 8), (4, 4, 3, 3))
    actual = conv.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)))
    expected = jax.lax.conv_general_dilated(x, kernel, (1, 1), ((1, 1), (1, 1)))
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 3), (6, 5)])
def test_conv_of_constants_equals_the_conv_of_tiled_maps(size):
    values, kernel = draw((2, 5), (3, 3, 5, 4))
    maps = jnp.broadcast_to(values[:, None, None], (2, *size, 5))
    expected = jax.lax.conv_general_dilated(
        maps, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=NHWC
    )
    actual = conv.conv_of_constants(values, kernel, size)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
