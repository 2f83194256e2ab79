import numpy as np
import pytest

from fashionjax.data import class_pixels as module
from fashionjax.data.class_pixels import class_pixels
from fashionjax.data.in_memory import InMemory
from fashionjax.data.label_maps import CCP_4, CCP_59
from fashionjax.data.mixture import Mixture
from fashionjax.data.prepare import open_split, prepare

IDS = [f"{i:04d}" for i in range(1, 21)]
SIZE = (12, 9)


@pytest.fixture
def data_dir(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    return prepare("ccp", raw, tmp_path / "data").data_dir


def _open(data_dir, label_map=CCP_4, size=SIZE, **options):
    return open_split("ccp", data_dir, "train", size, label_map, **options)


def _slow(source):
    classes = range(source.label_map.num_classes)
    labels = [source[i]["label"] for i in range(len(source))]
    return [[(label == c).sum() for c in classes] for label in labels]


def _fail(*_):
    raise AssertionError("counted again")


@pytest.mark.parametrize("label_map", [CCP_4, CCP_59], ids=lambda m: m.name)
def test_every_image_has_the_pixels_that_its_label_has(data_dir, label_map):
    source = _open(data_dir, label_map)
    counts = class_pixels(source, label_map.num_classes)
    assert counts.dtype == np.int64
    assert counts.tolist() == _slow(source)


def test_what_was_counted_is_read_until_it_is_prepared_anew(
    data_dir, monkeypatch, tmp_path, capsys
):
    source = _open(data_dir)
    counts = class_pixels(source, 4)
    assert "Counting the classes of the training split" in capsys.readouterr().err
    monkeypatch.setattr(module, "_count", _fail)
    np.testing.assert_array_equal(class_pixels(source, 4), counts)
    assert capsys.readouterr().err == ""
    # Another map, another size.
    for other in (_open(data_dir, CCP_59), _open(data_dir, size=(6, 9))):
        with pytest.raises(AssertionError, match="counted again"):
            class_pixels(other, other.label_map.num_classes)
    prepare("ccp", tmp_path / "raw", data_dir, overwrite=True)
    with pytest.raises(AssertionError, match="counted again"):
        class_pixels(_open(data_dir), 4)


def test_counts_that_cannot_be_kept_are_told(data_dir, capsys):
    source = _open(data_dir)
    (source.directory / "resized").write_text("a file where a folder must be")
    assert class_pixels(source, 4).tolist() == _slow(source)
    assert "is not kept: " in capsys.readouterr().err


def test_ways_to_read_a_split_share_its_counts(data_dir, monkeypatch):
    resized = _open(data_dir, resized=True)
    counts = class_pixels(resized, 4)
    assert counts.tolist() == _slow(_open(data_dir))
    monkeypatch.setattr(module, "_count", _fail)
    for source in (resized, _open(data_dir), InMemory(resized)):
        np.testing.assert_array_equal(class_pixels(source, 4), counts)


def test_a_mixture_has_the_counts_of_its_parts(data_dir):
    part = _open(data_dir)
    counts = class_pixels(InMemory(Mixture({"a": part, "b": part})), 4)
    np.testing.assert_array_equal(counts, np.tile(class_pixels(part, 4), (2, 1)))


def test_pixels_without_label_count_nowhere():
    label = np.array([[0, 2, 255], [255, 2, 1]], np.uint8)
    example = {"image": np.zeros((2, 3, 3), np.uint8), "label": label}
    assert class_pixels([example, example], 4).tolist() == [[1, 1, 2, 0]] * 2
