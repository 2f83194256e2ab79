"""Convolution in groups of channels, depthwise ones included; see decision 007."""

import itertools

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType, PartitionSpec

from fashionjax.ops.conv_geometry import (
    Geometry,
    Kernel,
    Maps,
    Result,
    compiler_conv,
)
from fashionjax.ops.dense_conv import dense_conv, is_small, product_conv

_BUNDLE_CHANNELS = 32
"""Channels that groups are bundled to on CPUs.

XLA's CPU compiler has no convolution for groups: 1.7 GF/s at 72×48 with 32 groups of
4 channels, and in the weight gradient a hundred times less.
"""


def grouped_conv(x: Maps, kernel: Kernel, geometry: Geometry, groups: int) -> Result:
    """A convolution whose groups of channels do not see each other.

    Where a mesh is in use (`jax.set_mesh`, `jax.sharding.use_abstract_mesh`), every
    device convolves its own rows: left to itself, the compiler would gather the whole
    batch on each. Outside a mesh the op is plain. On CPUs it is a sum of maps times
    weights (depthwise), a product for each group (small maps) or a few dense
    convolutions; elsewhere it is the compiler's own.

    Args:
        x: Feature maps.
        kernel: Weights.
        geometry: Where the windows lie.
        groups: Number of groups.

    Returns:
        Feature maps.
    """

    def conv(x: Maps, kernel: Kernel) -> Result:
        return jax.lax.platform_dependent(
            x,
            kernel,
            cpu=lambda x, kernel: _cpu_conv(x, kernel, geometry, groups),
            default=lambda x, kernel: compiler_conv(x, kernel, geometry, groups),
        )

    mesh = jax.sharding.get_abstract_mesh()
    axis = _batch_axis(mesh)
    if axis is None or x.shape[0] % mesh.shape[axis]:
        return conv(x, kernel)
    by_row = PartitionSpec(axis)
    # By hand along all axes of one device too: where some are left to the compiler,
    # XLA's CPU compiler (jaxlib 0.10.2) aborts at the gradient's sum in bfloat16. Axes
    # of several, such as that of `train.sharding` along the height, are the compiler's.
    by_hand = {name for name in mesh.axis_names if mesh.shape[name] == 1}
    return jax.shard_map(
        conv,
        mesh=mesh,
        in_specs=(by_row, PartitionSpec()),
        out_specs=by_row,
        axis_names=by_hand | {axis},
    )(x, kernel)


def _batch_axis(mesh: AbstractMesh) -> str | None:
    """The mesh axis of batches: "data", else the first one; None without one.

    Where the caller divides the work himself, as within `jax.shard_map`, the rows are
    a device's own already.
    """
    axes = mesh.axis_names
    if mesh.size == 1 or set(mesh.axis_types) != {AxisType.Auto}:
        return None
    return "data" if "data" in axes else axes[0]


def _cpu_conv(x: Maps, kernel: Kernel, geometry: Geometry, groups: int) -> Result:
    if groups == x.shape[-1] == kernel.shape[-1]:
        return _depthwise(x, kernel, geometry)
    if is_small(x, kernel, geometry):
        return _products(x, kernel, geometry, groups)
    return _bundles(x, kernel, geometry, groups)


def _depthwise(x: Maps, kernel: Kernel, geometry: Geometry) -> Result:
    """One channel a group: shifted maps times weights, which compilers fuse."""
    size = geometry.size_out(x, kernel)
    x = jnp.pad(x, ((0, 0), *geometry.pads, (0, 0)))
    y = jnp.zeros((), x.dtype)
    for taps in itertools.product(*map(range, kernel.shape[:2])):
        windows = [
            slice(start, start + (length - 1) * stride + 1, stride)
            for start, length, stride in zip(
                (t * d for t, d in zip(taps, geometry.dilation, strict=True)),
                size,
                geometry.strides,
                strict=True,
            )
        ]
        y += x[:, *windows] * kernel[taps]
    return y


def _products(x: Maps, kernel: Kernel, geometry: Geometry, groups: int) -> Result:
    """A matrix product for each group, in one operation."""
    x, kernel = (
        jnp.moveaxis(array.reshape(*array.shape[:3], groups, -1), 3, 0)
        for array in (x, kernel)
    )
    y = jax.vmap(lambda x, kernel: product_conv(x, kernel, geometry))(x, kernel)
    y = jnp.moveaxis(y, 0, 3)
    return y.reshape(*y.shape[:3], -1)


def _bundles(x: Maps, kernel: Kernel, geometry: Geometry, groups: int) -> Result:
    """Neighbouring groups as one dense convolution, with zeros between the groups."""
    height, width, channels, features = kernel.shape
    together = max(
        n
        for n in range(1, groups + 1)
        if groups % n == 0 and (n == 1 or n * channels <= _BUNDLE_CHANNELS)
    )
    bundles = groups // together
    # Few axes: XLA's CPU compiler (jaxlib 0.10.2) crashes on sums over one of seven.
    group = jnp.arange(features) // (features // groups) % together
    is_own = jnp.arange(together)[:, None, None] == group
    blocks = jnp.where(
        is_own, kernel.reshape(-1, 1, channels, features), jnp.zeros((), kernel.dtype)
    ).reshape(height, width, together * channels, features)
    return jnp.concatenate(
        [
            dense_conv(part, block, geometry)
            for part, block in zip(
                jax.lax.split(x, [x.shape[-1] // bundles] * bundles, axis=3),
                jax.lax.split(blocks, [features // bundles] * bundles, axis=3),
                strict=True,
            )
        ],
        axis=-1,
    )
