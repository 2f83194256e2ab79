"""The device mesh, and how arrays lie on it."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fashionjax.constants import STOP
from fashionjax.types import Image, Targets

P = ParamSpec("P")
R = TypeVar("R")

DATA_AXIS = "data"
"""Mesh axis over which the examples of a batch are spread."""

SPATIAL_AXIS = "spatial"
"""Mesh axis over which the rows of pixels of an example are spread."""

_OVERLAP = "xla_gpu_enable_latency_hiding_scheduler"


def make_mesh(devices: Sequence[Any] | None = None, *, spatial_shards: int = 1) -> Mesh:
    """Lays all devices of all processes, or those given, out along the two axes.

    Args:
        devices: The devices; None for all.
        spatial_shards: Devices that share one example, each a strip of its height.

    Returns:
        A mesh of `len(devices) / spatial_shards` by `spatial_shards`.

    Raises:
        ValueError: If a process's devices are no multiple of `spatial_shards`: the
            strips of an example are exchanged in every layer, so they stay together.
    """
    devices = jax.devices() if devices is None else devices
    here = sum(device.process_index == jax.process_index() for device in devices)
    if spatial_shards < 1 or here % spatial_shards:
        raise ValueError(
            f"config.spatial_shards={spatial_shards}; allowed are divisors of {here},"
            " the number of devices of a process"
        )
    return Mesh(
        np.asarray(devices).reshape(-1, spatial_shards),
        (DATA_AXIS, SPATIAL_AXIS),
        axis_types=(AxisType.Auto, AxisType.Auto),
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy on every device: the training state."""
    return NamedSharding(mesh, PartitionSpec())


def by_example(mesh: Mesh) -> NamedSharding:
    """Split along the first axis over the data axis: batches."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def by_pixel(mesh: Mesh) -> NamedSharding:
    """Split along examples, and along height in strips: images, labels, logits."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS, SPATIAL_AXIS))


def strip_mesh(spatial_shards: int) -> Mesh:
    """The first devices of this process, for one example at a time in strips."""
    return make_mesh(
        jax.local_devices()[: max(1, spatial_shards)], spatial_shards=spatial_shards
    )


def check_height(height: int, spatial_shards: int) -> None:
    """Refuses strips of unequal height.

    Raises:
        ValueError: If the height is no multiple of the strips.
    """
    if height % spatial_shards:
        raise ValueError(
            f"config.spatial_shards={spatial_shards}; allowed are divisors of the image"
            f" height {height}"
        )


def spread_pixels(image: Image, targets: Targets, mesh: Mesh) -> tuple[Image, Targets]:
    """Gives every device its strip of the images and labels; to be traced.

    What follows is computed in strips too: the compiler exchanges the rows that a
    window sees beyond its strip. On a mesh without strips nothing changes.
    """
    if mesh.shape[SPATIAL_AXIS] == 1:
        return image, targets
    image, label = (
        jax.lax.with_sharding_constraint(x, by_pixel(mesh))
        for x in (image, targets.label)
    )
    return image, dataclasses.replace(targets, label=label)


def on_mesh(function: Callable[P, R], mesh: Mesh) -> Callable[P, R]:
    """Shows the mesh to the operations of a function that is going to be traced.

    Most need not know it; `ops.grouped_conv` does.
    """

    @functools.wraps(function)
    def traced(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*args, **kwargs)

    return traced


def compiler_options(mesh: Mesh) -> dict[str, bool] | None:
    """How to compile a step whose devices exchange gradients.

    On several GPUs the sum of a layer's gradients travels while those of the layers
    below are computed. `XLA_FLAGS` that name the option win.

    Returns:
        Options for `jax.jit`; None for the compiler's own.
    """
    is_gpu = mesh.devices.flat[0].platform == "gpu"
    if not is_gpu or mesh.size == 1 or _OVERLAP in os.environ.get("XLA_FLAGS", ""):
        return None
    return {_OVERLAP: True}


def check_batch_size(batch_size: int, mesh: Mesh, name: str, *, parts: int = 1) -> None:
    """Refuses a batch that the devices cannot share evenly.

    Args:
        batch_size: Rows of the whole batch.
        mesh: The mesh of the run.
        name: What to call the number in the error.
        parts: Parts that the batch is cut into, each shared by all devices.

    Raises:
        ValueError: If the data axis, times the parts, does not divide `batch_size`.
    """
    shards = mesh.shape[DATA_AXIS]
    if batch_size < 1 or batch_size % (shards * parts):
        times = f", times config.accumulate_steps={parts}" if parts > 1 else ""
        raise ValueError(
            f"{name}={batch_size} is not a positive multiple of {shards * parts}, the"
            f" number of devices along the data axis{times}"
        )


def put_batch(
    batch: Mapping[str, np.ndarray], mesh: Mesh, *, stop: bool = False
) -> dict[str, jax.Array]:
    """Makes global arrays of this process's rows of a batch.

    Args:
        batch: This process's share of the global batch, first axis examples.
        mesh: The mesh of the run.
        stop: Whether this process was asked to stop.

    Returns:
        Arrays of the global batch, spread over the data axis, with `STOP`.
    """
    sharding = by_example(mesh)
    rows = len(next(iter(batch.values())))
    return {
        name: jax.make_array_from_process_local_data(sharding, value)
        for name, value in (*batch.items(), (STOP, np.full(rows, stop, np.int32)))
    }
