"""The way in on fewer CPU cores than there are."""

import contextlib
import os
from collections.abc import Iterator

import jax
from ml_collections import ConfigDict

from fashionjax.bench.input import measure_input
from fashionjax.bench.results import Row


def measure_reading(config: ConfigDict, cores: int, *, num_batches: int) -> Row:
    """Times the batches of a config's training split with so many cores.

    Args:
        config: The whole config.
        cores: CPU cores that the threads which read share, one thread a core.
        num_batches: Batches that count.

    Returns:
        The row of `measure_input`, and `cores`.

    Raises:
        ValueError: If this process may not use as many cores.
    """
    # Its threads outlive this function; they shall not be kept to these cores.
    jax.devices()
    with only_cores(cores):
        row = measure_input(
            config, num_threads=cores, num_workers=0, num_batches=num_batches
        )
    return {"cores": cores, **row}


@contextlib.contextmanager
def only_cores(count: int) -> Iterator[None]:
    """Keeps this thread, and those that it starts meanwhile, to so many cores.

    Raises:
        ValueError: If there are not as many, or the system cannot be told.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise ValueError("this system does not keep threads to some cores")
    before = os.sched_getaffinity(0)
    if count > len(before):
        raise ValueError(f"--values={count}; this process may use {len(before)} cores")
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
