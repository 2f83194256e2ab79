"""What the device does at most: the ceilings that all shares are of."""

import functools
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp

from fashionjax.bench.cost import Machine
from fashionjax.bench.timing import time_windows

_MATRIX_SIZE = {"cpu": 2048}
_COPY_BYTES = {"cpu": 2**28}
_DEFAULT_MATRIX_SIZE = 8192
_DEFAULT_COPY_BYTES = 2**31
_NUM_WINDOWS = 5
_WINDOW = 4


def measure_ceilings(
    dtype: str, *, matrix_size: int | None = None, copy_bytes: int | None = None
) -> dict[str, Any]:
    """Times a large matrix product and a pass over memory.

    Args:
        dtype: Type of the matrices; their sums are float32, as a convolution's.
        matrix_size: Their side; None for 8192, or 2048 on CPUs.
        copy_bytes: Bytes of the array that is read and written once each; None for
            2 GiB, or 256 MiB on CPUs.

    Returns:
        What was measured, by name.
    """
    platform = jax.devices()[0].platform
    size = matrix_size or _MATRIX_SIZE.get(platform, _DEFAULT_MATRIX_SIZE)
    num_bytes = copy_bytes or _COPY_BYTES.get(platform, _DEFAULT_COPY_BYTES)
    product = _time_product(size, dtype)
    copy = _time_copy(num_bytes)
    return {
        "dtype": dtype,
        "matrix_size": size,
        "copy_mib": num_bytes / 2**20,
        "matmul_tflops": 2 * size**3 / product / 1e12,
        "copy_gb_s": 2 * num_bytes / copy / 1e9,
    }


@functools.cache
def machine(dtype: str) -> Machine:
    """The device's limits for a type, measured once a process."""
    ceilings = measure_ceilings(dtype)
    return Machine(1e12 * ceilings["matmul_tflops"], 1e9 * ceilings["copy_gb_s"])


def _time_product(size: int, dtype: str) -> float:
    # Random values: a device at its power limit multiplies zeros faster.
    left, right = (
        jax.random.normal(key, (size, size), dtype)
        for key in jax.random.split(jax.random.key(0))
    )
    return _time(jax.jit(jnp.dot), left, right)


def _time_copy(num_bytes: int) -> float:
    values = jnp.ones(num_bytes // 4, jnp.float32)
    # A plain copy could be left out; negation reads and writes all the same.
    return _time(jax.jit(jnp.negative), values)


def _time(function: Callable[..., Any], *arguments: jax.Array) -> float:
    """Median seconds of a call, after the first."""
    jax.block_until_ready(function(*arguments))
    return median(
        time_windows(
            lambda: function(*arguments),
            num_steps=_NUM_WINDOWS * _WINDOW,
            window=_WINDOW,
        )
    )
