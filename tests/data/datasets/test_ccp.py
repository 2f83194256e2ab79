import collections
import itertools
import json
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fashionjax.data.datasets import ccp
from fashionjax.data.images import resize_label
from fashionjax.data.label_maps import CCP_4, CCP_59, FASHIONPEDIA_47
from fashionjax.data.prepare import open_split, prepare
from fashionjax.data.prepared import PreparedSource

IDS = [f"{i:04d}" for i in range(1, 31)]
ALL_IDS = [f"{i:04d}" for i in range(1, 1005)]


def _sources(data_dir, splits, size, **options):
    options = {"label_map": CCP_59} | options
    return [open_split("ccp", data_dir, s, size, **options) for s in splits]


def test_hash_split_of_known_photos():
    # `printf 0016 | sha256sum` starts with d515; 0xd515 / 0x10000 is 0.83.
    found = [ccp.hash_split(i) for i in ("0001", "0016", "0007")]
    assert found == ["train", "val", "test"]


def test_hash_split_is_about_80_10_10():
    counts = collections.Counter(ccp.hash_split(i) for i in ALL_IDS)
    assert counts["train"] == pytest.approx(803, abs=30)
    assert counts["val"] == pytest.approx(100, abs=25)
    assert counts["test"] == pytest.approx(100, abs=25)


def test_a_subset_splits_like_the_whole():
    whole = ccp.split_ids(ALL_IDS, ccp.HASH_SPLIT)
    subset = ccp.split_ids(reversed(ALL_IDS[::3]), ccp.HASH_SPLIT)
    assert sorted(itertools.chain(*whole.values())) == ALL_IDS
    for split, ids in subset.items():
        assert ids == [i for i in whole[split] if i in ALL_IDS[::3]]


def test_s0_split_has_903_and_101_photos_and_no_test():
    splits = ccp.split_ids(ALL_IDS, ccp.S0_SPLIT)
    assert {split: len(ids) for split, ids in splits.items()} == {
        "train": 903,
        "val": 101,
    }
    assert sorted(splits["train"] + splits["val"]) == ALL_IDS
    assert splits == ccp.split_ids(reversed(ALL_IDS), ccp.S0_SPLIT)
    assert splits["val"] != ALL_IDS[-101:]


def test_empty_splits_are_left_out():
    assert list(ccp.split_ids(["0001"], ccp.HASH_SPLIT)) == [ccp.hash_split("0001")]


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="'x'; allowed are hash_80_10_10, s0_90_10"):
        ccp.split_ids(IDS, "x")


def test_prepared_labels_equal_the_raw_ones(write_ccp, tmp_path):
    raw, labels = write_ccp(IDS)
    done = prepare("ccp", raw, tmp_path / "data")
    found = {}
    for source in _sources(tmp_path / "data", done.num_examples, (12, 9)):
        ids = [example["image_id"] for example in source]
        assert ids == sorted(ids)
        assert {ccp.hash_split(i) for i in ids} == {source.split}
        for example in source:
            image_id = example["image_id"]
            found[image_id] = example["label"]
            photo = Image.open(raw / f"photos/{image_id}.jpg")
            np.testing.assert_array_equal(example["image"], np.asarray(photo))
    assert found.keys() == labels.keys()
    for image_id, label in found.items():
        np.testing.assert_array_equal(label, labels[image_id])


def test_s0_scheme_has_its_own_folder(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    prepare("ccp", raw, tmp_path / "data")
    done = prepare("ccp", raw, tmp_path / "data", scheme="s0_90_10")
    assert done.num_examples == {"train": 27, "val": 3}
    (source,) = _sources(tmp_path / "data", ["val"], (12, 9), scheme="s0_90_10")
    assert len(source) == 3
    with pytest.raises(ValueError, match=r"no split 'test'; allowed are .*train.*val"):
        _sources(tmp_path / "data", ["test"], (12, 9), scheme="s0_90_10")


def test_what_has_no_photo_or_no_label_is_told(write_ccp, tmp_path, capsys):
    """Half of CCP's photos have no label for each pixel; no label lacks its photo."""
    raw, _ = write_ccp(IDS)
    for number in range(1005, 1009):
        shutil.copy(raw / "photos/0001.jpg", raw / f"photos/{number}.jpg")
    (raw / "photos/0002.jpg").unlink()
    with pytest.raises(ValueError, match=r"No such file .*photos/0002\.jpg"):
        prepare("ccp", raw, tmp_path / "data")
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.04)
    assert sum(done.num_examples.values()) == 29
    assert (done.raw["photos"], done.raw["labels"]) == (33, 30)
    assert list(done.quarantine) == ["0002"]
    told = "4 photos: 1005.jpg, 1006.jpg, 1007.jpg, …"
    assert f"ccp: without a label are {told}" in capsys.readouterr().err
    assert f"| Without, and not used | {told} |" in done.card.read_text()
    metadata = json.loads((done.directory / "metadata.json").read_text())
    assert metadata["unlabelled"] == [f"{i}.jpg" for i in range(1005, 1009)]


def test_photos_may_have_other_endings_where_it_is_clear(write_ccp, tmp_path):
    raw, labels = write_ccp(IDS)
    photos, mats = raw / "photos", raw / "annotations/pixel-level"
    (photos / "0001.jpg").rename(photos / "0001.JPG")
    Image.open(photos / "0002.jpg").save(photos / "0002.png")
    (photos / "0002.jpg").unlink()
    # Two that are not called as published; one that is wins over another.
    (photos / "0003.jpg").rename(photos / "0003.jpeg")
    shutil.copy(photos / "0003.jpeg", photos / "0003.JPG")
    shutil.copy(photos / "0004.jpg", photos / "0004.png")
    (mats / "0005.mat").rename(mats / "0005.MAT")
    shutil.copy(mats / "0006.mat", mats / "0006.MAT")
    for folder, name in ((photos, "._0007.jpg"), (mats, "._0007.mat")):
        (folder / name).write_bytes(b"of a Mac")
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.07)
    assert sorted(done.quarantine) == ["0003", "0006"]
    assert "0003.JPG, 0003.jpeg could all be" in done.quarantine["0003"]
    assert "are labels of one photo" in done.quarantine["0006"]
    metadata = json.loads((done.directory / "metadata.json").read_text())
    assert metadata["unlabelled"] == ["0003.JPG", "0003.jpeg", "0004.png"]
    found = {}
    for source in _sources(tmp_path / "data", done.num_examples, None):
        found |= {e["image_id"]: e["label"] for e in source}
    assert len(found) == len(IDS) - 2
    for image_id in ("0001", "0002", "0005"):
        np.testing.assert_array_equal(found[image_id], labels[image_id])


def _assert_refused(raw, tmp_path, match):
    with pytest.raises(ValueError, match=match):
        prepare("ccp", raw, tmp_path / "data")
    assert not list((tmp_path / "data").rglob("dataset_info.json"))


def test_a_label_of_another_size_is_named(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    Image.new("RGB", (9, 13)).save(raw / "photos/0007.jpg")
    _assert_refused(raw, tmp_path, r"0007\.mat is \(12, 9\), its photo \(13, 9\)")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            {"groundtruth": np.full((12, 9), 59)},
            r"label ids \[59\]; allowed are 0\.\.58",
        ),
        ({"groundtruth": np.full((12, 9), -1)}, r"label ids \[-1\]"),
        ({"groundtruth": np.full((12, 9), 0.5)}, r"groundtruth is float64\[12, 9\]"),
        ({"tags": np.zeros(3)}, "groundtruth is None"),
    ],
)
def test_wrong_annotations_are_named(write_ccp, tmp_path, contents, message):
    raw, _ = write_ccp(IDS)
    scipy.io.savemat(raw / "annotations/pixel-level/0007.mat", contents)
    _assert_refused(raw, tmp_path, rf"0007\.mat: {message}")


def test_a_label_that_grows_is_left_out(write_ccp, tmp_path, monkeypatch):
    raw, _ = write_ccp(IDS)
    monkeypatch.setattr(ccp, "_MAX_LABEL_BYTES", 10_000)
    label = raw / "annotations/pixel-level/0007.mat"
    bomb = {"groundtruth": np.zeros((200, 200), np.uint8)}
    scipy.io.savemat(label, bomb, do_compression=True)
    assert label.stat().st_size < 1_000
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.04)
    assert "it holds more than 10000 bytes" in done.quarantine["0007"]


def test_damaged_files_are_named(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    label = raw / "annotations/pixel-level/0007.mat"
    whole = label.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2]):
        label.write_bytes(damaged)
        _assert_refused(raw, tmp_path, r"cannot read .*0007\.mat")
    label.write_bytes(whole)
    photo = raw / "photos/0007.jpg"
    photo.write_bytes(photo.read_bytes()[:300])
    _assert_refused(raw, tmp_path, r"cannot decode .*0007\.jpg")


def test_a_folder_of_something_else_is_refused_with_the_layout(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        _assert_refused(folder, tmp_path, r"no CCP folder.*photos/0001\.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "annotations/pixel-level").mkdir(parents=True)
    _assert_refused(tmp_path, tmp_path, "no photo has a pixel-level label")


def _github_zip(raw, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(raw.rglob("*")):
            archive.write(file, f"clothing-co-parsing-master/{file.relative_to(raw)}")


def test_without_raw_files_the_archive_is_downloaded_once(
    write_ccp, tmp_path, monkeypatch
):
    raw, labels = write_ccp(IDS)
    archive = tmp_path / "master.zip"
    _github_zip(raw, archive)
    monkeypatch.setattr(ccp.download, "__defaults__", (archive.as_uri(),))
    done = prepare("ccp", data_dir=tmp_path / "data")
    assert sum(done.num_examples.values()) == len(labels)
    archive.unlink()
    other = prepare("ccp", data_dir=tmp_path / "data", scheme="s0_90_10")
    assert other.num_examples == {"train": 27, "val": 3}


def test_a_failed_download_says_what_to_put_where(tmp_path):
    nothing = (tmp_path / "nothing.zip").as_uri()
    with pytest.raises(ValueError, match=r"cannot download CCP.*--raw=DIR.*photos/"):
        ccp.download(tmp_path / "downloads", nothing)
    (tmp_path / "page.zip").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=r"no zip or tar that can be read.*--raw=DIR"):
        ccp.download(tmp_path / "downloads", (tmp_path / "page.zip").as_uri())
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_source_without_a_size_changes_no_pixel(write_ccp, tmp_path):
    raw, labels = write_ccp(IDS[:3])
    prepared = prepare("ccp", raw, tmp_path / "data", scheme=ccp.S0_SPLIT)
    source = PreparedSource(prepared.directory, "train", None, CCP_59)
    for example in (source[i] for i in range(len(source))):
        image_id = example["image_id"]
        photo = Image.open(raw / f"photos/{image_id}.jpg")
        np.testing.assert_array_equal(example["image"], np.asarray(photo))
        np.testing.assert_array_equal(example["label"], labels[image_id])


def test_a_source_applies_size_and_label_map(write_ccp, tmp_path):
    raw, labels = write_ccp(IDS)
    prepare("ccp", raw, tmp_path / "data")
    (source,) = _sources(tmp_path / "data", ["train"], (7, 8), label_map=CCP_4)
    for example in source:
        assert example["image"].shape == (7, 8, 3)
        expected = CCP_4.apply(resize_label(labels[example["image_id"]], (7, 8)))
        np.testing.assert_array_equal(example["label"], expected)
    assert set(np.unique(np.stack([e["label"] for e in source]))) == {0, 1, 2, 3}


def test_a_source_survives_pickling(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    prepare("ccp", raw, tmp_path / "data")
    (source,) = _sources(tmp_path / "data", ["train"], (5, 4))
    before = source[2]
    data = pickle.dumps(source)
    assert len(data) < 5000
    copy = pickle.loads(data)
    assert len(copy) == len(source)
    np.testing.assert_array_equal(copy[2]["image"], before["image"])


def test_a_source_refuses_what_does_not_fit(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    with pytest.raises(ValueError, match=r"not prepared in .*prepare ccp --raw=DIR"):
        open_split("ccp", tmp_path / "data", "train", (5, 4), CCP_59)
    prepare("ccp", raw, tmp_path / "data")
    with pytest.raises(ValueError, match="'fashionpedia_47' is not for ccp"):
        open_split("ccp", tmp_path / "data", "train", (5, 4), FASHIONPEDIA_47)
    with pytest.raises(ValueError, match=r"size \(0, 4\): allowed"):
        open_split("ccp", tmp_path / "data", "train", (0, 4), CCP_59)
    source = open_split("ccp", tmp_path / "data", "train", (5, 4), CCP_59)
    for index in (-1, len(source)):
        with pytest.raises(IndexError, match=f"example {index} of {len(source)}"):
            source[index]


def test_real_photos_keep_their_pixels_and_ids(real_ccp, tmp_path):
    done = prepare("ccp", real_ccp, tmp_path / "data")
    assert sum(done.num_examples.values()) == 30
    classes = set()
    for source in _sources(tmp_path / "data", done.num_examples, (144, 96)):
        for example in source:
            path = real_ccp / f"annotations/pixel-level/{example['image_id']}.mat"
            raw = scipy.io.loadmat(path)["groundtruth"]
            classes |= set(np.unique(raw).tolist())
            np.testing.assert_array_equal(
                example["label"], resize_label(CCP_59.apply(raw), (144, 96))
            )
            assert 20 < example["image"].mean() < 250
    assert {0, 19, 41} < classes
