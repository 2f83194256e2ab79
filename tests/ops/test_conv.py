import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.describe.flops import count_flops
from fashionjax.ops import conv
from tests.ops.convolutions import NHWC, check_equal, draw


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


@pytest.mark.parametrize(
    ("size", "dilation", "padding", "strides", "taps"),
    [
        # Only the middle tap; the middle column; all of them.
        ((5, 4), (5, 6), ((5, 5), (6, 6)), (1, 1), (1, 1)),
        ((7, 4), (6, 4), ((6, 6), (4, 4)), (1, 1), (3, 1)),
        ((5, 5), (4, 4), ((4, 4), (4, 4)), (1, 1), (3, 3)),
        # The first or the last row of taps alone.
        ((4, 4), (4, 1), ((4, 0), (1, 1)), (1, 1), (2, 3)),
        ((6, 5), (3, 3), ((0, 6), (3, 3)), (2, 1), (3, 3)),
        ((1, 1), (1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1)),
    ],
)
def test_taps_outside_of_the_map_are_left_out(size, dilation, padding, strides, taps):
    x, kernel = draw((2, *size, 3), (3, 3, 3, 4))
    options = {"rhs_dilation": dilation}
    check_equal(conv.conv_general_dilated, x, kernel, strides, padding, **options)

    def convolve(function, x, kernel):
        return function(x, kernel, strides, padding, dimension_numbers=NHWC, **options)

    own, plain = (
        jax.make_jaxpr(lambda *a, f=function: convolve(f, *a))(x, kernel)
        for function in (conv.conv_general_dilated, jax.lax.conv_general_dilated)
    )
    # The compiler's own, on accelerators, sees fewer taps; they count all the same.
    assert f"f32[{taps[0]},{taps[1]},3,4]" in str(own)
    own_count, plain_count = (
        sum(map(count_flops, jaxpr.jaxpr.eqns)) for jaxpr in (own, plain)
    )
    assert own_count == plain_count
