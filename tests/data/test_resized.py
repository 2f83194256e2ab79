import io
import json
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import PIL
import pytest
from PIL import Image

from fashionjax.data import resized as resized_module
from fashionjax.data.label_maps import CCP_4, CCP_59, FASHIONPEDIA_47
from fashionjax.data.mixture import Mixture
from fashionjax.data.pipeline import ExampleError, eval_batches, train_batches
from fashionjax.data.prepare import open_split, prepare
from fashionjax.data.resized import open_resized, resized_folder
from fashionjax.data.synthesize import synthesize

SIZE = (36, 24)
NUM_TRAIN = 10
"""Of the eleven drawn photos; one is to test."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A prepared dataset of drawn photos."""
    folder = tmp_path_factory.mktemp("drawn")
    synthesize("ccp", folder / "raw", 11)
    prepare("ccp", folder / "raw", folder / "data")
    return folder / "data"


@pytest.fixture
def data(drawn, tmp_path, monkeypatch):
    """A copy of it, without any cache; caches will have four examples a file."""
    monkeypatch.setattr(resized_module, "_SHARD_EXAMPLES", 4)
    shutil.copytree(
        drawn, tmp_path / "data", ignore=shutil.ignore_patterns(resized_module.FOLDER)
    )
    return tmp_path / "data"


def _open(data, *, resized=True, size=SIZE, label_map=CCP_4, split="train"):
    return open_split("ccp", data, split, size, label_map, resized=resized)


def _files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def _as_jpeg(image):
    """What is left of an image after a JPEG of quality 95 in full colour."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95, subsampling="4:4:4")
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("label_map", [CCP_4, CCP_59], ids=lambda m: m.name)
def test_labels_are_the_same_and_images_are_what_jpeg_leaves(data, label_map, split):
    plain = _open(data, resized=False, label_map=label_map, split=split)
    source = _open(data, label_map=label_map, split=split)
    assert len(source) == len(plain) > 0
    assert (source.size, source.split, source.label_map) == (SIZE, split, label_map)
    for index in range(len(plain)):
        expected, found = plain[index], source[index]
        assert found["image_id"] == expected["image_id"]
        np.testing.assert_array_equal(found["label"], expected["label"])
        assert found["label"].dtype == found["image"].dtype == np.uint8
        np.testing.assert_array_equal(found["image"], _as_jpeg(expected["image"]))
        difference = found["image"].astype(int) - expected["image"]
        assert 0 < np.abs(difference).mean() < 6  # drawn edges at this size


def test_overlapping_instances_are_painted(tmp_path):
    synthesize("fashionpedia", tmp_path / "raw", 6)
    prepare("fashionpedia", tmp_path / "raw", tmp_path)
    plain, source = (
        open_split("fashionpedia", tmp_path, "train", SIZE, FASHIONPEDIA_47, resized=r)
        for r in (False, True)
    )
    for index in range(len(plain)):
        np.testing.assert_array_equal(source[index]["label"], plain[index]["label"])


def test_it_is_written_once_for_each_size_and_label_map(data):
    folders = {
        resized_folder(_open(data, resized=False, **options))
        for options in (
            {},
            {"size": (24, 36)},
            {"label_map": CCP_59},
            {"split": "test"},
        )
    }
    assert len(folders) == 4
    plain = _open(data, resized=False)
    folder = resized_folder(plain)
    assert folder.parent.name.startswith("36x24-ccp_4-")
    open_resized(plain)
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert len(before) == 4  # ten examples and what they are
    open_resized(plain)
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before


def test_other_records_have_another_cache(drawn, data):
    one, other = (_open(d, resized=False) for d in (drawn, data))
    assert resized_folder(one).parent.name == resized_folder(other).parent.name
    metadata = other.directory / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"sha256": "', '"sha256": "0'))
    assert resized_folder(one).parent.name != resized_folder(other).parent.name


def test_preparing_anew_removes_it(drawn, data):
    folder = resized_folder(_open(data, resized=False))
    _open(data)
    assert folder.is_dir()
    prepare("ccp", drawn.parent / "raw", data, overwrite=True)
    assert not folder.exists()


def test_a_source_without_a_size_has_none(data):
    source = resized_module.PreparedSource(
        _open(data, resized=False).directory, "train", None, CCP_4
    )
    with pytest.raises(ValueError, match="without a size and a label map"):
        open_resized(source)


def test_batches_are_those_of_single_examples(data):
    source = _open(data)
    batch = next(train_batches(source, batch_size=4, seed=1, num_classes=4))
    for row, index in enumerate(batch["example_index"]):
        example = source[int(index)]
        np.testing.assert_array_equal(batch["image"][row], example["image"])
        np.testing.assert_array_equal(batch["label"][row], example["label"])
    *_, last = eval_batches(source, batch_size=4)
    assert last["example_mask"].tolist() == [True, True, False, False]
    np.testing.assert_array_equal(last["image"][1], source[9]["image"])


def test_it_is_read_by_many_threads_and_by_processes(data):
    source = _open(data)
    expected = next(train_batches(source, batch_size=40, seed=1, num_threads=1))
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 5000
    found = next(train_batches(copy, batch_size=40, seed=1, num_threads=8))
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values)


def test_what_is_not_there_is_an_error(data):
    source = _open(data)
    for index in (-1, NUM_TRAIN):
        with pytest.raises(IndexError, match=f"example {index} of {NUM_TRAIN}"):
            source[index]


def _damage(data, index):
    """Changes a byte in the middle of an example; returns its id and its file."""
    source = _open(data)
    image_id = source[index]["image_id"]
    path = resized_folder(_open(data, resized=False)) / f"{index // 4:05d}.array_record"
    content = path.read_bytes()
    jpeg = source._records[index][-300:]
    position = content.index(jpeg)
    path.write_bytes(content[:position] + b"\xff" * 10 + content[position + 10 :])
    return image_id, path


def test_damage_is_told_by_the_name_of_the_photo(data):
    image_id, path = _damage(data, 5)
    source = _open(data)
    message = rf"cannot read image '{image_id}' of {path}.*Remove {path.parent}"
    with pytest.raises(ValueError, match=message):
        source[5]
    with pytest.raises(ExampleError, match=f"cannot read example 5: .*'{image_id}'"):
        list(eval_batches(source, batch_size=5))
    assert source[4]["image_id"] != image_id
    shutil.rmtree(path.parent)
    assert _open(data)[5]["image_id"] == image_id


@pytest.mark.parametrize("size", [None, 0, 100_000])
def test_a_file_that_is_lost_or_cut_is_told(data, size):
    _open(data)
    path = resized_folder(_open(data, resized=False)) / "00001.array_record"
    if size is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=f"cannot read image .* of {path}"):
        _open(data)[5]


_KILLED = """
    import itertools, os, pathlib, signal, time
    from fashionjax.data import resized
    from fashionjax.data.label_maps import CCP_4
    from fashionjax.data.prepare import open_split
    resized._SHARD_EXAMPLES = 4
    encode, count = resized.encode_photo, itertools.count(1)
    def encode_photo(image):
        if next(count) == 10:
            while not list(pathlib.Path({data!r}).rglob("00000.*summary.json")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return encode(image)
    resized.encode_photo = encode_photo
    open_split("ccp", {data!r}, "train", {size}, CCP_4, resized=True)
"""


def test_a_killed_writer_leaves_what_is_finished(data):
    script = textwrap.dedent(_KILLED.format(data=str(data), size=SIZE))
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    folder = resized_folder(_open(data, resized=False))
    assert not folder.exists()
    staging = folder.with_name("train.incomplete")
    first = (staging / "00000.array_record").stat()
    _open(data)
    kept = (folder / "00000.array_record").stat()
    assert (kept.st_ino, kept.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert not staging.exists()
    gone_on = _files(folder)
    shutil.rmtree(folder)
    _open(data)
    assert _files(folder) == gone_on


def test_two_at_once_write_once(data, monkeypatch):
    write, written, sources = resized_module._write, [], []
    monkeypatch.setattr(
        resized_module, "_write", lambda *args: written.append(1) or write(*args)
    )
    threads = [
        threading.Thread(target=lambda: sources.append(_open(data))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [len(source) for source in sources] == [NUM_TRAIN] * 2
    assert len(written) == 1


def test_the_index_says_what_it_is_of(data):
    _open(data)
    index = json.loads(
        (resized_folder(_open(data, resized=False)) / "index.json").read_text()
    )
    assert index["size"] == list(SIZE)
    assert index["label_map"] == "ccp_4"
    assert index["pillow"] == PIL.__version__
    assert [shard["num_records"] for shard in index["shards"]] == [4, 4, 2]


def test_a_mixture_reads_caches_as_well(data):
    mixture = Mixture({"small": _open(data), "full": _open(data, resized=False)})
    assert len(mixture) == 2 * NUM_TRAIN
    one, other = mixture[3], mixture[NUM_TRAIN + 3]
    assert one["image_id"].removeprefix("small") == other["image_id"][len("full") :]
    np.testing.assert_array_equal(one["label"], other["label"])
