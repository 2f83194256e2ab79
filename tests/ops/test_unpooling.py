"""Torch's answers come from `tests/references/make_pooling.py`."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops import argmax_to_flat_index, max_pool_with_argmax, max_unpool
from tests.structure import indexed_operations

DTYPES = ("float32", "bfloat16", "float16")
IMAGES = ("ties", "odd", "special")


@pytest.fixture(scope="module")
def answers():
    with np.load(Path(__file__).parent / "pooling_answers.npz") as stored:
        return {name: stored[name] for name in stored.files}


def oracle(x):
    """Pools one window after the other."""
    batch, height, width, channels = x.shape
    pooled = np.zeros((batch, height // 2, width // 2, channels), x.dtype)
    argmax = np.zeros(pooled.shape, np.uint8)
    for index in np.ndindex(pooled.shape):
        b, i, j, c = index
        window = x[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].reshape(4)
        nan = np.flatnonzero(np.isnan(window))
        argmax[index] = nan[-1] if len(nan) else np.argmax(window)
        pooled[index] = window[argmax[index]]
    return pooled, argmax


def unpool_oracle(values, argmax, shape):
    """Writes one value after the other."""
    result = np.zeros(shape, values.dtype)
    for b, i, j, c in np.ndindex(values.shape):
        down, right = divmod(int(argmax[b, i, j, c]), 2)
        result[b, 2 * i + down, 2 * j + right, c] = values[b, i, j, c]
    return result


def drawn(shape, dtype="float32"):
    """Few different values, so that windows have ties."""
    values = np.random.default_rng(0).integers(-2, 3, shape)
    return jnp.asarray(values, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(2, 2), (6, 4), (7, 5), (8, 3)])
def test_both_equal_a_slow_oracle_at_odd_sizes_too(size, dtype):
    x = drawn((2, *size, 3), dtype)
    pooled, argmax = jax.jit(max_pool_with_argmax)(x)
    expected, expected_argmax = oracle(np.asarray(x))
    assert pooled.dtype == x.dtype
    assert argmax.dtype == jnp.uint8
    np.testing.assert_array_equal(pooled, expected)
    np.testing.assert_array_equal(argmax, expected_argmax)
    unpooled = max_unpool(pooled, argmax, x.shape)
    assert unpooled.dtype == x.dtype
    expected = unpool_oracle(expected, expected_argmax, x.shape)
    np.testing.assert_array_equal(unpooled, expected)


@pytest.mark.parametrize("image", IMAGES)
def test_values_and_indices_equal_those_of_torch(answers, image):
    x = answers[f"{image}/x"]
    pooled, argmax = max_pool_with_argmax(jnp.asarray(x))
    np.testing.assert_array_equal(pooled, answers[f"{image}/pooled"])
    index = argmax_to_flat_index(argmax, x.shape)
    assert index.dtype == jnp.int32
    np.testing.assert_array_equal(index, answers[f"{image}/index"])
    unpooled = max_unpool(pooled, argmax, x.shape)
    np.testing.assert_array_equal(unpooled, answers[f"{image}/unpooled"])


@pytest.mark.parametrize("image", IMAGES)
def test_gradients_equal_those_of_torch(answers, image):
    x = jnp.asarray(answers[f"{image}/x"])
    (pooled, argmax), pull = jax.vjp(max_pool_with_argmax, x)
    none = np.zeros(argmax.shape, jax.dtypes.float0)
    (grad,) = pull((jnp.asarray(answers[f"{image}/pooled_weights"]), none))
    np.testing.assert_array_equal(grad, answers[f"{image}/pooled_grad"])
    _, pull = jax.vjp(lambda v: max_unpool(v, argmax, x.shape), pooled)
    (grad,) = pull(jnp.asarray(answers[f"{image}/unpooled_weights"]))
    np.testing.assert_array_equal(grad, answers[f"{image}/unpooled_grad"])


def test_the_size_alone_serves_as_well_as_the_shape():
    x = drawn((2, 7, 9, 3))
    pooled, argmax = max_pool_with_argmax(x)
    np.testing.assert_array_equal(
        max_unpool(pooled, argmax, (7, 9)), max_unpool(pooled, argmax, x.shape)
    )
    np.testing.assert_array_equal(
        argmax_to_flat_index(argmax, (7, 9)), argmax_to_flat_index(argmax, x.shape)
    )


@pytest.mark.parametrize("shape", [(5, 8), (6, 10), (2, 6, 8, 4), (1, 6, 8, 3)])
def test_a_shape_that_does_not_pool_to_the_values_is_refused(shape):
    pooled, argmax = max_pool_with_argmax(drawn((2, 6, 8, 3)))
    with pytest.raises(ValueError, match="do not pool to"):
        max_unpool(pooled, argmax, shape)
    with pytest.raises(ValueError, match="do not pool to"):
        argmax_to_flat_index(argmax, shape)


def test_positions_of_another_shape_are_refused():
    pooled, argmax = max_pool_with_argmax(drawn((2, 6, 8, 3)))
    with pytest.raises(ValueError, match="argmax of shape"):
        max_unpool(pooled, argmax[:1], (6, 8))


def test_they_can_be_mapped():
    x = drawn((3, 2, 7, 5, 2))

    def roundtrip(x):
        pooled, argmax = max_pool_with_argmax(x)
        return (max_unpool(pooled, argmax, x.shape) ** 2).sum()

    expected = jnp.stack([jax.grad(roundtrip)(one) for one in x])
    np.testing.assert_array_equal(jax.vmap(jax.grad(roundtrip))(x), expected)


def test_no_step_scatters_or_gathers():
    def step(x):
        pooled, argmax = max_pool_with_argmax(x)
        return (max_unpool(pooled * 2, argmax, x.shape) ** 2).sum()

    step = jax.value_and_grad(step)
    assert not indexed_operations(step, drawn((2, 7, 6, 3)))
