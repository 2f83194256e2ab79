"""Reads what `torch.save` wrote, without torch and without running anything.

A `.pth` file is a pickle, a program for a small machine, and Python's own machine would
call whatever the program names. The machine here knows only what tensors in plain
containers need: its globals are a literal table of names, each with a function of this
module; a program that names anything else is refused. Both of torch's containers are
read: the zip archive, and the sequence of pickles from before torch 1.6.
"""

import dataclasses
import functools
import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np

from fashionjax.pretrained.errors import (
    ZIP_ERRORS,
    WeightsError,
    are_counts,
    check_expansion,
    is_countable,
)

_MAX_PICKLE_BYTES = 64 << 20
_MAX_OPCODES = 1_000_000
_MAX_RANK = 32

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Entries under which training programs put the tensors."""


@dataclasses.dataclass(frozen=True)
class _StorageType:
    dtype: np.dtype


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A stretch of memory that tensors are views of; read when all is known."""

    key: str
    dtype: np.dtype
    size: int


@dataclasses.dataclass
class _Tensor:
    """A view; in the oldest files a tensor is made empty, then told what it views."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where a variable number of operands begins on the stack."""


_MARK = _Mark()

_Read: TypeAlias = Callable[[_Storage], bytes | memoryview]
"""From a storage to its bytes."""


# --- files --------------------------------------------------------------------


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """Reads all tensors of a file.

    A state dict inside a checkpoint's `state_dict` or `model` is found; numbers and
    texts beside tensors are left out.

    Raises:
        WeightsError: If the file is damaged, holds anything but tensors in plain
            containers, or names a function that tensors do not need.
    """
    with path.open("rb") as file:
        start = file.read(4)
    return _read_zip(path) if start == b"PK\x03\x04" else _read_legacy(path)


def _read_zip(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            prefix = _prefix(archive)
            _check_archive(archive, path.stat().st_size)
            _check_order(archive, prefix)
            program = io.BytesIO(archive.read(f"{prefix}data.pkl"))
            checkpoint = _Machine(program).run()

            def read(storage: _Storage) -> bytes:
                return archive.read(f"{prefix}data/{storage.key}")

            return _state_of(checkpoint, read, path.stat().st_size)
    except ZIP_ERRORS as error:
        raise WeightsError(f"is damaged or truncated: {error}") from None
    except KeyError as error:
        raise WeightsError(f"is damaged: {error.args[0]}") from None


def _check_archive(archive: zipfile.ZipFile, file_size: int) -> None:
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise WeightsError("is compressed, which torch never does")
    if sum(member.file_size for member in members) > file_size:
        raise WeightsError("is damaged: its members overlap")
    if len({member.filename for member in members}) < len(members):
        raise WeightsError("is damaged: two members have one name")


def _prefix(archive: zipfile.ZipFile) -> str:
    """Name of the folder in the archive, with the slash."""
    names = archive.namelist()
    found = [name for name in names if f"/{name}".endswith("/data.pkl")]
    if len(found) != 1:
        raise WeightsError("is a zip archive, but not one of torch.save")
    prefix = found[0].removesuffix("data.pkl")
    if f"{prefix}constants.pkl" in names:
        raise WeightsError("is a TorchScript program; save its state_dict() instead")
    if archive.getinfo(found[0]).file_size > _MAX_PICKLE_BYTES:
        raise WeightsError("has a pickle larger than any model needs")
    return prefix


def _check_order(archive: zipfile.ZipFile, prefix: str) -> None:
    name = f"{prefix}byteorder"
    if name in archive.namelist() and archive.read(name).strip() != b"little":
        raise WeightsError("is of a big-endian machine")


def _read_legacy(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    stream = io.BytesIO(data)
    try:
        is_torch = _Machine(stream).run() == _LEGACY_MAGIC
    except _MalformedError:
        is_torch = False
    if not is_torch:
        raise WeightsError("is no file of torch.save, or truncated")
    if _Machine(stream).run() != _LEGACY_PROTOCOL:
        raise WeightsError("has an unknown version of torch's old format")
    system = _Machine(stream).run()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise WeightsError("is of a big-endian machine")
    machine = _Machine(stream)
    checkpoint = machine.run()
    places = _legacy_places(stream, machine.storages)

    def read(storage: _Storage) -> memoryview:
        begin, end = places[storage.key]
        return memoryview(data)[begin:end]

    return _state_of(checkpoint, read, len(data))


def _legacy_places(
    stream: io.BytesIO, storages: Mapping[str, _Storage]
) -> dict[str, tuple[int, int]]:
    """(begin, end) of each storage in the file."""
    keys = _Machine(stream).run()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightsError("is damaged: its list of storages is none")
    if set(storages) != set(keys):
        raise WeightsError("is damaged: its list of storages is not that of its pickle")
    position, file_size = stream.tell(), stream.getbuffer().nbytes
    places = {}
    for key in keys:
        begin = position + 8
        count = int.from_bytes(stream.getbuffer()[position:begin], "little")
        if begin <= file_size and count != storages[key].size:
            raise WeightsError(f"is damaged: storage {key} has another length")
        position = begin + storages[key].size * storages[key].dtype.itemsize
        if position > file_size:
            raise WeightsError(f"is truncated within storage {key}")
        places[key] = begin, position
    return places


# --- tensors ------------------------------------------------------------------


def _state_of(checkpoint: Any, read: _Read, file_size: int) -> dict[str, np.ndarray]:
    """The state dict in what a pickle made."""
    tensors = _tensors(_unwrap(checkpoint))
    num_bytes = sum(
        math.prod(t.shape) * t.storage.dtype.itemsize for t in tensors.values()
    )
    check_expansion(num_bytes, file_size)
    storages: dict[str, bytes | memoryview] = {}
    state = {}
    for name, tensor in tensors.items():
        key = tensor.storage.key
        if key not in storages:
            # An empty tensor need not have a storage.
            storages[key] = read(tensor.storage) if tensor.storage.size else b""
        try:
            state[name] = _materialise(tensor, storages[key])
        except WeightsError as error:
            raise WeightsError(f"{name}: {error}") from None
    return state


def _unwrap(checkpoint: Any) -> dict[Any, Any]:
    """The dictionary with the tensors, which may be an entry of another."""
    for _ in range(len(_WRAPPERS)):
        if not isinstance(checkpoint, dict):
            break
        if any(isinstance(value, _Tensor) for value in checkpoint.values()):
            return checkpoint
        inner = [checkpoint[key] for key in _WRAPPERS if key in checkpoint]
        if not inner:
            break
        checkpoint = inner[0]
    raise WeightsError(
        "has no dictionary of tensors, neither by itself nor as its"
        f" {', '.join(_WRAPPERS)}"
    )


def _tensors(state: Mapping[Any, Any]) -> dict[str, _Tensor]:
    found = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise WeightsError("has an entry whose name is no text")
        if isinstance(value, _Tensor):
            found[name] = value
        elif not isinstance(value, None | bool | int | float | str):
            raise WeightsError(
                f"{name[:80]}: is neither a tensor nor a plain value beside tensors"
            )
    return found


def _materialise(tensor: _Tensor, data: bytes | memoryview) -> np.ndarray:
    storage, shape = tensor.storage, tensor.shape
    needed = storage.size * storage.dtype.itemsize
    if len(data) < needed:
        raise WeightsError(f"its storage has {len(data):,} of {needed:,} bytes")
    strides = tuple(stride * storage.dtype.itemsize for stride in tensor.strides)
    if not is_countable(shape, storage.dtype.itemsize) or not are_counts(strides):
        raise WeightsError("its shape or strides are larger than any array's")
    if not math.prod(shape):
        return np.zeros(shape, storage.dtype)
    last = tensor.offset + sum(
        (n - 1) * stride for n, stride in zip(shape, tensor.strides, strict=True)
    )
    if last >= storage.size:
        raise WeightsError(
            f"its last value is number {last:,} of a storage of {storage.size:,}"
        )
    flat = np.frombuffer(data, storage.dtype, count=storage.size)[tensor.offset :]
    view = np.lib.stride_tricks.as_strided(flat, shape, strides, writeable=False)
    return np.ascontiguousarray(view).reshape(shape)


# --- what a pickle may name ---------------------------------------------------


def _is_counts(value: Any) -> bool:
    return isinstance(value, tuple | list) and are_counts(value)


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *_: Any
) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise _MalformedError("a tensor without storage")
    if not _is_counts([offset]) or not _is_counts(shape) or not _is_counts(strides):
        raise _MalformedError("a tensor whose shape is no list of lengths")
    if len(shape) != len(strides) or len(shape) > _MAX_RANK:
        raise _MalformedError("a tensor whose strides do not belong to its shape")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _make_parameter(tensor: Any) -> _Tensor:
    if not isinstance(tensor, _Tensor):
        raise _MalformedError("a parameter that is no tensor")
    return tensor


def _empty_tensor(dtype: np.dtype) -> _Tensor:
    return _Tensor(_Storage("", dtype, 0), 0, (0,), (1,))


def _set_state(tensor: _Tensor, state: Any) -> None:
    """Does what torch's `Tensor.__setstate__` does."""
    if not isinstance(state, tuple) or len(state) not in (3, 4):
        raise _MalformedError("a tensor's state of an unknown form")
    if len(state) == 3:
        return  # whether a parameter is trained, and its hooks
    view = _rebuild_tensor(*state)
    if view.storage.dtype != tensor.storage.dtype:
        raise _MalformedError("a tensor of another type than its storage")
    tensor.storage, tensor.offset = view.storage, view.offset
    tensor.shape, tensor.strides = view.shape, view.strides


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    for pair in pairs:
        key, value = pair
        _set_item(made, key, value)
    return made


def _size(shape: Any = ()) -> tuple[int, ...]:
    if not _is_counts(shape):
        raise _MalformedError("a size that is no list of lengths")
    return tuple(shape)


_DTYPES: Mapping[str, np.dtype] = {
    "Double": np.dtype("<f8"),
    "Float": np.dtype("<f4"),
    "Half": np.dtype("<f2"),
    "BFloat16": np.dtype(jnp.bfloat16),
    "Long": np.dtype("<i8"),
    "Int": np.dtype("<i4"),
    "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"),
    "Byte": np.dtype("u1"),
    "Bool": np.dtype("?"),
}

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.nn.parameter.Parameter": _make_parameter,
    **{
        f"torch.{name}Tensor": functools.partial(_empty_tensor, dtype)
        for name, dtype in _DTYPES.items()
    },
}

_GLOBALS: Mapping[str, Callable[..., Any] | _StorageType] = {
    **_FUNCTIONS,
    **{f"torch.{name}Storage": _StorageType(dtype) for name, dtype in _DTYPES.items()},
    "torch.storage.UntypedStorage": _StorageType(np.dtype("u1")),
}
"""All that a pickle may name; whatever it is called there, it is a thing of ours."""


# --- the machine --------------------------------------------------------------


class _MalformedError(WeightsError):
    """A pickle that is none, or none that torch writes."""


def _set_item(target: Any, key: Any, value: Any) -> None:
    if not isinstance(target, dict):
        raise _MalformedError("an entry of what is no dictionary")
    # Hashing a tuple follows whatever depth the pickle gave it.
    if not isinstance(key, None | bool | int | float | str | bytes):
        raise _MalformedError("a key that is no plain value")
    target[key] = value


class _Machine:
    """Runs one pickle.

    Attributes:
        storages: What the tensors are views of, by key.
    """

    def __init__(self, stream: io.BytesIO) -> None:
        self.storages: dict[str, _Storage] = {}
        self._stream = stream
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Reads the stream up to the pickle's end.

        Returns:
            Dictionaries, lists, tuples, plain values and tensors.

        Raises:
            WeightsError: If the pickle is malformed, too long, or names what is not
                in the table.
        """
        try:
            for count, (opcode, value, _) in enumerate(
                pickletools.genops(self._stream)
            ):
                if count > _MAX_OPCODES:
                    raise WeightsError("has a pickle longer than any model needs")
                self._step(opcode.name, value)
            return self._stack.pop()
        except WeightsError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            raise _MalformedError(f"has a damaged pickle: {error}") from None

    def _step(self, name: str, value: Any) -> None:
        if name in _PUSHED:
            self._stack.append(value)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _MEMO_OPCODES:
            self._remember(name, value)
        elif name in _TUPLES:
            self._tuple(_TUPLES[name])
        elif name in _ACTIONS:
            _ACTIONS[name](self, value)
        elif name not in _IGNORED:
            raise _MalformedError(f"has {name} in its pickle, which torch never writes")

    def _remember(self, name: str, value: Any) -> None:
        if name in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[value])
        else:
            index = len(self._memo) if name == "MEMOIZE" else value
            self._memo[index] = self._stack[-1]

    def _since_mark(self) -> list[Any]:
        found = []
        while (item := self._stack.pop()) is not _MARK:
            found.append(item)
        return found[::-1]

    def _tuple(self, length: int | None) -> None:
        if length is None:
            self._stack.append(tuple(self._since_mark()))
            return
        items = [self._stack.pop() for _ in range(length)]
        self._stack.append(tuple(items[::-1]))

    def _extend(self, items: Sequence[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise _MalformedError("an item of what is no list")
        self._stack[-1].extend(items)

    def _set_items(self, items: Sequence[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            _set_item(self._stack[-1], key, value)

    def append(self, _: Any) -> None:
        self._extend([self._stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self._since_mark())

    def set_item(self, _: Any) -> None:
        value = self._stack.pop()
        self._set_items([self._stack.pop(), value])

    def set_items(self, _: Any) -> None:
        self._set_items(self._since_mark())

    def name_global(self, value: str) -> None:
        self._push_global(value.replace(" ", "."))

    def stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise _MalformedError("has a name in its pickle that is no text")
        self._push_global(f"{module}.{name}")

    def _push_global(self, name: str) -> None:
        if name not in _GLOBALS:
            raise WeightsError(
                f"its pickle names {name[:80]!r}, which tensors do not need: refused,"
                " nothing was run"
            )
        self._stack.append(_GLOBALS[name])

    def reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not any(function is known for known in _FUNCTIONS.values()):
            raise _MalformedError("a call of what is no function")
        self._stack.append(function(*arguments))

    def build(self, _: Any) -> None:
        state = self._stack.pop()
        # Else they are attributes of dictionaries ("_metadata"), which nothing reads.
        if isinstance(self._stack[-1], _Tensor):
            _set_state(self._stack[-1], state)

    def persistent(self, _: Any) -> None:
        # A sixth entry makes it, in torch's old format, a view of another storage.
        kind, storage_type, key, _, size, *view = self._stack.pop()
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise _MalformedError("an object outside the pickle that is no storage")
        if (
            view not in ([], [None])
            or not isinstance(key, str)
            or not _is_counts([size])
        ):
            raise _MalformedError("a storage of an unknown form")
        storage = _Storage(key, storage_type.dtype, size)
        self.storages.setdefault(key, storage)
        self._stack.append(storage)


_PUSHED = frozenset(
    {
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "LONG4",
        "BINFLOAT",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
    }
)
_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}
_MEMO_OPCODES = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"})
_TUPLES: Mapping[str, int | None] = {
    "TUPLE": None,
    "TUPLE1": 1,
    "TUPLE2": 2,
    "TUPLE3": 3,
}
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_ACTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.name_global,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
