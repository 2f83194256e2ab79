import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops import dense_conv
from fashionjax.ops.conv import conv_general_dilated
from fashionjax.train.sharding import by_example, make_mesh, replicated
from tests.ops.convolutions import (
    NHWC,
    check_equal,
    collectives,
    count_convolutions,
    draw,
    loss,
    lowered,
)
from tests.structure import convolution_channels, find_indexed

PADDINGS = [((1, 1), (1, 1)), ((0, 0), (0, 0)), ((2, 0), (1, 3))]


@pytest.fixture
def large(monkeypatch):
    """Maps count as large from one position on, and are one strip."""
    monkeypatch.setattr(dense_conv, "_SMALL_MAP", 0)


@pytest.fixture
def any_channels(monkeypatch):
    """Small maps are products however few their channels are."""
    monkeypatch.setattr(dense_conv, "_FEW_WEIGHTS", 0)


@pytest.fixture
def strips(monkeypatch, large):  # noqa: ARG001
    """2 * 11 positions a row: strips of 5 rows, the last one shorter."""
    monkeypatch.setattr(dense_conv, "_STRIP_POSITIONS", 110)


@pytest.mark.parametrize("kernel_size", [(1, 1), (3, 3), (2, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (1, 3)])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.usefixtures("any_channels")
def test_small_maps_equal_the_compilers(kernel_size, strides, padding):
    x, kernel = draw((2, 7, 6, 5), (*kernel_size, 5, 4))
    check_equal(conv_general_dilated, x, kernel, strides, padding)


@pytest.mark.parametrize(("channels", "on_cpu"), [((64, 64), 0), ((63, 64), 3)])
def test_small_maps_of_many_channels_are_matrix_products_on_cpu_and_not_on_tpu(
    channels, on_cpu
):
    x, kernel = draw((2, 16, 16, channels[0]), (3, 3, *channels))
    count = count_convolutions(jax.grad(loss(conv_general_dilated), (0, 1)), x, kernel)
    assert count == {"cpu": on_cpu, "tpu": 3, "cuda": 3}


def test_kernels_of_one_pixel_are_matrix_products_on_cpu_and_not_on_tpu():
    x, kernel = draw((1, 40, 40, 5), (1, 1, 5, 4))
    own = loss(conv_general_dilated, (2, 2), ((0, 0), (0, 0)))
    count = count_convolutions(jax.grad(own, (0, 1)), x, kernel)
    assert count == {"cpu": 0, "tpu": 3, "cuda": 3}


# The gradient is a product of patches (few channels in), of copies shifted along one
# axis each (alike), or of copies of the result (few channels out).
@pytest.mark.parametrize("channels", [(2, 9), (5, 4), (9, 2)])
@pytest.mark.parametrize("padding", PADDINGS[:1] + PADDINGS[2:])
@pytest.mark.usefixtures("strips")
def test_gradients_in_strips_equal_the_compilers(channels, padding):
    x, kernel = draw((2, 13, 11, channels[0]), (3, 3, *channels))
    check_equal(conv_general_dilated, x, kernel, (1, 1), padding)


@pytest.mark.parametrize("fixture", ["large", "strips"])
@pytest.mark.parametrize(
    ("kernel_size", "strides", "pad", "dilation"),
    [
        ((7, 7), (2, 2), 3, (1, 1)),
        ((3, 3), (2, 1), 1, (1, 1)),
        ((3, 3), (1, 1), 2, (2, 3)),
        ((1, 3), (1, 1), 0, (1, 2)),
    ],
)
def test_strides_and_dilation_equal_the_compilers(
    fixture, kernel_size, strides, pad, dilation, request
):
    request.getfixturevalue(fixture)
    x, kernel = draw((2, 14, 13, 3), (*kernel_size, 3, 4))
    padding = ((pad, pad), (pad, pad))
    check_equal(
        conv_general_dilated, x, kernel, strides, padding, rhs_dilation=dilation
    )


@pytest.mark.usefixtures("large")
def test_bfloat16_keeps_its_type():
    x, kernel = draw((2, 9, 8, 4), (3, 3, 4, 4), jnp.bfloat16)
    check_equal(conv_general_dilated, x, kernel, tolerance=0.03)


@pytest.mark.usefixtures("large")
def test_the_kernels_gradient_is_a_product_on_cpu_and_not_on_tpu():
    x, kernel = draw((2, 13, 11, 5), (3, 3, 5, 4))
    count = count_convolutions(jax.grad(loss(conv_general_dilated), 1), x, kernel)
    assert count == {"cpu": 1, "tpu": 2, "cuda": 2}


@pytest.mark.usefixtures("large")
def test_strips_are_few():
    x, kernel = draw((2, 64, 11, 5), (3, 3, 5, 4))
    dense_conv_strips = jax.make_jaxpr(jax.grad(loss(conv_general_dilated), 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense_conv, "_STRIP_POSITIONS", 1)
        assert str(dense_conv_strips(x, kernel)).count("dot_general") == 8


@pytest.mark.parametrize("size", [(6, 5), (18, 17)])
def test_forward_mode_differentiation_works(size):
    x, kernel = draw((1, *size, 3), (3, 3, 3, 2))
    tangents = (jnp.ones_like(x), 2 * jnp.ones_like(kernel))
    actual, expected = (
        jax.jvp(loss(function), (x, kernel), tangents)
        for function in (conv_general_dilated, jax.lax.conv_general_dilated)
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("large")
def test_examples_have_gradients_of_their_own():
    x, kernel = draw((3, 9, 8, 2), (3, 3, 2, 2))
    each = jax.vmap(jax.grad(loss(conv_general_dilated), 1), (0, None))
    total = jax.grad(loss(jax.lax.conv_general_dilated), 1)(x, kernel)
    np.testing.assert_allclose(
        each(x[:, None], kernel).sum(axis=0), total, rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
@pytest.mark.usefixtures("strips")
def test_a_sharded_batch_stays_where_it_is(strides):
    mesh = make_mesh()
    x, kernel = draw((8, 13, 11, 4), (3, 3, 4, 4))
    gradient = jax.jit(jax.grad(loss(conv_general_dilated, strides), (0, 1)))
    placed = (
        jax.device_put(x, by_example(mesh)),
        jax.device_put(kernel, replicated(mesh)),
    )
    compiled = gradient.lower(*placed).compile()
    assert collectives(compiled) == {"all-reduce"}


@pytest.mark.parametrize("channels", [(9, 5), (5, 9), (10, 11)])
@pytest.mark.usefixtures("strips")
def test_odd_numbers_of_channels_equal_the_compilers(channels):
    x, kernel = draw((2, 13, 11, channels[0]), (3, 3, *channels))
    check_equal(conv_general_dilated, x, kernel)


def test_odd_numbers_of_channels_are_padded_on_cpu_and_not_on_tpu():
    x, kernel = draw((1, 18, 17, 9), (3, 3, 9, 11))
    own = loss(conv_general_dilated)
    assert "tensor<1x18x17x12xf32>" in lowered(own, "cpu", x, kernel)
    assert "x12xf32>" not in lowered(own, "tpu", x, kernel)


@pytest.mark.parametrize(
    ("channels", "dtype", "padded"),
    [
        ((59, 47), jnp.bfloat16, {64, 48}),
        ((16, 25), jnp.float16, {16, 32}),
        ((3, 139), jnp.bfloat16, {3, 144}),
        ((139, 9), jnp.bfloat16, {144, 16}),
        # 1.5 times as many.
        ((10, 11), jnp.bfloat16, {10, 11}),
        ((59, 47), jnp.float32, {59, 47}),
    ],
)
def test_channels_of_half_precision_are_padded_on_gpus_alone(channels, dtype, padded):
    x, kernel = draw((1, 18, 17, channels[0]), (3, 3, *channels), dtype)
    gradients = jax.grad(loss(conv_general_dilated), (0, 1))
    for platform in ("cuda", "rocm"):
        text = lowered(gradients, platform, x, kernel)
        assert convolution_channels(text) == padded
        assert find_indexed(text) == set()
    assert convolution_channels(lowered(gradients, "tpu", x, kernel)) == set(channels)


@pytest.mark.parametrize(
    ("channels", "size", "strides"),
    [((59, 47), 3, (1, 1)), ((16, 25), 1, (1, 1)), ((3, 139), 3, (2, 2))],
)
def test_padded_channels_change_no_bit(channels, size, strides, monkeypatch):
    # Small integers: every sum is exact, in whichever order it is taken.
    rng = np.random.RandomState(0)
    shapes = (2, 6, 5, channels[0]), (size, size, *channels)
    x, kernel = (jnp.asarray(rng.randint(-1, 2, s), jnp.bfloat16) for s in shapes)

    def results(function):
        def convolve(x, kernel):
            padding = ((size // 2,) * 2,) * 2
            return function(x, kernel, strides, padding, dimension_numbers=NHWC)

        y, transposed = jax.vjp(convolve, x, kernel)
        grad = jnp.arange(y.size).reshape(y.shape) % 3 - 1
        return y, *transposed(grad.astype(y.dtype))

    expected = jax.jit(lambda: results(jax.lax.conv_general_dilated))()
    monkeypatch.setattr(
        jax.lax, "platform_dependent", lambda *args, cuda, **_: cuda(*args)
    )
    actual = jax.jit(lambda: results(conv_general_dilated))()
    for a, e in zip(actual, expected, strict=True):
        assert a.dtype == e.dtype
        np.testing.assert_array_equal(a.astype(np.float32), e.astype(np.float32))


@pytest.mark.usefixtures("any_channels")
def test_wide_dilations_equal_the_compilers_and_are_products_on_cpu_alone():
    x, kernel = draw((2, 18, 17, 6), (3, 3, 6, 4))
    padding, options = ((8, 8), (8, 8)), {"rhs_dilation": (8, 8)}
    check_equal(conv_general_dilated, x, kernel, (1, 1), padding, **options)
    own = loss(conv_general_dilated, (1, 1), padding, **options)
    count = count_convolutions(own, x, kernel)
    assert count == {"cpu": 0, "tpu": 1, "cuda": 1}
