import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.describe.flops import count_flops
from fashionjax.ops.conv import conv_general_dilated
from fashionjax.ops.phase_conv import transposed_conv, upsampled_conv
from fashionjax.ops.resize import upsample_nearest
from tests.ops.convolutions import NHWC, draw


def plain(x, kernel):
    return conv_general_dilated(
        upsample_nearest(x),
        kernel,
        (1, 1),
        ((1, 1), (1, 1)),
        dimension_numbers=NHWC,
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (4, 5), (11, 9)])
def test_it_equals_the_convolution_of_the_doubled_map(size):
    x, kernel = draw((2, *size, 5), (3, 3, 5, 3))
    with jax.default_matmul_precision("highest"):
        actual, expected = (
            jax.value_and_grad(lambda *a, f=f: jnp.sum(jnp.sin(f(*a))), (0, 1))(
                x, kernel
            )
            for f in (upsampled_conv, plain)
        )
    for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4)


def test_bfloat16_keeps_its_type_and_rounds_sums_of_taps_once():
    x, kernel = draw((2, 6, 5, 8), (3, 3, 8, 4))
    y = upsampled_conv(x.astype(jnp.bfloat16), kernel)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        y.astype(jnp.float32), plain(x, kernel), rtol=0.05, atol=0.2
    )


def test_it_multiplies_less_and_counts_alike():
    x, kernel = draw((1, 32, 32, 8), (3, 3, 8, 4))
    own, of_doubled = (
        jax.make_jaxpr(function)(x, kernel) for function in (upsampled_conv, plain)
    )
    counts = [sum(map(count_flops, j.jaxpr.eqns)) for j in (own, of_doubled)]
    assert counts[0] == counts[1] == 2 * 64 * 64 * 8 * 4 * 9
    cost = jax.jit(upsampled_conv).lower(x, kernel).cost_analysis()
    assert cost["flops"] < 0.55 * counts[0]


def test_neither_it_nor_its_gradient_gathers_or_scatters():
    x, kernel = draw((1, 6, 5, 8), (3, 3, 8, 4))
    gradient = jax.grad(lambda *a: jnp.sum(upsampled_conv(*a) ** 2), (0, 1))
    text = jax.jit(gradient).lower(x, kernel).as_text()
    assert "gather" not in text
    assert "scatter" not in text


def plain_transposed(x, kernel, stride):
    around = 2 * stride - 1 - stride // 2
    return jax.lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1],
        (1, 1),
        ((around, around), (around, around)),
        lhs_dilation=(stride, stride),
        dimension_numbers=NHWC,
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (6, 5)])
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_transposed_convolutions_equal_the_compilers(size, stride):
    x, kernel = draw((2, *size, 5), (2 * stride, 2 * stride, 5, 3))
    with jax.default_matmul_precision("highest"):
        actual, expected = (
            jax.value_and_grad(lambda *a, f=f: jnp.sum(jnp.sin(f(*a, stride))), (0, 1))(
                x, kernel
            )
            for f in (transposed_conv, plain_transposed)
        )
    for a, e in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=2e-4)


def test_transposed_convolutions_count_as_the_compilers():
    x, kernel = draw((1, 24, 20, 4), (4, 4, 4, 3))
    counts = [
        sum(map(count_flops, jax.make_jaxpr(f, static_argnums=2)(x, kernel, 2).eqns))
        for f in (transposed_conv, plain_transposed)
    ]
    assert counts[0] == counts[1]
