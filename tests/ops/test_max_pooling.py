"""Torch's answers come from `tests/references/make_pooling.py`."""

from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.max_pooling import max_pool_2x2, max_pool_3x3
from tests.structure import indexed_operations

IMAGES = ("ties", "odd", "special")


@pytest.fixture(scope="module")
def answers():
    with np.load(Path(__file__).parent / "pooling_answers.npz") as stored:
        return {name: stored[name] for name in stored.files}


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize(
    ("pool", "name"), [(max_pool_2x2, "pooled"), (max_pool_3x3, "overlapping")]
)
def test_values_and_gradients_equal_those_of_torch(answers, pool, name, image):
    x = jnp.asarray(answers[f"{image}/x"])
    pooled, pull = jax.vjp(pool, x)
    np.testing.assert_array_equal(pooled, answers[f"{image}/{name}"])
    (grad,) = pull(jnp.asarray(answers[f"{image}/{name}_weights"]))
    # Up to four windows pass something to a pixel; the order of the sum may differ.
    np.testing.assert_allclose(grad, answers[f"{image}/{name}_grad"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 2)])
def test_half_precision_is_that_of_flax(size, dtype):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.integers(-2, 3, (2, *size, 3)), dtype)

    def reference(x):
        return nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))

    pooled, pull = jax.vjp(max_pool_3x3, x)
    expected, expected_pull = jax.vjp(reference, x)
    # Small integers, so that every sum is exact.
    grad = jnp.asarray(rng.integers(-8, 9, pooled.shape), dtype)
    assert pooled.dtype == x.dtype
    np.testing.assert_array_equal(pooled, expected)
    np.testing.assert_array_equal(pull(grad)[0], expected_pull(grad)[0])


@pytest.mark.parametrize("pool", [max_pool_2x2, max_pool_3x3])
def test_no_pass_scatters_or_gathers(pool):
    step = jax.value_and_grad(lambda x: (pool(x) ** 2).sum())
    assert not indexed_operations(step, jnp.ones((2, 7, 6, 3)))


def test_the_check_for_scatter_and_gather_finds_them():
    def step(x, index):
        return nn.max_pool(x, (2, 2), (2, 2)).sum() + x[:, index].sum()

    found = indexed_operations(jax.grad(step), jnp.ones((2, 4, 4, 1)), jnp.arange(3))
    assert {"stablehlo.select_and_scatter", "stablehlo.scatter"} <= found
    assert "scatter(" in found or "select-and-scatter(" in found


@pytest.mark.parametrize("size", [(4, 6), (5, 6), (3, 1)])
def test_rounding_up_pools_what_lies_over(size):
    x = np.random.RandomState(0).randn(2, *size, 3).astype(np.float32)
    pooled = np.asarray(max_pool_2x2(jnp.asarray(x), ceil_mode=True))
    height, width = (-(-n // 2) for n in size)
    assert pooled.shape == (2, height, width, 3)
    for i in range(height):
        for j in range(width):
            window = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            np.testing.assert_array_equal(pooled[:, i, j], window.max((1, 2)))
