import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.resize import crop_or_pad, resize_nearest, upsample_nearest


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_every_pixel_is_repeated(factor):
    x = jnp.asarray(np.random.RandomState(0).randn(2, 3, 4, 5), jnp.float32)
    expected = np.asarray(x).repeat(factor, axis=1).repeat(factor, axis=2)
    np.testing.assert_array_equal(upsample_nearest(x, factor), expected)


def test_gradient_is_the_sum_over_the_copies():
    x = jnp.ones((1, 2, 2, 1))
    grad = jax.grad(lambda v: upsample_nearest(v).sum())(x)
    np.testing.assert_array_equal(grad, np.full((1, 2, 2, 1), 4.0))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    "size", [(6, 8), (5, 7), (7, 9), (6, 9), (12, 16), (3, 4), (2, 3), (1, 1)]
)
def test_nearest_resizing_repeats_the_pixel_below(size, dtype):
    x = jnp.asarray(np.random.RandomState(0).randn(2, 3, 4, 5), dtype)
    rows = [i * 3 // size[0] for i in range(size[0])]
    columns = [i * 4 // size[1] for i in range(size[1])]
    resized = resize_nearest(x, size)
    assert resized.dtype == dtype
    np.testing.assert_array_equal(resized, np.asarray(x)[:, rows][:, :, columns])


@pytest.mark.parametrize("size", [(5, 3), (3, 5), (4, 4), (2, 6)])
def test_a_map_is_cut_or_filled_up_below_and_on_the_right(size):
    x = np.random.RandomState(0).randn(2, 4, 4, 3).astype(np.float32)
    expected = np.zeros((2, 8, 8, 3), np.float32)
    expected[:, :4, :4] = x
    expected = expected[:, : size[0], : size[1]]
    np.testing.assert_array_equal(crop_or_pad(jnp.asarray(x), size), expected)
