import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from fashionjax.pretrained import WeightsError, read_state
from tests.pretrained.make_torch_files import FOLDER, expected


@pytest.mark.parametrize(
    "name",
    ["zip.pth", "legacy.pth", "zip_protocol4.pt", "mmseg.pth", "model.bin"],
)
def test_what_torch_saved_is_read_without_torch(name):
    state = read_state(FOLDER / name)
    assert list(state) == list(expected())
    for key, array in expected().items():
        assert state[key].shape == array.shape
        if key == "brain":
            assert str(state[key].dtype) == "bfloat16"
            np.testing.assert_allclose(state[key].astype(np.float32), array, rtol=1e-2)
        else:
            assert state[key].dtype == array.dtype
            np.testing.assert_array_equal(state[key], array)


def test_plain_values_beside_tensors_are_left_out():
    assert list(read_state(FOLDER / "beside.pth")) == list(expected())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("module.pth", r"module\.pth: its pickle names 'torch\.nn\.modules\.linear\.L"),
        ("script.pt", r"script\.pt: is a TorchScript program"),
    ],
)
def test_programs_are_refused(name, message):
    with pytest.raises(WeightsError, match=message):
        read_state(FOLDER / name)


# --- malicious files ------------------------------------------------------------


class _Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self._call = function, arguments

    def __reduce__(self):
        return self._call


def _zip(path, program, storages=None, prefix="archive"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{prefix}/data.pkl", program)
        for key, data in (storages or {}).items():
            archive.writestr(f"{prefix}/data/{key}", data)
    return path


def _legacy(path, program):
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(part, protocol=2) for part in parts)
    path.write_bytes(head + program + pickle.dumps([], protocol=2))
    return path


def _calls(marker):
    command = f"touch {marker}"
    return {
        "system": _Call(__import__("os").system, command),
        "eval": _Call(eval, f"open({str(marker)!r}, 'w')"),
        "popen": _Call(__import__("subprocess").Popen, ["touch", str(marker)]),
        "getattr": _Call(getattr, "text", "upper"),
    }


@pytest.mark.parametrize("write", [_zip, _legacy])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("system", r"posix\.system"),
        ("eval", r"(builtins|__builtin__)\.eval"),
        ("popen", r"(subprocess|commands)\.Popen"),
        ("getattr", r"(builtins|__builtin__)\.getattr"),
    ],
)
def test_a_call_is_refused_by_name_and_nothing_is_run(
    tmp_path, write, protocol, call, name
):
    marker = tmp_path / "ran"
    program = pickle.dumps({"weight": _calls(marker)[call]}, protocol=protocol)
    path = write(tmp_path / "evil.pth", program)
    with pytest.raises(WeightsError, match=rf"evil\.pth: .*{name}.*nothing was run"):
        read_state(path)
    assert not marker.exists()
    # The file would have done it.
    if call == "system":
        pickle.loads(program)
        assert marker.exists()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        # The first word of the file of the older format, and nothing like it.
        (b"\x80\x02cposix\nsystem\n.", "posix.system"),
        (b"\x80\x02(X\x02\x00\x00\x00lsioS'ls'\no.", "damaged|never writes"),
        (b"\x80\x02}\x8c\x01a\x81.", "NEWOBJ in its pickle, which torch never writes"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"Pfoo\n.", "PERSID"),
        (b"\x80\x02}]K\x01s.", "key that is no plain value"),
        (b"\x80\x02]ccollections\nOrderedDict\n\x8c\x01a\x93.", "no text"),
        (b"\x80\x02]cx\x00y\nz\n.", "names"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "call of what is no function"),
        (b"\x80\x02ccollections\nOrderedDict\n", "damaged pickle"),
        (b"\x80\x02h\x07.", "damaged pickle"),
        (b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx.", "damaged pickle|BINBYTES8"),
        (b"\x80\x02X\xff\xff\xff\xffx.", "damaged pickle"),
        (b"\x80\x02N.", "no dictionary of tensors"),
        (pickle.dumps({"a": "b"}, protocol=2), "no dictionary of tensors"),
    ],
)
def test_a_pickle_that_torch_does_not_write_is_refused(tmp_path, program, message):
    with pytest.raises(WeightsError, match=message):
        read_state(_zip(tmp_path / "x.pth", program))


def test_memory_is_not_taken_for_what_a_pickle_merely_claims(tmp_path):
    # Python's own machine would make room for two thousand million entries.
    program = b"\x80\x02}r\xff\xff\xff\x7fj\xff\xff\xff\x7f0."
    with pytest.raises(WeightsError):
        read_state(_zip(tmp_path / "memo.pth", program))


def test_nesting_does_not_exhaust_the_stack(tmp_path):
    deep = b"\x80\x02" + b")" + b"\x85" * 200_000 + b"."
    with pytest.raises(WeightsError, match="no dictionary of tensors"):
        read_state(_zip(tmp_path / "deep.pth", deep))
    key = b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s."
    with pytest.raises(WeightsError, match="key that is no plain value"):
        read_state(_zip(tmp_path / "key.pth", key))
    loop = b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s."
    with pytest.raises(WeightsError, match="no dictionary of tensors"):
        read_state(_zip(tmp_path / "loop.pth", loop))


def test_a_pickle_of_too_many_instructions_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="longer than any model needs"):
        read_state(_zip(tmp_path / "long.pth", b"\x80\x02" + b"N" * 1_000_001 + b"."))


# --- storages -------------------------------------------------------------------


class _Pickler(pickle._Pickler):
    """Writes what torch writes, without torch."""

    def persistent_id(self, obj):
        return obj.args if isinstance(obj, _Stored) else None

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, _Name):
            module, _, name = obj.text.rpartition(".")
            self.write(f"c{module}\n{name}\n".encode())
        elif isinstance(obj, _Made) and id(obj) in self.memo:
            self.write(self.get(self.memo[id(obj)][0]))
        elif isinstance(obj, _Made):
            self.save(_Name(obj.function))
            self.save(obj.arguments)
            self.write(b"R")
            if obj.state is not None:
                # As Python's own pickler: what is used twice is what is filled later.
                self.memoize(obj)
                self.save(obj.state)
                self.write(b"b")
        else:
            super().save(obj, save_persistent_id)


class _Name:
    def __init__(self, text):
        self.text = text


class _Made:
    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state


class _Stored:
    def __init__(self, *args):
        self.args = args


def _dump(obj):
    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(obj)
    return stream.getvalue()


def _tensor(offset, shape, strides, *, size=6, dtype="torch.FloatStorage"):
    storage = _Stored("storage", _Name(dtype), "0", "cpu", size)
    return _Made(
        "torch._utils._rebuild_tensor_v2", storage, offset, shape, strides, False, None
    )


SIX = np.arange(6, dtype=np.float32).tobytes()


def _read_one(tmp_path, tensor, data=SIX):
    path = _zip(tmp_path / "x.pth", _dump({"w": tensor}), {"0": data})
    return read_state(path)["w"]


def test_views_are_read_as_their_strides_say(tmp_path):
    flat = np.arange(6, dtype=np.float32)
    for offset, shape, strides, wanted in [
        (0, (2, 3), (3, 1), flat.reshape(2, 3)),
        (0, (3, 2), (1, 3), flat.reshape(2, 3).T),
        (1, (2, 2), (1, 1), [[1, 2], [2, 3]]),
        (5, (4,), (0,), [5, 5, 5, 5]),
        (4, (), (), 4),
    ]:
        array = _read_one(tmp_path, _tensor(offset, shape, strides))
        np.testing.assert_array_equal(array, wanted)
        assert array.shape == shape


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (_tensor(0, (7,), (1,)), "w: its last value is number 6 of a storage of 6"),
        (_tensor(1, (2, 3), (3, 1)), "w: its last value"),
        (_tensor(0, (2, 2), (5, 1)), "w: its last value"),
        (_tensor(0, (10**12,), (0,)), "tensors would take"),
        (_tensor(0, (2**40, 2**40), (0, 0)), "tensors would take"),
        (_tensor(-1, (2,), (1,)), "no list of lengths"),
        (_tensor(0, (-2,), (1,)), "no list of lengths"),
        (_tensor(0, (2,), (-1,)), "no list of lengths"),
        (_tensor(0, (True,), (1,)), "no list of lengths"),
        (_tensor(0, (0, 2**70), (2, 1)), "no list of lengths"),
        (_tensor(0, (1, 2), (2**70, 1)), "no list of lengths"),
        (_tensor(2**70, (2,), (1,)), "no list of lengths"),
        (_tensor(0, (1,), (1,), size=2**80), "a storage of an unknown form"),
        (_tensor(0, (0, 2**62, 2**62), (2, 1, 1)), "w: its shape or strides are"),
        (_tensor(0, (1, 2), (2**62, 1)), "w: its shape or strides are larger"),
        (_tensor(0, (2, 3), (1,)), "strides do not belong"),
        (_tensor(0, (1,) * 65, (1,) * 65), "strides do not belong"),
        (_tensor(0, (6,), (1,), size=600), "w: its storage has 24 of 2,400 bytes"),
        (_tensor(0, (6,), (1,), size=10**15), "w: its storage has 24 of"),
        (_tensor(0, (6,), (1,), dtype="torch.QInt8Storage"), r"torch\.QInt8Storage"),
        (_Made("torch._utils._rebuild_tensor_v2", 1, 0, (1,), (1,)), "without storage"),
        (_Made("torch._utils._rebuild_tensor_v2", 1), "damaged pickle"),
    ],
)
def test_views_outside_their_storage_are_refused(tmp_path, tensor, message):
    with pytest.raises(WeightsError, match=rf"x\.pth: .*{message}"):
        _read_one(tmp_path, tensor)


def _storage(kind="Float", size=6):
    return _Stored("storage", _Name(f"torch.{kind}Storage"), "0", "cpu", size)


def _parameter(tensor, state=(True, False, {})):
    return _Made("torch.nn.parameter.Parameter", tensor, state=state)


def _oldest(state, kind="Float"):
    return _Made(f"torch.{kind}Tensor", state=state)


def test_tensors_and_parameters_of_the_oldest_versions_are_read(tmp_path):
    flat = np.arange(6, dtype=np.float32)
    filled = _oldest((_storage(), 0, (2, 3), (3, 1)))
    np.testing.assert_array_equal(_read_one(tmp_path, filled), flat.reshape(2, 3))
    bare = _Made("torch.nn.parameter.Parameter", _tensor(0, (6,), (1,)))
    for parameter in (bare, _parameter(_tensor(0, (6,), (1,)))):
        np.testing.assert_array_equal(_read_one(tmp_path, parameter), flat)
    long = _oldest((_storage("Long", 2), 1, (1,), (1,)), "Long")
    data = np.arange(2).tobytes()
    assert _read_one(tmp_path, long, data).tolist() == [1]
    assert _read_one(tmp_path, _Made("torch.HalfTensor")).shape == (0,)
    path = _zip(tmp_path / "tied.pth", _dump({"a": filled, "b": filled}), {"0": SIX})
    state = read_state(path)
    np.testing.assert_array_equal(state["a"], state["b"])
    assert state["b"].shape == (2, 3)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (_oldest((_storage("Long"), 0, (6,), (1,))), "another type than its storage"),
        (_oldest((_storage(), 0, (7,), (1,))), "w: its last value is number 6"),
        (_oldest((1, 0, (6,), (1,))), "a tensor without storage"),
        (_oldest((_storage(), 0)), "a tensor's state of an unknown form"),
        (_oldest([_storage(), 0, (6,), (1,)]), "a tensor's state of an unknown form"),
        (_oldest({}), "a tensor's state of an unknown form"),
        (_Made("torch.FloatTensor", 10**15), "damaged pickle"),
        (_parameter({}), "a parameter that is no tensor"),
        (_parameter(_storage()), "a parameter that is no tensor"),
    ],
)
def test_wrong_tensors_of_the_oldest_versions_are_refused(tmp_path, tensor, message):
    with pytest.raises(WeightsError, match=rf"x\.pth: .*{message}"):
        _read_one(tmp_path, tensor)


def test_a_missing_storage_is_refused(tmp_path):
    path = _zip(tmp_path / "x.pth", _dump({"w": _tensor(0, (1,), (1,))}))
    with pytest.raises(WeightsError, match="archive/data/0"):
        read_state(path)


def test_a_container_beside_tensors_is_refused(tmp_path):
    path = _zip(
        tmp_path / "x.pth", _dump({"w": _tensor(0, (1,), (1,)), "more": {}}), {"0": SIX}
    )
    with pytest.raises(WeightsError, match="more: is neither a tensor nor"):
        read_state(path)


def test_an_archive_that_unpacks_to_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}))
        archive.writestr("a/data/0", bytes(10_000_000))
    with pytest.raises(WeightsError, match="compressed"):
        read_state(path)


def test_bytes_of_another_order_are_refused(tmp_path):
    path = _zip(tmp_path / "x.pth", _dump({"w": _tensor(0, (6,), (1,))}), {"0": SIX})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/byteorder", "big")
    with pytest.raises(WeightsError, match="big-endian"):
        read_state(path)


# --- damage ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path, name):
    data = (FOLDER / name).read_bytes()
    path = tmp_path / name
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError, match=rf"{name}: "):
            read_state(path)


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "zip_protocol4.pt"])
def test_damage_is_refused_or_harmless(tmp_path, name):
    data = bytearray((FOLDER / name).read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / name
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 3):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            read_state(path)
        except WeightsError:
            refused += 1
    assert refused > 100


def test_other_files_are_no_files_of_torch(tmp_path):
    path = tmp_path / "x.pth"
    for data in (b"", b"hello", b"\x80\x02K\x01.", b"PK\x03\x04...", b"\x00" * 512):
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=r"x\.pth: "):
            read_state(path)


def test_the_old_format_must_have_the_storages_that_it_names(tmp_path):
    program = _dump({"w": _tensor(0, (6,), (1,))})
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(part, protocol=2) for part in parts) + program
    path = tmp_path / "x.pth"
    keys = pickle.dumps(["0"], protocol=2)
    count = struct.pack("<q", 6)
    path.write_bytes(head + keys + count + SIX)
    np.testing.assert_array_equal(read_state(path)["w"], np.arange(6))
    for tail, message in [
        (pickle.dumps(["1"], protocol=2) + count + SIX, "not that of its pickle"),
        (pickle.dumps([()], protocol=2) + count + SIX, "list of storages is none"),
        (keys + struct.pack("<q", 7) + SIX, "another length"),
        (keys + count + SIX[:-1], "truncated within storage 0"),
        (keys + count[:3], "truncated within storage 0"),
    ]:
        path.write_bytes(head + tail)
        with pytest.raises(WeightsError, match=message):
            read_state(path)
