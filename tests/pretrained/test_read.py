import io
import json
import struct
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.pretrained import WeightsError, read_state

STATE = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "b": np.asarray([1.5, -2.0], np.float16),
    "c": np.asarray([0.5, 3e38, -1.0], jnp.bfloat16),
    "d": np.asarray(7, np.int64),
    "e": np.asarray([1.0, 2.0], np.float64),
    "f": np.zeros((0, 3), np.float32),
    "g": np.asarray([True, False, True]),
}
NAMES = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "float64": "F64",
    "bool": "BOOL",
}


def _write(path, entries, body, header=None):
    text = header or json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def _entry(begin, end, shape=None, dtype="F32"):
    shape = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def _save(path, state):
    entries, body = {"__metadata__": {"format": "np"}}, b""
    for name, array in state.items():
        data = array.tobytes()
        entries[name] = {
            "dtype": NAMES[str(array.dtype)],
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    return _write(path, entries, body)


def _assert_same(found, wanted):
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape


def test_safetensors_are_read_in_their_types(tmp_path):
    _assert_same(read_state(_save(tmp_path / "x.safetensors", STATE)), STATE)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_are_read_in_their_types(tmp_path, save):
    state = {k: v for k, v in STATE.items() if k != "c"}
    state["h"] = np.asfortranarray(STATE["a.weight"])
    save(tmp_path / "x.npz", **state)
    _assert_same(read_state(tmp_path / "x.npz"), state)


BODY = bytes(16)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": _entry(0, 12), "b": _entry(8, 16)}, "b: overlaps a"),
        ({"a": _entry(0, 16), "b": _entry(0, 16)}, "b: overlaps a"),
        ({"a": _entry(0, 8), "b": _entry(12, 16)}, "b: a gap of 4 bytes before it"),
        ({"a": _entry(4, 16)}, "a: a gap of 4 bytes before it"),
        ({"a": _entry(0, 12)}, "4 bytes after the last tensor"),
        ({"a": _entry(0, 20)}, "a: lies at 0–20 of 16 bytes: the file is truncated"),
        ({"a": _entry(0, 16, [2])}, r"a: F32 \[2\] takes 8 bytes, its offsets enclose"),
        ({"a": _entry(0, 16, [2**31, 2**29])}, "a: F32"),
        ({"a": _entry(0, 16, [-4])}, "a: its shape is no list"),
        ({"a": _entry(0, 16, [4.0])}, "a: its shape is no list"),
        ({"a": _entry(0, 16, [True])}, "a: its shape is no list"),
        ({"a": _entry(0, 16, "4")}, "a: its shape is no list"),
        ({"a": _entry(0, 0, [0, 2**63])}, "a: its shape is no list"),
        ({"a": _entry(0, 0, [0, 2**62, 2**62])}, "a: its shape is larger than any"),
        ({"a": _entry(0, 0, [0, 2**61])}, "a: its shape is larger than any"),
        ({"a": _entry(0, 16, [1] * 40 + [4])}, "a: its shape is no list"),
        ({"a": {**_entry(0, 16), "data_offsets": [16, 0]}}, "a: its data_offsets"),
        ({"a": {**_entry(0, 16), "data_offsets": [-4, 12]}}, "a: its data_offsets"),
        ({"a": {**_entry(0, 16), "data_offsets": [0]}}, "a: its data_offsets"),
        ({"a": _entry(0, 16, dtype="F4")}, "a: has an unknown type; allowed are F64"),
        ({"a": _entry(0, 16, dtype=["F32"])}, "a: has an unknown type"),
        ({"a": {"dtype": "F32"}}, "a: its header needs data_offsets, dtype, shape"),
        ({"a": 3}, "a: its header needs"),
        ([1], "no JSON object"),
    ],
)
def test_safetensors_with_wrong_offsets_are_refused(tmp_path, entries, message):
    path = _write(tmp_path / "x.safetensors", entries, BODY)
    with pytest.raises(WeightsError, match=rf"x\.safetensors: .*{message}"):
        read_state(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b'{"a": 1, "b": 2, "a": 3}', "names 'a' twice"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"a": NaN}', "has NaN in its header"),
        (b'{"a":' + b"[" * 100_000, "no JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"__metadata__": {}}', "16 bytes after"),
    ],
)
def test_safetensors_with_a_wrong_header_are_refused(tmp_path, header, message):
    path = _write(tmp_path / "x.safetensors", None, BODY, header)
    with pytest.raises(WeightsError, match=message):
        read_state(path)


def test_a_truncated_safetensors_file_is_refused_wherever_it_ends(tmp_path):
    path = _save(tmp_path / "x.safetensors", STATE)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError, match="truncated"):
            read_state(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + data[8:])
    with pytest.raises(WeightsError, match="header of 1,152,"):
        read_state(path)


def test_a_truncated_npz_file_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=STATE["a.weight"], b=STATE["b"])
    data = path.read_bytes()
    for length in range(0, len(data), 5):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError, match=r"x\.npz: "):
            read_state(path)


def test_damage_is_refused_or_harmless(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=STATE["a.weight"], b=STATE["b"])
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_state(path)
        except WeightsError:
            refused += 1
    assert refused > 100


def test_pickled_arrays_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    np.savez(tmp_path / "x.npz", a=np.asarray([Evil()], object))
    with pytest.raises(WeightsError, match="a: has type object"):
        read_state(tmp_path / "x.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("array", [STATE["c"], np.asarray(["a"]), np.asarray(1j)])
def test_arrays_of_other_types_are_refused(tmp_path, array):
    np.savez(tmp_path / "x.npz", a=array)
    with pytest.raises(WeightsError, match="a: has type"):
        read_state(tmp_path / "x.npz")


def test_an_array_that_claims_another_length_is_refused(tmp_path):
    stream = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", stream.getvalue() + bytes(40))
    with pytest.raises(WeightsError, match="does not take 40 bytes"):
        read_state(tmp_path / "x.npz")


def _save_npy(path, shape, body=b""):
    """An archive with one array, of whose header the shape's text is given."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header + body)
    return path


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("(" * 5000 + ")" * 4000, "is damaged: "),
        ("-" * 9000 + "1", "is damaged: "),
        ("(0, -1)", "a: its shape is no tuple of lengths"),
        ("(True, 0)", "a: its shape is no tuple of lengths"),
        (f"(0, {2**70})", "a: its shape is no tuple of lengths"),
        (f"(0, {2**62}, {2**62})", "a: its shape is no tuple of lengths"),
    ],
)
def test_arrays_with_a_hostile_header_are_refused(tmp_path, shape, message):
    path = _save_npy(tmp_path / "x.npz", shape)
    with pytest.raises(WeightsError, match=rf"x\.npz: {message}"):
        read_state(path)


def test_an_archive_that_unpacks_to_far_more_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(1 << 25, np.float32))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(WeightsError, match="would take 134,217,"):
        read_state(path)


def test_files_that_are_none_of_these_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.pth: there is no such file"):
        read_state(tmp_path / "nothing.pth")
    (tmp_path / "x.onnx").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"'\.onnx'; allowed are \.safetensors, "):
        read_state(tmp_path / "x.onnx")
    (tmp_path / "x.npz").write_bytes(b"no zip")
    with pytest.raises(WeightsError, match=r"is no \.npz file"):
        read_state(tmp_path / "x.npz")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(WeightsError, match="holds no tensors"):
        read_state(tmp_path / "empty.npz")
