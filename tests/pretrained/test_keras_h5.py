import sys

import numpy as np
import pytest

from fashionjax.pretrained import WeightsError, read_state
from tests.pretrained.make_keras_files import FOLDER, expected

h5py = pytest.importorskip("h5py", reason="needs the extra keras")


@pytest.mark.parametrize("name", ["keras3.weights.h5", "keras2_model.h5"])
def test_what_keras_saved_is_read(name):
    state = read_state(FOLDER / name)
    assert set(state) == set(expected())
    for key, array in expected().items():
        np.testing.assert_array_equal(state[key], array)


def _old(path, *, kernel="block1_conv1_W_1:0", bias="block1_conv1_b_1:0"):
    """The layout of the files that keras-applications publishes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"block1_conv1"]
        file.create_group("input_1").attrs["weight_names"] = np.zeros(0, "S1")
        group = file.create_group("block1_conv1")
        group.attrs["weight_names"] = [kernel.encode(), bias.encode()]
        group[kernel] = expected()["block1_conv1.kernel"]
        group[bias] = expected()["block1_conv1.bias"]
    return path


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"kernel": "block1_conv1/kernel:0", "bias": "block1_conv1/bias:0"},
        {"kernel": "block1_conv1_1/kernel_1:0", "bias": "block1_conv1_1/bias_1:0"},
    ],
)
def test_the_published_files_of_keras_1_and_2_are_read(tmp_path, names):
    state = read_state(_old(tmp_path / "x.h5", **names))
    assert list(state) == ["block1_conv1.kernel", "block1_conv1.bias"]
    for name, array in state.items():
        np.testing.assert_array_equal(array, expected()[name])


def test_names_in_several_attributes_are_read(tmp_path):
    path = _old(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        names = list(file.attrs["layer_names"])
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:1], names[1:]
    assert list(read_state(path)) == ["block1_conv1.kernel", "block1_conv1.bias"]


def test_links_to_other_files_are_refused(tmp_path):
    secret = _old(tmp_path / "secret.h5")
    for link in (
        h5py.ExternalLink(secret, "/block1_conv1"),
        h5py.SoftLink("/input_1"),
    ):
        path = _old(tmp_path / "x.h5")
        with h5py.File(path, "a") as file:
            del file["block1_conv1"]
            file["block1_conv1"] = link
        with pytest.raises(WeightsError, match="block1_conv1: is missing, or a link"):
            read_state(path)


def test_values_in_other_files_are_refused(tmp_path):
    (tmp_path / "raw").write_bytes(bytes(400))
    path = _old(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        group = file["block1_conv1"]
        del group["block1_conv1_b_1:0"]
        external = [(str(tmp_path / "raw"), 0, 400)]
        group.create_dataset(
            "block1_conv1_b_1:0", (100,), np.float32, external=external
        )
    with pytest.raises(WeightsError, match="bias: its values lie in another file"):
        read_state(path)


def test_a_dataset_far_larger_than_its_file_is_refused(tmp_path):
    path = _old(tmp_path / "x.h5")
    with h5py.File(path, "a") as file:
        group = file["block1_conv1"]
        del group["block1_conv1_b_1:0"]
        group.create_dataset(
            "block1_conv1_b_1:0", (1 << 40,), np.float32, chunks=(1024,)
        )
    with pytest.raises(WeightsError, match="would take"):
        read_state(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"x\.h5: is no HDF5 file"):
        read_state(path)
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
    with pytest.raises(WeightsError, match="neither layer_names"):
        read_state(path)
    data = (FOLDER / "keras3.weights.h5").read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        read_state(path)


def test_what_is_needed_is_said_without_h5py(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(WeightsError, match=r"pip install 'fashionjax\[keras\]'"):
        read_state(FOLDER / "keras3.weights.h5")
