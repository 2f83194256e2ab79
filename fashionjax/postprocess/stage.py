"""Keeping what is read many times from being computed as many times."""

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental.xla_metadata import set_xla_metadata


def stage(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Makes a function a stage of its own in the program around it.

    XLA's CPU compiler fuses a gather with whatever computed the gathered values, once
    for each place that takes them: a chain of gathers takes exponentially long. It
    removes optimization barriers before. A function that it may not inline stays apart.

    Args:
        function: A pure function of arrays.
    """
    compiled = jax.jit(function)

    def apart(*args: Any) -> jax.Array:
        with set_xla_metadata(inlineable="false"):
            return compiled(*args)

    def run(*args: Any) -> jax.Array:
        return jax.lax.platform_dependent(*args, cpu=apart, default=function)

    return run
