"""Memory of the devices: what there is, what a program needs, what was in use."""

from typing import Any

import jax

from fashionjax.train.summary import format_bytes


def memory_limit() -> int | None:
    """Bytes that the smallest device of this process offers; None where none tells."""
    return min(_stats("bytes_limit"), default=None)


def peak_memory() -> int | None:
    """Most bytes ever in use on a device of this process; None where none tells."""
    return max(_stats("peak_bytes_in_use"), default=None)


def describe_memory(analysis: Any, limit: int | None) -> str:
    """Tells in one line what a compiled step will need on each device.

    Args:
        analysis: What its `memory_analysis()` returned; None where a platform does not
            tell.
        limit: Bytes that a device offers; None where it does not tell.

    Returns:
        The total, of which outputs in the place of arguments count once, and its parts.
    """
    if analysis is None:
        return "memory    this platform's compiler does not tell what a step needs"
    arguments = analysis.argument_size_in_bytes
    outputs, aliased = analysis.output_size_in_bytes, analysis.alias_size_in_bytes
    temporary = analysis.temp_size_in_bytes
    total = arguments + outputs - aliased + temporary
    of = "" if limit is None else f" of {format_bytes(limit)}"
    return (
        f"memory    a step needs {format_bytes(total)}{of} on each device: arguments"
        f" {format_bytes(arguments)}, outputs {format_bytes(outputs)}"
        f" ({format_bytes(aliased)} in place of arguments),"
        f" temporary {format_bytes(temporary)}"
    )


def _stats(name: str) -> list[int]:
    """A figure of each device of this process that tells it; CPUs tell nothing."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    return [figures[name] for figures in stats if name in figures]
