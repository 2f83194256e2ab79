"""A split that lies on the devices, and the examples of a batch picked from it."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Int, UInt8

from fashionjax.constants import EXAMPLE_INDEX, EXAMPLES, IMAGE, LABEL
from fashionjax.data.dataset import Source
from fashionjax.data.pipeline import read_examples
from fashionjax.data.progress import progress
from fashionjax.train.memory import memory_limit
from fashionjax.train.sharding import DATA_AXIS, by_example
from fashionjax.train.summary import format_bytes

ROOM = 0.3
"""Share of a device's memory that is left to the training step."""

Examples: TypeAlias = UInt8[Array, "examples height width 4"]
Rows: TypeAlias = UInt8[Array, "batch height width 4"]


def split_shape(
    num_examples: int, image_size: tuple[int, int], mesh: Mesh
) -> tuple[int, int, int, int]:
    """Shape of a split on the devices, filled up so that all hold the same number."""
    shards = mesh.shape[DATA_AXIS]
    return (-(-num_examples // shards) * shards, *image_size, 4)


def check_fits(num_bytes: int, limit: int | None) -> None:
    """Refuses a share of the split that leaves a device no room for the step.

    Args:
        num_bytes: Of one device's share.
        limit: Bytes that the device offers; None if it does not tell, which passes.

    Raises:
        ValueError: If less than `ROOM` of the limit would be left.
    """
    if limit is not None and num_bytes > (1 - ROOM) * limit:
        raise ValueError(
            f"config.data.input='resident' would keep {format_bytes(num_bytes)}"
            f" ({num_bytes:,} bytes) of images and labels on each device; allowed is"
            f" {1 - ROOM:.0%} of its {format_bytes(limit)} ({limit:,} bytes). Choose"
            " --config.data.input=stream, more devices or smaller images"
        )


def load_split(
    source: Source,
    mesh: Mesh,
    *,
    image_size: tuple[int, int],
    num_threads: int | None = None,
    num_classes: int | None = None,
) -> Examples:
    """Reads the training split onto the devices, divided along the data axis.

    Each process reads what its own devices hold, one device after another: the host
    needs memory for the share of one device.

    Args:
        source: The examples.
        mesh: The mesh of the run.
        image_size: (height, width) of the examples.
        num_threads: Threads that read; None for the CPUs that this process may use.
        num_classes: If given, labels are checked to lie below it.

    Returns:
        The examples in their order, the label behind RGB, and zeros behind the last.

    Raises:
        ValueError: If the devices have no room for it, before anything is read; as
            `ExampleError` for an example that cannot be read or does not fit.
    """
    sharding = by_example(mesh)
    shape = split_shape(len(source), image_size, mesh)
    shard_shape = sharding.shard_shape(shape)
    check_fits(math.prod(shard_shape), memory_limit())
    places = sharding.devices_indices_map(shape)
    shares = {
        device: range(len(source))[places[device][0]] for device in mesh.local_devices
    }
    examples = _shown(
        itertools.chain.from_iterable(
            read_examples(
                source, rows, num_threads=num_threads, num_classes=num_classes
            )
            for rows in shares.values()
        ),
        sum(map(len, shares.values())),
    )
    arrays = []
    for device, rows in shares.items():
        shard = np.zeros(shard_shape, np.uint8)
        for place, example in zip(shard[: len(rows)], examples, strict=False):
            place[...] = example
        arrays.append(jax.device_put(shard, device))
    next(examples, None)  # the end of the progress line
    return jax.make_array_from_single_device_arrays(shape, sharding, arrays)


def pick_examples(
    batch: Mapping[str, jax.Array], mesh: Mesh
) -> Mapping[str, jax.Array]:
    """Adds images and labels to a batch that comes with the split they lie in.

    To be traced. Every device picks, of the whole batch, the examples that it holds,
    and sends each to the device that trains on it; the split itself stays.

    Args:
        batch: With `EXAMPLE_INDEX`, and `EXAMPLES` as `load_split` returned them. One
            without `EXAMPLES` has its images and labels already and is returned as is.
        mesh: The mesh that both are divided over.

    Returns:
        The batch with `IMAGE` and `LABEL` in place of `EXAMPLES`.
    """
    if EXAMPLES not in batch:
        return batch
    rest = dict(batch)
    examples, index = rest.pop(EXAMPLES), rest[EXAMPLE_INDEX]
    if mesh.shape[DATA_AXIS] == 1:
        rows = _take(examples, index)
    else:
        by_row = PartitionSpec(DATA_AXIS)
        rows = jax.shard_map(
            _exchange, mesh=mesh, in_specs=(by_row, by_row), out_specs=by_row
        )(examples, index)
    # What follows compiles as if the images had come from the host: the same bits.
    image, label = jax.lax.optimization_barrier((rows[..., :3], rows[..., 3]))
    return rest | {IMAGE: image, LABEL: label}


def _exchange(examples: Examples, index: Int[Array, " batch"]) -> Rows:
    """One device's part: what it holds goes out, the rows of its own come in."""
    everyone = jax.lax.all_gather(index, DATA_AXIS, tiled=True)
    here = everyone - jax.lax.axis_index(DATA_AXIS) * len(examples)
    is_here = (here >= 0) & (here < len(examples))
    found = _take(examples, here) * is_here[:, None, None, None].astype(jnp.uint8)
    # One device has the example and all others zeros: the sum is the example.
    return jax.lax.psum_scatter(found, DATA_AXIS, tiled=True)


def _take(examples: Examples, index: Int[Array, " batch"]) -> Rows:
    return jnp.take(examples, index, axis=0, mode="clip")


def _shown(examples: Iterator[np.ndarray], total: int) -> Iterator[np.ndarray]:
    """Shows the progress of the first process; the others read as much."""
    if jax.process_index() > 0:
        return examples
    return progress(examples, total, "Reading the training split into device memory")
