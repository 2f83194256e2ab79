"""What is raised for weights that cannot be used, and when."""

import struct
import zipfile
import zlib

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

_FREE_BYTES = 64 << 20
_MAX_RATIO = 20


class WeightsError(ValueError):
    """A file of weights is damaged, hostile, of an unknown kind, or cannot be had."""


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
