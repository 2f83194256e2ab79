"""Reads `.npz`: NumPy's arrays in a zip archive, never pickled ones."""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from fashionjax.pretrained.errors import (
    ZIP_ERRORS,
    WeightsError,
    are_counts,
    check_expansion,
    is_countable,
)

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of a file.

    Raises:
        WeightsError: If it is no archive of plain numeric arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_members(archive, path.stat().st_size)
    except ZIP_ERRORS as error:
        raise WeightsError(f"is no .npz file, or truncated: {error}") from None


def _read_members(archive: zipfile.ZipFile, file_size: int) -> dict[str, np.ndarray]:
    members = archive.infolist()
    if any(member.compress_type not in _COMPRESSIONS for member in members):
        raise WeightsError("is compressed in a way that NumPy never uses")
    check_expansion(sum(member.file_size for member in members), file_size)
    arrays: dict[str, np.ndarray] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name in arrays:
            raise WeightsError(f"{name}: occurs twice")
        with archive.open(member) as stream:
            _check_header(stream, name, member.file_size)
        with archive.open(member) as stream:
            arrays[name] = npy.read_array(stream, allow_pickle=False)
    return arrays


def _check_header(stream: IO[bytes], name: str, num_bytes: int) -> None:
    """Refuses an array whose shape does not agree with its length.

    NumPy would take memory for the shape before it reads.
    """
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    try:
        shape, _, dtype = readers[npy.read_magic(stream)](stream)
    except (ValueError, KeyError) as error:
        raise WeightsError(f"{name}: is no plain array: {error}") from None
    if dtype.kind not in "fiub":
        raise WeightsError(
            f"{name}: has type {dtype}; allowed are numbers (NumPy's files cannot hold"
            " bfloat16)"
        )
    left = num_bytes - stream.tell()
    if not are_counts(shape) or not is_countable(shape, dtype.itemsize):
        raise WeightsError(f"{name}: its shape is no tuple of lengths")
    if math.prod(shape) * dtype.itemsize != left:
        raise WeightsError(f"{name}: {dtype} {shape} does not take {left:,} bytes")
