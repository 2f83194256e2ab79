import json
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES
from fashionjax.data.coco_masks import rasterize
from fashionjax.data.datasets.fashionpedia import (
    HALVED_SPLIT,
    S2_SPLIT,
    TRAIN_FILE,
    VAL_FILE,
    AnnotationFile,
    split_ids,
)
from fashionjax.data.images import decode_image
from fashionjax.data.label_maps import FASHIONPEDIA_47, IMATERIALIST_9
from fashionjax.data.prepare import open_split, prepare

SHAPE = (6, 4)
CATEGORIES = [{"id": i, "name": n} for i, n in enumerate(FASHIONPEDIA_CATEGORIES)]
DRESS, POCKET = 10, 32
SQUARE = [[1, 1, 3, 1, 3, 3, 1, 3]]


def _contents(first, count, **changes):
    images = [
        {"id": i, "file_name": f"{i:03d}.jpg", "height": SHAPE[0], "width": SHAPE[1]}
        for i in range(first, first + count)
    ]
    annotations = [
        {"id": i, "image_id": i, "category_id": DRESS, "segmentation": SQUARE}
        for i in range(first, first + count)
    ]
    contents = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    return contents | changes


@pytest.fixture
def write(tmp_path):
    """Writes a folder of 20 photos to train and 5 others."""

    def write(train=None, val=None):
        root = tmp_path / "raw"
        for folder, first, count in (("train", 0, 20), ("test", 20, 5)):
            (root / folder).mkdir(parents=True)
            for i in range(first, first + count):
                Image.new("RGB", SHAPE[::-1]).save(root / f"{folder}/{i:03d}.jpg")
        (root / "annotations").mkdir()
        for name, contents in (
            (TRAIN_FILE, train or _contents(0, 20)),
            (VAL_FILE, val or _contents(20, 5)),
        ):
            (root / "annotations" / name).write_text(json.dumps(contents))
        return root

    return write


def test_instances_become_labels(write, tmp_path):
    train = _contents(0, 20)
    train["annotations"] += [
        {
            "id": 50,
            "image_id": 3,
            "category_id": POCKET,
            "segmentation": {"size": [6, 4], "counts": [7, 1, 16]},
            "iscrowd": 0,
        }
    ]
    root = write(train)
    halved = prepare("fashionpedia", root, tmp_path / "data", scheme=HALVED_SPLIT)
    assert halved.num_examples == {"train": 20, "val": 3, "test": 2}
    assert halved.has_test
    done = prepare("fashionpedia", root, tmp_path / "data")
    assert done.num_examples == {"train": 20, "val": 5}
    assert not done.has_test
    source = open_split(
        "fashionpedia", tmp_path / "data", "train", SHAPE, FASHIONPEDIA_47
    )
    expected = np.zeros(SHAPE, np.uint8)
    expected[1:3, 1:3] = DRESS + 1
    np.testing.assert_array_equal(source[2]["label"], expected)
    expected[1, 1] = POCKET + 1
    example = source[3]
    assert example["image_id"] == "003"
    np.testing.assert_array_equal(example["label"], expected)


def test_photos_without_instances_are_background(write, tmp_path):
    train = _contents(0, 20)
    del train["annotations"][4]
    prepare("fashionpedia", write(train), tmp_path / "data")
    source = open_split(
        "fashionpedia", tmp_path / "data", "train", SHAPE, IMATERIALIST_9
    )
    assert not source[4]["label"].any()
    assert source[5]["label"].any()


@pytest.mark.parametrize(
    ("scheme", "counts"),
    [
        (S2_SPLIT, {"train": 45_623, "val": 1_158}),
        (HALVED_SPLIT, {"train": 45_623, "val": 579, "test": 579}),
    ],
)
def test_the_validation_photos_are_all_evaluated_or_halved(scheme, counts):
    train = [f"{i:05d}" for i in range(45_623)]
    val = [f"v{i:05d}" for i in range(1_158)]
    splits = split_ids(train, val, scheme)
    assert {split: len(ids) for split, ids in splits.items()} == counts
    assert splits["train"] == train
    assert sorted(splits["val"] + splits.get("test", [])) == val


def test_another_scheme_is_refused():
    with pytest.raises(ValueError, match="split 'x'; allowed are s2_val, val_halved"):
        split_ids([], [], "x")


def test_categories_are_found_by_name(write, tmp_path):
    names = ["cap", *reversed(FASHIONPEDIA_CATEGORIES)]
    categories = [{"id": 2 * i, "name": name} for i, name in enumerate(names)]
    train = _contents(0, 20, categories=categories)
    for annotation in train["annotations"]:
        annotation["category_id"] = 2 * names.index("dress")
    train["annotations"][0]["category_id"] = 0
    done = prepare(
        "fashionpedia", write(train), tmp_path / "data", max_bad_fraction=0.05
    )
    assert "annotation 0 of category 0; allowed are [2, 4" in done.quarantine["000"]
    source = open_split(
        "fashionpedia", tmp_path / "data", "train", SHAPE, FASHIONPEDIA_47
    )
    assert source[0]["label"].max() == DRESS + 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"segmentation": [[1, 1]]}, "annotation 0: a polygon of 2 coordinates"),
        ({"segmentation": [[1, 1, 2, 2]]}, "a polygon of 4 coordinates"),
        ({"segmentation": [[1, 1, 2, 2, "x", 3]]}, "a polygon is no list of numbers"),
        ({"segmentation": []}, "allowed are a list of polygons, at least one"),
        ({"segmentation": {"size": 6, "counts": [24]}}, "a mask of size 6"),
        ({"segmentation": {"size": [6, 4], "counts": [9, 99]}}, "add up to 108"),
        ({"segmentation": {"size": [6, 4], "counts": [[1], [2, 3]]}}, "annotation 0"),
        ({"category_id": 46}, r"of category 46; allowed are \[0, 1"),
        ({"category_id": [1]}, r"of category \[1\]"),
        ({"category_id": None}, "of category None"),
    ],
)
def test_bad_instances_are_left_out_with_their_reason(write, tmp_path, change, reason):
    train = _contents(0, 20)
    train["annotations"][0] |= change
    _assert_left_out(write(train), tmp_path, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"file_name": "../raw/train/000.jpg"}, "allowed are names of files within"),
        ({"file_name": "/etc/000"}, "allowed are names of files within"),
        ({"file_name": "sub/000.jpg"}, "No such file"),
        ({"height": 10**9, "width": 10**9}, "allowed are at most 100000000 pixels"),
        ({"height": 0}, "size 0x4"),
        ({"height": None}, "no height and width"),
        ({"height": float("inf")}, "no height and width"),
        ({"height": 7}, r"is \(7, 4\), its photo \(6, 4\)"),
    ],
)
def test_bad_photos_are_left_out_with_their_reason(write, tmp_path, change, reason):
    train = _contents(0, 20)
    train["images"][0] |= change
    _assert_left_out(write(train), tmp_path, reason)


def _assert_left_out(root, tmp_path, reason):
    done = prepare("fashionpedia", root, tmp_path / "data", max_bad_fraction=0.05)
    assert list(done.quarantine) == ["000"]
    assert re.search(reason, done.quarantine["000"])
    assert {p.name for p in tmp_path.iterdir()} == {"raw", "data"}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "is no file of instances"),
        ("9" * 5000, "is no file of instances"),
        (
            json.dumps(_contents(0, 2, images=[{"id": float("inf")}])),
            "is no file of instances: OverflowError",
        ),
        (
            json.dumps(_contents(0, 2, categories=[{"id": float("inf"), "name": "x"}])),
            "no list of id and name",
        ),
        ("[" * 100_000, "is no"),
        (json.dumps({"images": []}), "is no file of instances: KeyError.'categories'"),
        (json.dumps(_contents(0, 2, categories=[])), "missing are"),
        (
            json.dumps(_contents(0, 2, images=_contents(0, 1)["images"])),
            "is no file of instances: an annotation is of image 1, which the file does",
        ),
        (
            json.dumps(_contents(0, 2, images=_contents(0, 2)["images"] * 2)),
            "an image's id or file name comes twice",
        ),
        (json.dumps(_contents(20, 1)), "share photos"),
    ],
)
def test_a_damaged_file_is_refused(write, tmp_path, contents, message):
    root = write()
    (root / "annotations" / TRAIN_FILE).write_text(contents)
    with pytest.raises(ValueError, match=message):
        prepare("fashionpedia", root, tmp_path / "data")


def test_without_files_it_says_where_to_get_them(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be downloaded.*cvdfoundation"):
        prepare("fashionpedia", data_dir=tmp_path / "data")
    with pytest.raises(ValueError, match="is no Fashionpedia folder"):
        prepare("fashionpedia", tmp_path, tmp_path / "data")


def test_real_photos_have_the_instances_that_their_file_lists():
    shared = os.environ.get("FASHIONJAX_TEST_DATA")
    if not shared:
        pytest.skip("FASHIONJAX_TEST_DATA is not set: no real Fashionpedia photos")
    folder = pathlib.Path(shared) / "fashionpedia_sample"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    path = folder / "sample.json"
    contents = json.loads(path.read_bytes())
    names = {c["id"]: c["name"] for c in contents["categories"]}
    file = AnnotationFile(path, folder / "images")
    assert sorted(file.image_ids) == ["000000009813", "000000010223"]
    for image_id in file.image_ids:
        example = file.read(image_id)
        assert decode_image(example.image).shape[:2] == example.label.shape
        label = FASHIONPEDIA_47.classes_of(example.stacks)[example.label]
        present = {FASHIONPEDIA_47.class_names[i] for i in np.unique(label)}
        annotations = [
            a for a in contents["annotations"] if a["image_id"] == int(image_id)
        ]
        assert present == {names[a["category_id"]] for a in annotations} | {
            "background"
        }
        for annotation in annotations:
            mask = rasterize(annotation["segmentation"], label.shape)
            # What COCO lists is the polygons' own area, which pixels approach.
            assert mask.sum() == pytest.approx(annotation["area"], rel=0.03, abs=20)
            own = FASHIONPEDIA_CATEGORIES.index(names[annotation["category_id"]])
            assert all(own in example.stacks[n] for n in np.unique(example.label[mask]))
