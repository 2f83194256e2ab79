"""What the tests of convolutions share."""

import re

import jax
import jax.numpy as jnp
import numpy as np

NHWC = ("NHWC", "HWIO", "NHWC")


def draw(shape, kernel_shape, dtype=jnp.float32):
    rng = np.random.RandomState(0)
    x = jnp.asarray(rng.randn(*shape), dtype)
    kernel = jnp.asarray(rng.randn(*kernel_shape), dtype)
    return x, kernel


def loss(function, strides=(1, 1), padding=((1, 1), (1, 1)), **options):
    """A function of (x, kernel) whose gradients show every value of the result."""

    def of_arrays(x, kernel):
        y = function(x, kernel, strides, padding, dimension_numbers=NHWC, **options)
        return jnp.sum(jnp.sin(y.astype(jnp.float32)))

    return of_arrays


def check_equal(function, x, kernel, *arguments, tolerance=1e-4, **options):
    """Compares values and both gradients with the compiler's, at full precision."""
    with jax.default_matmul_precision("highest"):
        actual, expected = (
            jax.jit(jax.value_and_grad(loss(f, *arguments, **options), (0, 1)))(
                x, kernel
            )
            for f in (function, jax.lax.conv_general_dilated)
        )
    leaves = zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True)
    for a, e in leaves:
        assert a.dtype == e.dtype
        scale = np.abs(np.asarray(e, np.float32)).max()
        np.testing.assert_allclose(
            np.asarray(a, np.float32),
            np.asarray(e, np.float32),
            rtol=tolerance,
            atol=tolerance * scale,
        )


def lowered(function, platform, *arguments):
    """The text of a function's program for a platform that need not be here."""
    traced = jax.jit(function).trace(*arguments)
    return traced.lower(lowering_platforms=(platform,)).as_text()


def count_convolutions(function, *arguments):
    return {
        platform: lowered(function, platform, *arguments).count("stablehlo.convolution")
        for platform in ("cpu", "tpu", "cuda")
    }


def collectives(compiled):
    """The kinds of communication between devices in a compiled program."""
    names = "all-gather|all-to-all|collective-permute|all-reduce"
    return set(re.findall(rf"\b({names})(?:-start)?\(", compiled.as_text()))
