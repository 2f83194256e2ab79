import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops import conv

NHWC = ("NHWC", "HWIO", "NHWC")


def _arrays(shape, kernel_shape):
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(*shape), jnp.float32)
    kernel = jnp.asarray(rng.randn(*kernel_shape), jnp.float32)
    return x, kernel


def _loss(function, padding, strides=(1, 1)):
    def loss(x, kernel):
        y = function(x, kernel, strides, padding, dimension_numbers=NHWC)
        return jnp.sum(jnp.sin(y))

    return loss


@pytest.fixture
def strips(monkeypatch):
    """2 * 11 positions a row: strips of 3 rows, the last one shorter."""
    monkeypatch.setattr(conv, "_STRIP_POSITIONS", 70)
    monkeypatch.setattr(conv, "_SMALL_MAP", 0)


def _count_convolutions(function, *arguments):
    traced = jax.jit(function).trace(*arguments)
    return {
        platform: traced.lower(lowering_platforms=(platform,))
        .as_text()
        .count("stablehlo.convolution")
        for platform in ("cpu", "tpu", "cuda")
    }


@pytest.mark.parametrize("kernel_size", [(1, 1), (3, 3), (2, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize(
    "padding", [((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, 0), (1, 3))]
)
def test_small_maps_equal_the_compilers(kernel_size, strides, padding):
    x, kernel = _arrays((2, 7, 6, 5), (*kernel_size, 5, 4))
    own = _loss(conv.conv_general_dilated, padding, strides)
    reference = _loss(jax.lax.conv_general_dilated, padding, strides)
    for actual, expected in zip(
        jax.tree.leaves(jax.jit(jax.value_and_grad(own, (0, 1)))(x, kernel)),
        jax.tree.leaves(jax.jit(jax.value_and_grad(reference, (0, 1)))(x, kernel)),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_small_maps_are_matrix_products_on_cpu_and_not_on_tpu():
    x, kernel = _arrays((2, 16, 16, 5), (3, 3, 5, 4))
    loss = _loss(conv.conv_general_dilated, ((1, 1), (1, 1)))
    count = _count_convolutions(jax.grad(loss, (0, 1)), x, kernel)
    assert count == {"cpu": 0, "tpu": 3, "cuda": 3}


@pytest.mark.parametrize(
    "padding", [((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, 0), (1, 3))]
)
@pytest.mark.usefixtures("strips")
def test_gradients_in_strips_equal_the_compilers(padding):
    x, kernel = _arrays((2, 13, 11, 5), (3, 3, 5, 4))
    own = _loss(conv.conv_general_dilated, padding)
    reference = _loss(jax.lax.conv_general_dilated, padding)
    for actual, expected in zip(
        jax.jit(jax.grad(own, (0, 1)))(x, kernel),
        jax.jit(jax.grad(reference, (0, 1)))(x, kernel),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("strips")
def test_strips_are_in_the_gradient_on_cpu_and_not_on_tpu():
    x, kernel = _arrays((2, 13, 11, 5), (3, 3, 5, 4))
    loss = _loss(conv.conv_general_dilated, ((1, 1), (1, 1)))
    count = _count_convolutions(jax.grad(loss, 1), x, kernel)
    assert count == {"cpu": 1 + 5, "tpu": 2, "cuda": 2}


@pytest.mark.parametrize("size", [(6, 5), (18, 17)])
def test_forward_mode_differentiation_works(size):
    x, kernel = _arrays((1, *size, 3), (3, 3, 3, 2))
    own = _loss(conv.conv_general_dilated, ((1, 1), (1, 1)))
    reference = _loss(jax.lax.conv_general_dilated, ((1, 1), (1, 1)))
    tangents = (jnp.ones_like(x), 2 * jnp.ones_like(kernel))
    for actual, expected in zip(
        jax.jvp(own, (x, kernel), tangents),
        jax.jvp(reference, (x, kernel), tangents),
        strict=True,
    ):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_strides_and_groups_are_the_compilers():
    x, kernel = _arrays((1, 8, 8, 4), (3, 3, 2, 4))
    options = {"dimension_numbers": NHWC, "feature_group_count": 2}
    actual = conv.conv_general_dilated(x, kernel, (2, 2), "SAME", **options)
    expected = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", **options)
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (2, 3), (6, 5)])
def test_conv_of_constants_equals_the_conv_of_tiled_maps(size):
    values, kernel = _arrays((2, 5), (3, 3, 5, 4))
    maps = jnp.broadcast_to(values[:, None, None], (2, *size, 5))
    expected = jax.lax.conv_general_dilated(
        maps, kernel, (1, 1), ((1, 1), (1, 1)), dimension_numbers=NHWC
    )
    actual = conv.conv_of_constants(values, kernel, size)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
