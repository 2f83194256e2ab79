"""The device mesh, and how arrays lie on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

DATA_AXIS = "data"
"""Mesh axis over which the examples of a batch are spread."""


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Lays all devices of all processes, or those given, along the data axis."""
    devices = jax.devices() if devices is None else devices
    return Mesh(np.asarray(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy on every device: the training state."""
    return NamedSharding(mesh, PartitionSpec())


def by_example(mesh: Mesh) -> NamedSharding:
    """Split along the first axis over the data axis: batches."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def check_batch_size(batch_size: int, mesh: Mesh, name: str) -> None:
    """Refuses a batch that the devices cannot share evenly.

    Raises:
        ValueError: If the data axis does not divide `batch_size`.
    """
    shards = mesh.shape[DATA_AXIS]
    if batch_size < 1 or batch_size % shards:
        raise ValueError(
            f"{name}={batch_size} is not a positive multiple of {shards}, the number"
            " of devices along the data axis"
        )


def put_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Makes global arrays of this process's rows of a batch.

    Args:
        batch: This process's share of the global batch, first axis examples.
        mesh: The mesh of the run.

    Returns:
        Arrays of the global batch, spread over the data axis.
    """
    sharding = by_example(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, value)
        for name, value in batch.items()
    }
