"""Reads `.safetensors`: a JSON header, then the tensors' bytes without a gap.

The format: https://github.com/huggingface/safetensors#format.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import jax.numpy as jnp
import numpy as np

from fashionjax.pretrained.errors import WeightsError, are_counts, is_countable

_MAX_HEADER_BYTES = 16 << 20
_MAX_RANK = 32

_DTYPES: Mapping[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(jnp.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Reads all tensors of a file.

    Raises:
        WeightsError: If the file is not what the format demands: offsets that overlap,
            leave a gap or lie outside the file, lengths that are not those of the
            shapes, a name that occurs twice, a type that is unknown.
    """
    data = path.read_bytes()
    if len(data) < 8:
        raise WeightsError("is truncated: shorter than the length of a header")
    length = int.from_bytes(data[:8], "little")
    if length > _MAX_HEADER_BYTES:
        raise WeightsError(f"has a header of {length:,} bytes; no model needs that")
    if 8 + length > len(data):
        raise WeightsError(f"is truncated within its header of {length:,} bytes")
    header = _parse_header(data[8 : 8 + length])
    body = memoryview(data)[8 + length :]
    places = {name: _place(name, entry) for name, entry in header.items()}
    _check_contiguous({name: place[2] for name, place in places.items()}, len(body))
    return {
        name: np.frombuffer(body[begin:end], dtype).reshape(shape)
        for name, (dtype, shape, (begin, end)) in places.items()
    }


def _parse_header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
        )
    except WeightsError:
        raise
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"has a header that is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise WeightsError("has a header that is no JSON object")
    header.pop("__metadata__", None)
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise WeightsError(f"names {twice!r} twice in its header")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise WeightsError(f"has {text} in its header")


def _place(name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], tuple[int, int]]:
    """Type, shape and (begin, end) of a tensor."""
    keys = {"dtype", "shape", "data_offsets"}
    if not isinstance(entry, dict) or set(entry) != keys:
        raise WeightsError(f"{name}: its header needs {', '.join(sorted(keys))}")
    kind = entry["dtype"]
    if not isinstance(kind, str) or kind not in _DTYPES:
        raise WeightsError(
            f"{name}: has an unknown type; allowed are {', '.join(_DTYPES)}"
        )
    dtype = _DTYPES[kind]
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or len(shape) > _MAX_RANK:
        raise WeightsError(f"{name}: its shape is no list of lengths")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise WeightsError(f"{name}: its data_offsets are no [begin, end]")
    if not is_countable(shape, dtype.itemsize):
        raise WeightsError(f"{name}: its shape is larger than any array")
    needed = math.prod(shape) * dtype.itemsize
    if offsets[1] - offsets[0] != needed:
        raise WeightsError(
            f"{name}: {kind} {shape} takes {needed:,} bytes, its offsets"
            f" enclose {offsets[1] - offsets[0]:,}"
        )
    return dtype, tuple(shape), (offsets[0], offsets[1])


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and are_counts(value)


def _check_contiguous(offsets: Mapping[str, tuple[int, int]], size: int) -> None:
    """Refuses offsets that are not one after the other to the end of the file."""
    last, position = "the header", 0
    for name, (begin, end) in sorted(offsets.items(), key=lambda item: item[1]):
        if end > size:
            raise WeightsError(
                f"{name}: lies at {begin}–{end} of {size} bytes: the file is truncated"
                " or its offsets are wrong"
            )
        if begin < position:
            raise WeightsError(f"{name}: overlaps {last}")
        if begin > position:
            raise WeightsError(f"{name}: a gap of {begin - position} bytes before it")
        last, position = name, end
    if position != size:
        raise WeightsError(f"has {size - position} bytes after the last tensor")
