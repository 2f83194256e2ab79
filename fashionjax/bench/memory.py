"""How much memory a program takes."""

from typing import Any

from fashionjax.train.memory import peak_memory

_MIB = 2**20


def planned_memory(program: Any) -> dict[str, float]:
    """What the compiler laid out, in MiB.

    Args:
        program: A compiled program.

    Returns:
        Its arguments and temporary values, and the sum of all at the peak; nothing
        where the compiler does not tell.
    """
    plan = program.memory_analysis()
    if plan is None:
        return {}
    arguments, temporary = plan.argument_size_in_bytes, plan.temp_size_in_bytes
    # Donated arguments are results too, and not counted twice.
    results = plan.output_size_in_bytes - plan.alias_size_in_bytes
    return {
        "argument_mib": arguments / _MIB,
        "temporary_mib": temporary / _MIB,
        "planned_mib": (arguments + temporary + results) / _MIB,
    }


def device_memory() -> dict[str, float]:
    """The most that the process had on a device so far, in MiB, where told."""
    peak = peak_memory()
    return {} if peak is None else {"peak_mib": peak / _MIB}
