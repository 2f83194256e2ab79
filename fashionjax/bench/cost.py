"""Arithmetic and memory traffic of a model's layers, and the time that they take.

All is read off the trace of the very model that runs. A model here is a list of
kernels, each bounded by the machine's arithmetic or by its memory; see `seconds`.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.extend.core import Literal as Constant

from fashionjax.describe.flops import (
    count_flops,
    executed_flops,
    name_path,
    shape_of,
)
from fashionjax.ops.counted_arithmetic import is_mark, plain_count

Kind: TypeAlias = Literal["product", "norm", "pass"]

_ADAM_BYTES = 28
"""Float32 reads of gradient, parameter and both moments, writes of the last three."""

_NORM_PASSES = (1, 2, 2, 3)
"""A norm in training: statistics; normalise; backward both sums; backward maps."""


@dataclasses.dataclass(frozen=True)
class Layer:
    """What one operation does to one image, forward.

    Attributes:
        name: The module that it belongs to.
        kind: "product" for convolutions and matrix products, "norm" for BatchNorm and
            GroupNorm with the activation after it, "pass" for what moves maps:
            pooling, concatenation, interpolation.
        flops: Floating point operations of a product, two a multiplication.
        read: Values of feature maps that it reads.
        written: Values of feature maps that it writes.
        weights: Values of its kernel.
        groups: Groups of a convolution.
    """

    name: str
    kind: Kind
    flops: int
    read: int
    written: int
    weights: int = 0
    groups: int = 1


class Kernel(NamedTuple):
    """One launch on the device.

    Attributes:
        flops: Floating point operations.
        bytes: Bytes read and written.
        grouped: Whether it is a convolution of several groups.
    """

    flops: float
    bytes: float
    grouped: bool = False


class Machine(NamedTuple):
    """What a device can do at most.

    Attributes:
        flops: Floating point operations a second.
        bytes: Bytes read and written a second.
    """

    flops: float
    bytes: float


class Efficiency(NamedTuple):
    """Which share of that kernels reach.

    Attributes:
        flops: Of the arithmetic.
        bytes: Of the bandwidth.
        grouped: Of the former, in grouped convolutions.
        launch: Seconds that any kernel takes at least.
    """

    flops: float
    bytes: float
    grouped: float
    launch: float


IDEAL = Efficiency(1.0, 1.0, 1.0, 0.0)
"""The roofline: every kernel at the machine's limit."""

TUNED = Efficiency(0.6, 0.8, 1 / 3, 3e-6)
"""A well tuned library: with H100's limits it predicts 6,700 images/s of ResNet50 at
batch 408, where NVIDIA's own MLPerf 3.0 run had 7,006."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """A model at one size of image.

    Attributes:
        layers: In the order of the computation.
        num_params: Number of trained parameters.
    """

    layers: tuple[Layer, ...]
    num_params: int

    @property
    def flops(self) -> int:
        """Floating point operations of one image, forward."""
        return sum(layer.flops for layer in self.layers)

    def work(self, *, train: bool) -> int:
        """Floating point operations of one image; training has three times forward."""
        return (3 if train else 1) * self.flops

    def fused_bytes(self, itemsize: int, *, train: bool) -> int:
        """Bytes of one image if products were all: each reads and writes its maps once.

        Training passes over them three times.
        """
        maps = sum(x.read + x.written for x in self.layers if x.kind == "product")
        return itemsize * maps * (3 if train else 1)

    def xla_bytes(self, itemsize: int, *, train: bool) -> int:
        """Bytes of one image where norms and passes are kernels of their own.

        As XLA compiles: a norm's eight passes over its maps in training, two else.
        """
        norm_passes = sum(_NORM_PASSES) if train else 2
        norms = sum(x.read for x in self.layers if x.kind == "norm")
        others = sum(x.read + x.written for x in self.layers if x.kind == "pass")
        return self.fused_bytes(itemsize, train=train) + itemsize * (
            norm_passes * norms + (2 if train else 1) * others
        )

    def kernels(
        self, batch_size: int, itemsize: int, *, train: bool
    ) -> Iterator[Kernel]:
        """Launches of a step, the optimiser's left out.

        In training a product has two gradients. In inference norms are part of the
        products before them.
        """
        for layer in self.layers:
            maps = itemsize * batch_size * (layer.read + layer.written)
            if layer.kind == "product":
                kernel = Kernel(
                    batch_size * layer.flops,
                    maps + itemsize * layer.weights,
                    layer.groups > 1,
                )
                yield from [kernel] * (3 if train else 1)
            elif layer.kind == "pass":
                yield from [Kernel(0, maps)] * (2 if train else 1)
            elif train:
                for passes in _NORM_PASSES:
                    yield Kernel(0, passes * itemsize * batch_size * layer.read)


def seconds(
    cost: Cost,
    machine: Machine,
    efficiency: Efficiency,
    *,
    batch_size: int,
    itemsize: int,
    train: bool,
) -> float:
    """The time of a step: of each kernel, whichever bounds it, one after another.

    Args:
        cost: The model.
        machine: The device's limits.
        efficiency: `IDEAL` for the roofline bound, `TUNED` for what a tuned library
            reaches.
        batch_size: Images a step.
        itemsize: Bytes of a value of a feature map.
        train: Whether the step trains, Adam's update included.
    """
    total = 0.0
    for kernel in cost.kernels(batch_size, itemsize, train=train):
        share = efficiency.flops * (efficiency.grouped if kernel.grouped else 1)
        total += max(
            kernel.flops / (machine.flops * share),
            kernel.bytes / (machine.bytes * efficiency.bytes),
            efficiency.launch,
        )
    if train:
        total += _ADAM_BYTES * cost.num_params / (machine.bytes * efficiency.bytes)
    return total


def read_cost(model: nn.Module, image_size: tuple[int, int]) -> Cost:
    """Traces a model in training mode; nothing is computed.

    Args:
        model: Returns `types.Outputs`, or any other tree of arrays.
        image_size: (height, width).
    """
    image = jax.ShapeDtypeStruct((1, *image_size, 3), jnp.float32)
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), image
    )

    def forward(image: jax.Array, variables: Any) -> Any:
        return model.apply(
            variables,
            image,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(0)},
        )

    jaxpr = jax.make_jaxpr(forward)(image, variables).jaxpr
    layers = _read_layers(_operations(jaxpr, {jaxpr.invars[0]}, ()))
    num_params = sum(x.size for x in jax.tree.leaves(variables["params"]))
    return Cost(layers, num_params)


class _Operation(NamedTuple):
    """An operation on maps: that is, on what depends on the image.

    Attributes:
        path: Names of the modules and the marks around it.
        eqn: The operation.
        maps: Its operands that depend on the image.
    """

    path: tuple[str, ...]
    eqn: JaxprEqn
    maps: Sequence[Any]

    @property
    def layer(self) -> tuple[str, ...]:
        """Names of the modules around it."""
        return tuple(name for name in self.path if not is_mark(name))

    @property
    def flops(self) -> int:
        """Its arithmetic, as the marks around it count."""
        return plain_count(executed_flops(self.eqn), self.path)


def _operations(
    jaxpr: Jaxpr, maps: set[Any], path: tuple[str, ...]
) -> Iterator[_Operation]:
    """Walks through a trace, into calls too, but for pooling (see `_is_pool`).

    Args:
        jaxpr: The trace.
        maps: Its arguments that depend on the image; grows.
        path: Names of the modules and the marks around it.
    """
    for eqn in jaxpr.eqns:
        operands = [v for v in eqn.invars if not isinstance(v, Constant) and v in maps]
        if not operands:
            continue
        maps.update(eqn.outvars)
        here = (*path, *name_path(eqn))
        inner = None if _is_pool(eqn) else _called(eqn)
        if inner is None:
            yield _Operation(here, eqn, operands)
        else:
            # A branch's condition comes before its operands.
            given = eqn.invars[len(eqn.invars) - len(inner.invars) :]
            passed = {
                own
                for own, outer in zip(inner.invars, given, strict=True)
                if not isinstance(outer, Constant) and outer in maps
            }
            yield from _operations(inner, passed, here)


def _called(eqn: JaxprEqn) -> Jaxpr | None:
    """The program that an operation calls; the plain one of several platforms'."""
    if eqn.primitive.name == "cond":
        return eqn.params["branches"][-1].jaxpr
    for value in eqn.params.values():
        if isinstance(value, ClosedJaxpr):
            return value.jaxpr
        if isinstance(value, Jaxpr):
            return value
    return None


def _is_pool(eqn: JaxprEqn) -> bool:
    """Pooling and unpooling have gradients of their own, and no products."""
    return eqn.primitive.name == "custom_vjp_call" and count_flops(eqn) == 0


def _read_layers(operations: Iterator[_Operation]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    largest: dict[tuple[str, ...], int] = {}
    for operation in operations:
        path, eqn = operation.layer, operation.eqn
        # The first result: pooling also tells where the maxima were.
        written = _size(eqn.outvars[0])
        largest[path] = max(written, largest.get(path, 0))
        if eqn.primitive.name == "rsqrt":
            # Every norm has one, before it multiplies its maps.
            layers.append(Layer("/".join(path), "norm", 0, 0, 0))
        elif _is_product(operation):
            layers.append(_product(operation))
        elif _is_pass(operation):
            read = sum(map(_size, operation.maps))
            layers.append(Layer("/".join(path), "pass", 0, read, written))
    sizes = {"/".join(path): size for path, size in largest.items()}
    return tuple(
        dataclasses.replace(x, read=sizes[x.name], written=sizes[x.name])
        if x.kind == "norm"
        else x
        for x in layers
    )


def _is_product(operation: _Operation) -> bool:
    name = operation.eqn.primitive.name
    # Interpolation is written as products that do not count.
    return name in ("conv_general_dilated", "dot_general") and operation.flops > 0


def _is_pass(operation: _Operation) -> bool:
    name = operation.eqn.primitive.name
    return name in ("concatenate", "dot_general") or _is_pool(operation.eqn)


def _product(operation: _Operation) -> Layer:
    _, eqn, maps = operation
    return Layer(
        name="/".join(operation.layer),
        kind="product",
        flops=operation.flops,
        read=sum(map(_size, maps)),
        written=_size(eqn.outvars[0]),
        weights=sum(map(_size, eqn.invars)) - sum(map(_size, maps)),
        groups=eqn.params.get("feature_group_count", 1),
    )


def _size(variable: Any) -> int:
    return math.prod(shape_of(variable))
