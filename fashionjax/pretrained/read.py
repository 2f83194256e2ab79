"""Reads a file of published weights, whatever its format."""

import tokenize
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.keras_h5 import read_keras
from fashionjax.pretrained.npz import read_npz
from fashionjax.pretrained.safetensors import read_safetensors
from fashionjax.pretrained.torch_pickle import read_torch

_MAX_FILE_BYTES = 4 << 30

_DAMAGE = (
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    RecursionError,
    SyntaxError,
    tokenize.TokenError,
)
"""What NumPy and Python's own parsers raise for text and numbers made to break them."""

READERS: Mapping[str, Callable[[Path], dict[str, np.ndarray]]] = {
    ".safetensors": read_safetensors,
    ".npz": read_npz,
    ".pth": read_torch,
    ".pt": read_torch,
    ".bin": read_torch,
    ".h5": read_keras,
}
"""The formats, by the file name's ending."""


def read_state(path: str | PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the tensors of a file of weights; nothing in the file is ever run.

    Args:
        path: A `.safetensors`, `.npz`, `.pth`, `.pt`, `.bin` (torch's, without torch)
            or Keras `.h5` file (with the extra `keras`).

    Returns:
        Arrays by their published names, in the file's types; perhaps read-only.

    Raises:
        WeightsError: If the file is missing, of another kind, damaged or hostile; the
            message names file and tensor.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(
            f"{path}: unknown kind of file {path.suffix!r}; allowed are"
            f" {', '.join(READERS)}"
        )
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise WeightsError("is larger than 4 GiB; no reference has such weights")
        state = reader(path)
        if not state:
            raise WeightsError("holds no tensors")
    except (WeightsError, OSError) as error:
        raise WeightsError(f"{path}: {error}") from None
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise WeightsError(f"{path}: is damaged: {reason}") from None
    return state
