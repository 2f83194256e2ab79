"""Arithmetic of a traced function, counted from its operations."""

import math
from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from fashionjax.ops.counted_arithmetic import plain_count


def count_flops(eqn: JaxprEqn) -> int:
    """Floating point operations of the convolutions and products of an operation.

    Two for a multiplication and an addition; every tap counts, those on padding too, as
    in torch's FlopCounterMode. What `ops.counted_arithmetic` marks counts as it says.
    Of the branches of a platform-dependent operation the last counts, which is the
    plain one.

    Args:
        eqn: One operation, which may contain others.

    Returns:
        The count; 0 for everything but convolutions and products.
    """
    return plain_count(executed_flops(eqn), name_path(eqn))


def executed_flops(eqn: JaxprEqn) -> int:
    """As `count_flops`, but for what the scopes of the operation itself say."""
    name = eqn.primitive.name
    if name == "conv_general_dilated":
        return _conv_flops(eqn)
    if name == "dot_general":
        return _dot_flops(eqn)
    if name == "cond":
        return sum(map(count_flops, eqn.params["branches"][-1].jaxpr.eqns))
    return sum(count_flops(inner) for jaxpr in _inner(eqn) for inner in jaxpr.eqns)


def name_path(eqn: JaxprEqn) -> tuple[str, ...]:
    """The names of the modules that an operation lies in, outermost first."""
    parts = str(eqn.source_info.name_stack).split("/")
    # Methods are "Class.method", products are named by their einsum.
    return tuple(p for p in parts if p and not set(p) & set(".,->()"))


def _inner(eqn: JaxprEqn) -> Iterator[Jaxpr]:
    for value in eqn.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, ClosedJaxpr):
                yield one.jaxpr
            elif isinstance(one, Jaxpr):
                yield one


def _conv_flops(eqn: JaxprEqn) -> int:
    kernel, result = shape_of(eqn.invars[1]), shape_of(eqn.outvars[0])
    numbers = eqn.params["dimension_numbers"]
    _, in_axis, *spatial = numbers.rhs_spec
    taps = math.prod(kernel[axis] for axis in spatial)
    # With a dilated input, as of a transposed convolution, most taps meet a zero.
    sparsity = math.prod(eqn.params["lhs_dilation"])
    return 2 * math.prod(result) * kernel[in_axis] * taps // sparsity


def _dot_flops(eqn: JaxprEqn) -> int:
    (contracting, _), _ = eqn.params["dimension_numbers"]
    left, result = shape_of(eqn.invars[0]), shape_of(eqn.outvars[0])
    return 2 * math.prod(result) * math.prod(left[axis] for axis in contracting)


def shape_of(variable: Any) -> tuple[int, ...]:
    """Shape of a variable of a traced function."""
    return variable.aval.shape
