"""Says what operations count as, where a count of arithmetic should not see them.

Some convolutions here multiply less than their plain form, for the same values, and
interpolation is written as products. Counted as it runs, a model would not have the
arithmetic of its reference.
"""

import contextlib
import math
import re
from collections.abc import Iterable
from typing import Any

import jax

_MARK = re.compile(r"counts_(?P<plain>\d+)_for_(?P<actual>\d+)")


def counts_as(plain: int, actual: int) -> contextlib.AbstractContextManager[Any]:
    """A name scope of operations that count as others.

    Args:
        plain: Multiplications of the plain form; 0 for operations that do not count.
        actual: Multiplications of the operations within, all together, at least 1.
    """
    if plain == actual:
        return contextlib.nullcontext()
    divisor = math.gcd(plain, actual)
    return jax.named_scope(f"counts_{plain // divisor}_for_{actual // divisor}")


def is_mark(scope: str) -> bool:
    """Whether a name scope is one of `counts_as`, and not a module's."""
    return _MARK.fullmatch(scope) is not None


def plain_count(count: int, scopes: Iterable[str]) -> int:
    """What an operation's arithmetic counts as.

    Args:
        count: Of the operation itself.
        scopes: Names of the scopes that it lies in.
    """
    for scope in scopes:
        if match := _MARK.fullmatch(scope):
            return count * int(match["plain"]) // int(match["actual"])
    return count
