import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from fashionjax.ops import dense_conv
from fashionjax.ops.conv import conv_general_dilated
from fashionjax.train.sharding import by_example, make_mesh, on_mesh, replicated
from tests.ops.convolutions import (
    NHWC,
    check_equal,
    collectives,
    count_convolutions,
    draw,
    loss,
    lowered,
)

GROUPED = {"feature_group_count": 4}


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
@pytest.mark.parametrize(
    ("kernel_shape", "groups"),
    [
        ((3, 3, 2, 8), 4),
        ((3, 3, 24, 12), 2),  # a bundle would have more channels than one should
        ((3, 3, 2, 24), 24),  # several bundles
        ((5, 5, 1, 6), 6),
        ((3, 3, 1, 8), 4),  # depthwise, two results a channel
    ],
)
def test_groups_equal_the_compilers(kernel_shape, groups, strides, size, monkeypatch):
    if size == "large":
        monkeypatch.setattr(dense_conv, "_SMALL_MAP", 0)
    x, kernel = draw((2, 11, 9, kernel_shape[2] * groups), kernel_shape)
    pad = kernel_shape[0] // 2
    padding = ((pad, pad), (pad, pad))
    check_equal(
        conv_general_dilated, x, kernel, strides, padding, feature_group_count=groups
    )


@pytest.mark.parametrize(("channels", "groups"), [(2, 4), (1, 8)])
def test_dilated_groups_on_large_maps_equal_the_compilers(channels, groups):
    x, kernel = draw((1, 21, 18, 8), (3, 3, channels, 8))
    options = {"rhs_dilation": (3, 2), "feature_group_count": groups}
    check_equal(conv_general_dilated, x, kernel, (1, 1), ((3, 3), (2, 2)), **options)


@pytest.mark.parametrize(("channels", "groups"), [(2, 4), (1, 8)])
def test_bfloat16_keeps_its_type(channels, groups):
    x, kernel = draw((2, 7, 6, 8), (3, 3, channels, 8), jnp.bfloat16)
    check_equal(
        conv_general_dilated, x, kernel, feature_group_count=groups, tolerance=0.05
    )


@pytest.mark.parametrize(("channels", "groups"), [(2, 4), (1, 8)])
def test_groups_are_the_compilers_on_accelerators(channels, groups):
    x, kernel = draw((2, 18, 17, 8), (3, 3, channels, 8))
    own = jax.grad(loss(conv_general_dilated, feature_group_count=groups), (0, 1))
    plain = jax.grad(
        loss(jax.lax.conv_general_dilated, feature_group_count=groups), (0, 1)
    )
    for platform in ("cuda", "tpu"):
        text = lowered(own, platform, x, kernel)
        assert f"feature_group_count = {groups} " in text
        assert "dot_general" not in text
        expected = count_convolutions(plain, x, kernel)[platform]
        assert count_convolutions(own, x, kernel)[platform] == expected


def test_on_cpu_no_convolution_has_groups():
    x, kernel = draw((2, 18, 17, 8), (3, 3, 2, 8))
    own = jax.grad(loss(conv_general_dilated, **GROUPED), (0, 1))
    text = lowered(own, "cpu", x, kernel)
    groups = re.findall(r"(?:feature|batch)_group_count = (\d+)", text)
    assert set(groups) == {"1"}


def test_forward_mode_differentiation_works():
    x, kernel = draw((1, 18, 17, 8), (3, 3, 2, 8))
    tangents = (jnp.ones_like(x), 2 * jnp.ones_like(kernel))
    actual, expected = (
        jax.jvp(loss(function, **GROUPED), (x, kernel), tangents)
        for function in (conv_general_dilated, jax.lax.conv_general_dilated)
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


# --- a batch sharded over eight devices -----------------------------------------


@pytest.fixture(scope="module", params=[2, 1], ids=["groups", "depthwise"])
def sharded(request):
    mesh = make_mesh()
    channels = request.param
    x, kernel = draw((16, 18, 17, 8), (3, 3, channels, 8))
    x = jax.device_put(x, by_example(mesh))
    kernel = jax.device_put(kernel, replicated(mesh))
    return x, kernel, {"feature_group_count": 8 // channels}


def _forward(x, kernel, **options):
    padding = ((1, 1), (1, 1))
    return conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=NHWC, **options
    )


@pytest.mark.parametrize("is_known", [True, False])
def test_a_sharded_batch_stays_where_it_is(sharded, is_known):
    x, kernel, options = sharded
    forward = functools.partial(_forward, **options)
    compiled = jax.jit(on_mesh(forward, make_mesh()) if is_known else forward)
    compiled = compiled.lower(x, kernel).compile()
    assert collectives(compiled) == set()
    assert compiled.output_shardings.spec[0] == "data"


def test_the_gradient_is_summed_over_the_devices_and_nothing_gathered(sharded):
    x, kernel, options = sharded
    plain = jax.grad(loss(conv_general_dilated, **options), (0, 1))
    gradient = jax.jit(on_mesh(plain, make_mesh()))
    assert collectives(gradient.lower(x, kernel).compile()) == {"all-reduce"}
    one = jax.device_put((x, kernel), jax.devices()[0])
    for actual, expected in zip(gradient(x, kernel), jax.jit(plain)(*one), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-3)


def test_each_device_of_an_accelerator_convolves_its_own_rows(sharded):
    x, kernel, options = sharded
    gradient = jax.grad(loss(conv_general_dilated, **options), (0, 1))
    for platform in ("cuda", "tpu"):
        text = lowered(on_mesh(gradient, make_mesh()), platform, x, kernel)
        rows = re.findall(r"stablehlo.convolution\(.*?tensor<(\d+)x18x17x8xf32>", text)
        assert set(rows) == {"2"}


def test_a_batch_that_the_mesh_cannot_share_is_convolved_whole():
    x, kernel = draw((3, 9, 8, 8), (3, 3, 2, 8))
    with jax.set_mesh(make_mesh()):
        check_equal(conv_general_dilated, x, kernel, **GROUPED)


def test_inside_an_island_of_the_caller_the_op_is_plain(sharded):
    x, kernel, options = sharded
    forward = functools.partial(_forward, **options)
    rows, everywhere = PartitionSpec("data"), PartitionSpec()
    island = jax.shard_map(
        forward, mesh=make_mesh(), in_specs=(rows, everywhere), out_specs=rows
    )
    np.testing.assert_allclose(
        jax.jit(island)(x, kernel), jax.jit(forward)(x, kernel), rtol=1e-5, atol=1e-5
    )
