import os
import pathlib

import numpy as np
import pytest
import scipy.io

from fashionjax.data.matlab import load_mat

VALUES = np.arange(12, dtype=np.uint8).reshape(3, 4)
LIMIT = 100_000


def _same(ours, theirs):
    """Compares with what SciPy makes of the same."""
    if isinstance(theirs, np.ndarray) and theirs.dtype.names:
        assert ours.shape == theirs.shape
        for mine, other in zip(ours.ravel(), theirs.ravel(), strict=True):
            assert tuple(mine) == theirs.dtype.names
            for field, value in mine.items():
                _same(value, other[field])
    elif theirs.dtype == object:
        assert ours.shape == theirs.shape
        for mine, other in zip(ours.ravel(), theirs.ravel(), strict=True):
            _same(mine, other)
    elif theirs.dtype.kind == "U":
        assert np.ravel(ours).tolist() == (theirs.ravel().tolist() or [""])
    else:
        np.testing.assert_array_equal(ours, theirs, strict=True)


def _struct(**fields):
    array = np.empty((1, 2), [(field, object) for field in fields])
    for place in range(2):
        array[0, place] = tuple(fields.values())
    return array


VARIABLES = {
    "uint8": VALUES,
    "small": np.array([[7]], np.int16),
    "double": np.random.default_rng(0).normal(size=(5, 3)),
    "whole_double": np.array([[1.0, 700.0, -3.0]]),
    "single": np.ones((2, 3, 4), np.float32),
    "int64": np.array([[-(2**40), 3]]),
    "empty": np.zeros((0, 3)),
    "logical": np.array([[True, False]]),
    "text": "hat/headband",
    "accents": "été",
    "no_text": "",
    "rows": np.array(["abc", "def"]),
    "cells": np.array([["a", VALUES], [np.zeros((0, 0)), "bc"]], object),
    "struct": _struct(image=VALUES, name="x", cell=np.array(["p", "qr"], object)),
    "nested": {"inner": {"value": 3.5}},
}


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("name", VARIABLES)
def test_variables_equal_those_of_scipy(tmp_path, name, compressed):
    path = tmp_path / "file.mat"
    scipy.io.savemat(path, VARIABLES, do_compression=compressed)
    found = load_mat(path, [name, "other"], max_bytes=LIMIT)
    assert list(found) == [name]
    _same(found[name], scipy.io.loadmat(path, chars_as_strings=True)[name])


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_that_grows_is_refused(tmp_path, compressed):
    path = tmp_path / "file.mat"
    values = {"bomb": np.zeros(3_000_000, np.uint8), "a": VALUES}
    scipy.io.savemat(path, values, do_compression=compressed)
    assert (path.stat().st_size < 5_000) == compressed
    for asked in values:
        with pytest.raises(ValueError, match=r"\.mat: it holds more than 2999999 byte"):
            load_mat(path, [asked], max_bytes=2_999_999)
        assert asked in load_mat(path, [asked], max_bytes=3_001_000)


@pytest.mark.parametrize("compressed", [True, False])
def test_damage_never_raises_anything_but_value_error(tmp_path, compressed):
    path = tmp_path / "file.mat"
    scipy.io.savemat(path, VARIABLES, do_compression=compressed)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        data = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(len(data) if trial % 2 else 600, size=3)
        data[places] = rng.integers(256, size=3)
        path.write_bytes(data.tobytes()[: len(whole) - trial % 4 * 20])
        try:
            load_mat(path, VARIABLES, max_bytes=LIMIT)
        except ValueError as error:
            refused += "cannot read" in str(error)
    assert refused > 200


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "no MATLAB file of version 5"),
        (b"text", "no MATLAB file of version 5"),
        (bytes(126) + b"IM" + bytes(3), "unpack_from requires"),
        (bytes(126) + b"IM" + b"\x0e\0\0\0\xff\0\0\0", "ends within an element"),
        (bytes(126) + b"IM" + b"\x0f\0\0\0\x04\0\0\0text", "incorrect header check"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, contents, message):
    path = tmp_path / "file.mat"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=rf"cannot read .*file\.mat: .*{message}"):
        load_mat(path, ["a"], max_bytes=LIMIT)


def test_other_versions_and_kinds_are_refused(tmp_path):
    path = tmp_path / "file.mat"
    scipy.io.savemat(path, {"a": VALUES}, format="4")
    with pytest.raises(ValueError, match="version 5"):
        load_mat(path, ["a"], max_bytes=LIMIT)
    scipy.io.savemat(path, {"a": scipy.sparse.csc_array(VALUES), "b": VALUES})
    with pytest.raises(ValueError, match="a has the class 5"):
        load_mat(path, ["a"], max_bytes=LIMIT)
    assert "b" in load_mat(path, ["b"], max_bytes=LIMIT)
    with pytest.raises(ValueError, match="No such file"):
        load_mat(tmp_path / "nothing.mat", ["a"], max_bytes=LIMIT)


def test_a_file_that_is_nested_without_end_is_refused(tmp_path):
    value = "end"
    for _ in range(40):
        outer = np.empty((1, 1), object)
        outer[0, 0] = value
        value = outer
    scipy.io.savemat(tmp_path / "file.mat", {"a": value})
    with pytest.raises(ValueError, match="nested too deeply"):
        load_mat(tmp_path / "file.mat", ["a"], max_bytes=LIMIT)


def test_real_labels_equal_those_of_scipy():
    shared = os.environ.get("FASHIONJAX_TEST_DATA")
    if not shared:
        pytest.skip("FASHIONJAX_TEST_DATA is not set: no real MATLAB files")
    paths = sorted(pathlib.Path(shared).glob("ccp/annotations/pixel-level/*.mat"))[:30]
    if not paths:
        pytest.skip(f"{shared} has no labels of CCP")
    for path in paths:
        expected = scipy.io.loadmat(path)["groundtruth"]
        found = load_mat(path, ["groundtruth"], max_bytes=1 << 28)["groundtruth"]
        np.testing.assert_array_equal(found, expected, strict=True)
