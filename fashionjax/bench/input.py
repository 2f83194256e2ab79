"""The way in: images a second that the host reads, and bytes a second to the device."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import itertools
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from fashionjax import builders
from fashionjax.bench.timing import time_windows
from fashionjax.data.pipeline import train_batches
from fashionjax.train.sharding import make_mesh, put_batch

_NUM_TRANSFERS = 20

_LEAST_WAVES = 8
"""Of one batch of each thread: they come in waves, which few batches cut anywhere."""


def measure_input(
    config: ConfigDict, *, num_threads: int, num_workers: int, num_batches: int
) -> dict[str, Any]:
    """Times the batches of a config's training split, without any model.

    Args:
        config: The whole config.
        num_threads: Threads that read, in each worker if there are workers.
        num_workers: Processes that read; 0 for none.
        num_batches: Batches that count, rounded up to waves of one of each thread, of
            which there are eight at least.

    Returns:
        What was measured, by name: seconds until the dataset is open and until there is
        a first batch, images a second of the host once what was read ahead is used up,
        and GB/s of batches from host to device.
    """
    start = time.perf_counter()
    dataset = builders.build_dataset(config.data)
    opened = time.perf_counter()
    batches = train_batches(
        dataset.sources["train"],
        batch_size=config.batch_size,
        seed=config.seed,
        num_threads=num_threads,
        num_workers=num_workers,
        num_classes=dataset.label_map.num_classes,
    )
    batch = next(batches)
    first = time.perf_counter()
    ahead = num_threads * max(1, num_workers)
    num_batches = ahead * max(_LEAST_WAVES, -(-num_batches // ahead))
    _read(batches, ahead)
    begin = time.perf_counter()
    _read(batches, num_batches)
    seconds = time.perf_counter() - begin
    batches.close()  # pyright: ignore[reportAttributeAccessIssue]
    return {
        "dataset": dataset.name,
        "examples": len(dataset.sources["train"]),
        "batch": config.batch_size,
        "size": "x".join(map(str, dataset.image_size)),
        "resized": config.data.get("resized", "none"),
        "threads": num_threads,
        "workers": num_workers,
        "open_s": opened - start,
        "first_batch_s": first - opened,
        "images_per_second": num_batches * config.batch_size / seconds,
        "to_device_gb_s": _transfer_rate(batch),
        "batches": num_batches,
        "seed": config.seed,
    }


def _read(batches: Iterator[Any], count: int) -> None:
    for _ in itertools.islice(batches, count):
        pass


def _transfer_rate(batch: Mapping[str, np.ndarray]) -> float:
    mesh = make_mesh(jax.devices()[:1])
    seconds = median(
        time_windows(lambda: put_batch(batch, mesh), num_steps=_NUM_TRANSFERS, window=1)
    )
    return sum(array.nbytes for array in batch.values()) / seconds / 1e9
