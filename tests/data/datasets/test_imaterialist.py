import csv
import json
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES
from fashionjax.data.category_list import category_ids
from fashionjax.data.datasets import imaterialist
from fashionjax.data.datasets.imaterialist import (
    RANDOM_SPLIT,
    S3_SPLIT,
    split_ids,
)
from fashionjax.data.label_maps import CCP_59, FASHIONPEDIA_47, IMATERIALIST_9
from fashionjax.data.prepare import open_raw, open_split, prepare
from fashionjax.data.verify import compare_with_raw

SHAPE = (6, 4)
CATEGORIES = [{"id": i, "name": n} for i, n in enumerate(FASHIONPEDIA_CATEGORIES)]
DRESS, JUMPSUIT, JACKET, POCKET = 10, 11, 4, 32
NAMES = [f"{i:02d}" for i in range(20)]


@pytest.fixture
def write(tmp_path):
    """Writes a contest's folder: rows of (photo, runs, class), one photo each name."""

    def write(rows, *, year=2020, size=SHAPE, names=NAMES):
        root = tmp_path / "raw"
        (root / "train").mkdir(parents=True)
        for name in names:
            Image.new("RGB", SHAPE[::-1]).save(root / f"train/{name}.jpg")
        descriptions = json.dumps({"categories": CATEGORIES, "attributes": []})
        (root / "label_descriptions.json").write_text(descriptions)
        header = [*imaterialist.COLUMNS, "AttributesIds"][: 5 + (year == 2020)]
        with (root / "train.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(header)
            for name, runs, category in rows:
                row = [name, runs, *size, category, "1,2"]
                table.writerow(row[: len(header)])
        return root

    return write


def _labels(done, name, label_map, scheme):
    labels = {}
    for split in done.num_examples:
        source = open_split(name, done.data_dir, split, SHAPE, label_map, scheme=scheme)
        labels |= {e["image_id"]: e["label"] for e in source}
    return labels


def _plain(name=DRESS):
    """One instance on the first column of every photo."""
    return [(photo, "1 6", name) for photo in NAMES]


def test_rows_of_2020_become_labels(write, tmp_path):
    # The jacket's first two columns; a pocket at rows 1 and 2 of the second.
    rows = [*_plain(), ("00", "1 12", JACKET), ("00", "8 2", POCKET)]
    done = prepare("imaterialist2020", write(rows), tmp_path / "data")
    assert done.num_examples == {"train": 16, "val": 2, "test": 2}
    expected = np.zeros(SHAPE, np.uint8)
    expected[:, :2] = JACKET + 1
    expected[:, 0] = DRESS + 1  # smaller than the jacket
    expected[1:3, 1] = POCKET + 1
    label = _labels(done, "imaterialist2020", FASHIONPEDIA_47, RANDOM_SPLIT)["00"]
    np.testing.assert_array_equal(label, expected)
    nine = _labels(done, "imaterialist2020", IMATERIALIST_9, RANDOM_SPLIT)["00"]
    assert [IMATERIALIST_9.class_names[i] for i in nine[1]] == [
        "dress",
        "overtop",
        "background",
        "background",
    ]
    metadata = json.loads((done.directory / "metadata.json").read_text())
    assert metadata["overlap"]["hidden"] == {str(JACKET): 8}
    assert metadata["overlap"]["visible"][str(POCKET)] == 2
    found = [c.get(str(DRESS), 0) for c in metadata["categories"].values()]
    assert found == list(done.num_examples.values())


@pytest.mark.parametrize(
    ("overlap", "suffix", "shown"),
    [
        ("smaller_wins", "", [POCKET, DRESS, JACKET]),
        ("file_order_last_wins", "_file_order_last_wins", [JACKET] * 3),
        ("first_wins", "_first_wins", [DRESS, DRESS, JACKET]),
    ],
)
def test_the_order_of_instances_can_be_chosen(write, tmp_path, overlap, suffix, shown):
    # In column 0 all three, from the top: the pocket, the dress and the jacket.
    plain = [row for row in _plain() if row[0] != "00"]
    rows = [("00", "1 4", DRESS), ("00", "1 2", POCKET), ("00", "1 6", JACKET), *plain]
    root = write(rows)
    done = prepare("imaterialist2020", root, tmp_path / "data", overlap=overlap)
    assert done.directory.parent.name == RANDOM_SPLIT + suffix == done.scheme
    label = _labels(done, "imaterialist2020", FASHIONPEDIA_47, done.scheme)["00"]
    np.testing.assert_array_equal(label[:, 0], np.repeat(shown, 2) + 1)
    told = {
        "smaller_wins": {DRESS: 2, JACKET: 4},
        "file_order_last_wins": {POCKET: 2, DRESS: 4},
        "first_wins": {POCKET: 2, JACKET: 4},
    }
    assert done.overlap["hidden"] == {str(i): n for i, n in told[overlap].items()}


def test_an_order_that_is_none_is_refused(write, tmp_path):
    message = r"overlap 'x'; allowed for imaterialist2020 are smaller_wins, file_order"
    with pytest.raises(ValueError, match=message):
        prepare("imaterialist2020", write(_plain()), tmp_path / "data", overlap="x")
    message = "allowed for ccp are smaller_wins, as it has no instances"
    with pytest.raises(ValueError, match=message):
        prepare("ccp", tmp_path, tmp_path / "data", overlap="first_wins")


def test_rows_of_2019_have_file_names_and_attributes(write, tmp_path):
    rows = [(f"{p}.jpg", runs, f"{c}_5_92") for p, runs, c in _plain()]
    rows += [("07.jpg", "20 2", f"{JUMPSUIT}_5")]
    done = prepare("imaterialist2019", write(rows, year=2019), tmp_path / "data")
    assert done.directory.parent.name == S3_SPLIT
    labels = _labels(done, "imaterialist2019", IMATERIALIST_9, S3_SPLIT)
    assert sorted(labels) == [n for n in NAMES if n != "07"]
    assert (labels["03"][:, 0] == IMATERIALIST_9.class_names.index("dress")).all()
    whole = prepare(
        "imaterialist2019",
        tmp_path / "raw",
        tmp_path / "data",
        scheme=RANDOM_SPLIT,
    )
    assert sum(whole.num_examples.values()) == 20
    labels = _labels(whole, "imaterialist2019", IMATERIALIST_9, RANDOM_SPLIT)
    assert sorted(labels) == [n for n in NAMES if n != "07"]
    with pytest.raises(ValueError, match="'ccp_59' is not for imaterialist2019"):
        _labels(whole, "imaterialist2019", CCP_59, RANDOM_SPLIT)


def test_the_splits_of_s3_have_its_counts():
    rng = np.random.default_rng(0)
    rows = rng.random((43_470, 46)) < 0.15
    rows[:, JUMPSUIT] = False
    categories = {
        f"{i:05d}": frozenset(np.flatnonzero(row).tolist())
        for i, row in enumerate(rows)
    }
    dropped = {f"{i:05d}": frozenset({JUMPSUIT, 1}) for i in range(43_470, 44_370)}
    splits = split_ids(categories | dropped, S3_SPLIT)
    counts = {split: len(ids) for split, ids in splits.items()}
    assert counts == {"train": 30_429, "val": 3_913, "test": 9_128}
    assert set().union(*splits.values()) == categories.keys()
    dresses = {s: np.mean([DRESS in categories[i] for i in splits[s]]) for s in splits}
    assert max(dresses.values()) - min(dresses.values()) < 0.001


def test_the_splits_of_2020_have_their_counts():
    categories = {f"{i:05d}": frozenset({1}) for i in range(45_623)}
    splits = split_ids(categories, RANDOM_SPLIT)
    counts = {split: len(ids) for split, ids in splits.items()}
    assert counts == {"train": 36_498, "val": 4_562, "test": 4_563}
    with pytest.raises(ValueError, match="split 'x'; allowed are s3_70_9_21, random"):
        split_ids(categories, "x")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("00", "24 2", DRESS), r"run of 2 pixels from 24: .* within 1\.\.24"),
        (("00", "1 2 3", DRESS), "3 numbers; allowed are pairs"),
        (("00", "a b", DRESS), "'a b': allowed are integers"),
        (("00", "1 2", 46), r"ClassId 46; allowed are \[0, 1, 2"),
        (("gone", "1 2", DRESS), r"No such file .*train/gone\.jpg"),
        (("../raw/train/01", "1 2", DRESS), "allowed are names of files within"),
        (("/etc/passwd", "1 2", DRESS), "allowed are names of files within"),
        (("..\\x", "1 2", DRESS), "allowed are names of files within"),
    ],
)
def test_bad_rows_are_left_out_with_their_reason(write, tmp_path, row, reason):
    root = write([*_plain(), row])
    options = {"scheme": RANDOM_SPLIT, "max_bad_fraction": 0.05}
    done = prepare("imaterialist2020", root, tmp_path / "data", **options)
    assert list(done.quarantine) == [row[0]]
    assert re.search(reason, done.quarantine[row[0]])
    assert {p.name for p in tmp_path.iterdir()} == {"raw", "data"}


@pytest.mark.parametrize("size", [(0, 4), (-6, -4), (10**6, 10**6)])
def test_sizes_that_no_photo_has_are_refused(write, tmp_path, size):
    message = r"Height and Width .*; allowed is one size of at most 100000000"
    with pytest.raises(ValueError, match=message):
        prepare("imaterialist2020", write(_plain(), size=size), tmp_path / "data")


def test_a_photo_of_another_size_is_named(write, tmp_path):
    message = r"label of .* is \(7, 4\), its photo \(6, 4\)"
    with pytest.raises(ValueError, match=message):
        prepare("imaterialist2020", write(_plain(), size=(7, 4)), tmp_path / "data")


def test_a_file_counted_from_zero_is_refused(write, tmp_path):
    rows = [(name, "0 6", DRESS) for name in NAMES]
    message = r"train\.csv: EncodedPixels are counted from 0, .* 20 runs start at 0"
    with pytest.raises(ValueError, match=message):
        prepare("imaterialist2020", write(rows), tmp_path / "data")
    assert not list((tmp_path / "data").rglob("dataset_info.json"))


def test_the_first_pixel_may_be_said_to_be_0(write, tmp_path):
    rows = [(name, "0 6", DRESS) for name in NAMES]
    root, data = write(rows), tmp_path / "data"
    done = prepare("imaterialist2020", root, data, first_pixel=0)
    expected = np.zeros(SHAPE, np.uint8)
    expected[:, 0] = DRESS + 1
    labels = _labels(done, "imaterialist2020", FASHIONPEDIA_47, done.scheme)
    assert len(labels) == len(NAMES)
    assert all(np.array_equal(label, expected) for label in labels.values())
    assert done.scheme == f"{RANDOM_SPLIT}_first_pixel_0"
    metadata = json.loads((done.directory / "metadata.json").read_text())
    assert metadata["first_pixel"] == 0
    # What is there so is not taken for the other, and can be compared with its files.
    with pytest.raises(ValueError, match=r"from 0, and not from 1.* --first_pixel=0"):
        prepare("imaterialist2020", root, data)
    again = prepare("imaterialist2020", root, data, first_pixel=0)
    assert not again.fresh
    raw = open_raw("imaterialist2020", again, root)
    assert compare_with_raw(again.directory, raw) == len(NAMES)


def test_a_first_pixel_that_cannot_be_is_refused(write, tmp_path):
    # 20 runs that end at the lower border.
    root = write([(name, "1 6 7 6", DRESS) for name in NAMES])
    with pytest.raises(ValueError, match=r"from 1, and not from 0.* --first_pixel=1"):
        prepare("imaterialist2020", root, tmp_path / "data", first_pixel=0)
    for name, number, allowed in (("ccp", 0, "1"), ("imaterialist2020", 2, "0, 1")):
        message = f"first_pixel {number}; allowed for {name} are {allowed}$"
        with pytest.raises(ValueError, match=message):
            prepare(name, root, tmp_path / "data", first_pixel=number)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column ImageId, EncodedPixels, Height, Width, ClassId"),
        ("ImageId,EncodedPixels,Height\n", "has no column Width, ClassId"),
        ("ImageId,EncodedPixels,Height,Width,ClassId\n", "has no rows"),
        ("ImageId,EncodedPixels,Height,Width,ClassId\n01,1 2,6\n", "line 2: 3 columns"),
        (
            "ImageId,EncodedPixels,Height,Width,ClassId\n01,1 2,6,4,x\n",
            "line 2: .*ClassId 'x': allowed are integers",
        ),
        (
            "ImageId,EncodedPixels,Height,Width,ClassId\n\udcff",
            "line 2: no row of text",
        ),
    ],
)
def test_a_damaged_table_is_refused(write, tmp_path, text, message):
    root = write(_plain())
    (root / "train.csv").write_text(text, errors="surrogateescape")
    with pytest.raises(ValueError, match=message):
        prepare("imaterialist2020", root, tmp_path / "data")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("{", r"cannot read .*label_descriptions\.json"),
        ("[]", r"cannot read .*label_descriptions\.json"),
        ('{"categories": 3}', "no list of id and name"),
        ('{"categories": [{"id": 0, "name": "hat"}]}', "missing are .*'applique'"),
        (json.dumps({"categories": CATEGORIES * 2}), "must have different ids"),
    ],
)
def test_a_damaged_list_of_categories_is_refused(write, tmp_path, contents, message):
    root = write(_plain())
    (root / "label_descriptions.json").write_text(contents)
    with pytest.raises(ValueError, match=message):
        prepare("imaterialist2020", root, tmp_path / "data")


def test_without_files_it_says_where_to_get_them(tmp_path):
    message = r"cannot be downloaded.*--raw=DIR.*imaterialist-fashion-2019-FGVC6"
    with pytest.raises(ValueError, match=message):
        prepare("imaterialist2019", data_dir=tmp_path / "data")
    with pytest.raises(ValueError, match="is no iMaterialist folder"):
        prepare("imaterialist2019", tmp_path, tmp_path / "data")


def test_the_real_list_of_categories_is_the_published_one():
    shared = os.environ.get("FASHIONJAX_TEST_DATA")
    if not shared:
        pytest.skip("FASHIONJAX_TEST_DATA is not set: no real label_descriptions.json")
    path = pathlib.Path(shared) / "imaterialist/label_descriptions.json"
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    found = category_ids(json.loads(path.read_bytes())["categories"], str(path))
    assert found == {i: i for i in range(46)}
