"""What is raised for weights that cannot be used, and when."""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
)
"""What `zipfile` raises for archives that are damaged, encrypted or exotic."""

_COUNT_LIMIT = 1 << 63
"""NumPy counts lengths, strides and bytes in 64 bits with a sign."""

_FREE_BYTES = 64 << 20
_MAX_RATIO = 20


class WeightsError(ValueError):
    """A file of weights is damaged, hostile, of an unknown kind, or cannot be had."""


def are_counts(values: Iterable[Any]) -> bool:
    """Whether values are lengths or offsets that NumPy can count."""
    return all(type(n) is int and 0 <= n < _COUNT_LIMIT for n in values)


def is_countable(shape: Iterable[int], itemsize: int) -> bool:
    """Whether NumPy can count the bytes of an array.

    An empty array takes none, but NumPy multiplies its other lengths all the same.

    Args:
        shape: Lengths.
        itemsize: Bytes of a value.
    """
    return math.prod(n for n in shape if n) * itemsize < _COUNT_LIMIT


def check_expansion(num_bytes: int, file_size: int) -> None:
    """Refuses files that would become much larger in memory than they are.

    Args:
        num_bytes: What the tensors would take.
        file_size: Size of the file.

    Raises:
        WeightsError: If that is more than zeros or repeated values explain.
    """
    if num_bytes > max(_FREE_BYTES, _MAX_RATIO * file_size):
        raise WeightsError(
            f"its tensors would take {num_bytes:,} bytes, the file has {file_size:,}"
        )
