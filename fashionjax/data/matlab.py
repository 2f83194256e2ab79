"""Reading MATLAB files of version 5, which are not trusted.

SciPy reads them too, but a damaged file can end the process there. Source: MathWorks,
MAT-File Format, the chapter on level 5.
"""

import math
import pathlib
import struct
import zlib
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

_HEADER_BYTES = 128
_TAG_BYTES = 8
_MATRIX, _COMPRESSED = 14, 15
_MAX_DEPTH = 16

# What an element holds, by its type.
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_TEXTS = {1: "latin1", 2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}

# What a matrix is, by its class.
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}


def load_mat(
    path: pathlib.Path, names: Collection[str], *, max_bytes: int
) -> dict[str, Any]:
    """Reads variables.

    Args:
        path: A file that was saved as -v6 or -v7.
        names: Of the variables; those that the file has not are not in the result.
        max_bytes: The largest size of a variable, unpacked, that is accepted.

    Returns:
        The variables by name: numbers as an array of their type; text as str, of
        several rows as an array of them; a cell array as an array of objects; an array
        of structs as an array of dicts. Arrays have MATLAB's dimensions, two at least.

    Raises:
        ValueError: The file is damaged or of another kind, or a variable is larger.
    """
    try:
        if path.stat().st_size > max_bytes:
            raise ValueError(f"it holds more than {max_bytes} bytes")
        data = memoryview(path.read_bytes())
        return dict(_variables(data, names, max_bytes))
    except (ValueError, OSError, struct.error, zlib.error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def _variables(
    data: memoryview, names: Collection[str], max_bytes: int
) -> Iterator[tuple[str, Any]]:
    order = {b"IM": "<", b"MI": ">"}.get(bytes(data[126:_HEADER_BYTES]))
    if order is None:
        raise ValueError("it is no MATLAB file of version 5 (-v6 or -v7)")
    elements = _Elements(data[_HEADER_BYTES:], order)
    while elements.left:
        kind, content = elements.next()
        if kind == _COMPRESSED:
            content = _unpacked(content, max_bytes)
            kind, content = _Elements(content, order).next()
        if len(content) > max_bytes:
            raise ValueError(f"it holds more than {max_bytes} bytes")
        if kind == _MATRIX:
            matrix = _Matrix(_Elements(content, order))
            if matrix.name in names:
                yield matrix.name, matrix.value()


def _unpacked(packed: memoryview, max_bytes: int) -> memoryview:
    """What is packed; a byte more than is allowed is enough to tell."""
    unpack = zlib.decompressobj()
    data = unpack.decompress(packed, max_bytes + _TAG_BYTES + 1)
    if len(data) > max_bytes + _TAG_BYTES:
        raise ValueError(f"it holds more than {max_bytes} bytes")
    return memoryview(data)


class _Elements:
    """Elements that follow each other: a type and bytes each."""

    def __init__(self, data: memoryview, order: str) -> None:
        self.order = order
        self._data = data

    @property
    def left(self) -> int:
        """Number of bytes that were not read yet."""
        return len(self._data)

    def next(self) -> tuple[int, memoryview]:
        """Reads the type and the content of the next element."""
        kind, length = struct.unpack_from(f"{self.order}II", self._data)
        start = _TAG_BYTES
        if kind >> 16:  # a small element: its length and its content are in the tag
            kind, length, start = kind & 0xFFFF, kind >> 16, 4
        end = start + length
        if end > len(self._data) or (start == 4 and length > 4):
            raise ValueError("it ends within an element")
        content = self._data[start:end]
        # Elements are padded, but for packed ones.
        step = 1 if kind == _COMPRESSED else _TAG_BYTES
        self._data = self._data[-(-end // step) * step :]
        return kind, content

    def numbers(self) -> np.ndarray:
        """Reads an element of numbers."""
        kind, content = self.next()
        if kind not in _NUMBERS or len(content) % int(_NUMBERS[kind][1]):
            raise ValueError(f"an element of type {kind} is no array of numbers")
        return np.frombuffer(content, self.order + _NUMBERS[kind])

    def text(self) -> str:
        """Reads an element of text."""
        kind, content = self.next()
        if kind not in _TEXTS:
            raise ValueError(f"an element of type {kind} is no text")
        encoding = _TEXTS[kind]
        if encoding == "utf-16":
            encoding += "-le" if self.order == "<" else "-be"
        return bytes(content).decode(encoding)


class _Matrix:
    """A variable, or a part of one."""

    def __init__(self, elements: _Elements, depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("it is nested too deeply")
        self._elements = elements
        self._depth = depth
        self.name = ""
        self._class = 6
        self._shape = (0, 0)
        if elements.left:  # an empty array may be nothing at all
            flags = elements.numbers()
            shape = elements.numbers().tolist()
            self.name = elements.text()
            if not len(flags) or len(shape) < 2 or min(shape) < 0:
                raise ValueError(f"an array has the dimensions {shape}")
            self._class, self._shape = int(flags[0]) & 0xFF, tuple(map(int, shape))

    def value(self) -> Any:
        """Reads it."""
        if self._class in _NUMERIC:
            return self._numbers()
        if self._class == _CHAR:
            return self._text()
        if self._class == _CELL:
            return self._objects([self._part() for _ in self._places()])
        if self._class == _STRUCT:
            return self._structs()
        raise ValueError(f"{self.name or 'a part'} has the class {self._class}")

    def _numbers(self) -> np.ndarray:
        dtype = np.dtype(_NUMERIC[self._class])
        if not math.prod(self._shape):
            return np.zeros(self._shape, dtype)
        numbers = self._elements.numbers().astype(dtype, copy=False)
        self._check_size(len(numbers))
        return numbers.reshape(self._shape, order="F")

    def _text(self) -> Any:
        text = self._elements.text() if self._elements.left else ""
        self._check_size(len(text))
        if self._shape[0] == 1 or not text:
            return text
        letters = np.array(list(text)).reshape(self._shape, order="F")
        return np.array(["".join(row) for row in letters.reshape(len(letters), -1)])

    def _structs(self) -> np.ndarray:
        (length,) = self._elements.numbers().tolist()
        text = self._elements.text()
        if length < 1 or len(text) % length:
            raise ValueError(f"{len(text)} letters of fields of {length}")
        fields = [
            text[i : i + length].split("\0")[0] for i in range(0, len(text), length)
        ]
        return self._objects(
            [{field: self._part() for field in fields} for _ in self._places()]
        )

    def _places(self) -> range:
        """A number for each object, of which none is without a tag of its own."""
        count = math.prod(self._shape)
        if count > self._elements.left:
            raise ValueError(f"{count} objects in {self._elements.left} bytes")
        return range(count)

    def _part(self) -> Any:
        kind, content = self._elements.next()
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} is no array")
        part = _Elements(content, self._elements.order)
        return _Matrix(part, self._depth + 1).value()

    def _objects(self, values: list[Any]) -> np.ndarray:
        array = np.empty(len(values), object)
        for place, value in enumerate(values):  # at once, it would look into arrays
            array[place] = value
        return array.reshape(self._shape, order="F")

    def _check_size(self, count: int) -> None:
        if count != math.prod(self._shape):
            raise ValueError(f"{count} values for the dimensions {self._shape}")
