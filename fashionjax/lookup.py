"""Finding a name of a config in its literal table."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def lookup(kind: str, table: Mapping[str, T], name: str) -> T:
    """Returns the entry of a name.

    Args:
        kind: What the table has, for the message.
        table: The entries by name.
        name: A key of the table.

    Raises:
        ValueError: If there is no such entry; tells which there are.
    """
    if name not in table:
        raise ValueError(f"unknown {kind} {name!r}; allowed are {', '.join(table)}")
    return table[name]
