import re

import h5py
import numpy as np
import pytest
from PIL import Image

from fashionjax.data.datasets.cfpd import (
    FILE,
    S4_SPLIT,
    TANGSENG_SPLIT,
    Cfpd,
    split_ids,
)
from fashionjax.data.label_maps import CFPD_4, CFPD_23
from fashionjax.data.prepare import open_split, prepare

SHAPE = (6, 4)
COUNT = 20
NAMES = ["bk", *CFPD_23.class_names[1:]]


def _codes(text):
    return np.array([[ord(character)] for character in text], np.uint16)


PHOTO = {
    "img_name": _codes("1.jpg"),
    # A superpixel each row; HDF5 has MATLAB's columns as rows.
    "segmentation": np.tile(np.arange(6.0), (4, 1)),
    "category_label": np.array([[1.0, 9.0, 10.0, 18.0, 23.0, 1.0]]),
}


@pytest.fixture
def write(tmp_path):
    """Writes a folder of 20 photos, of which the first has changes."""

    def write(changes=None, names=NAMES):
        raw = tmp_path / "raw"
        (raw / "image").mkdir(parents=True)
        Image.new("RGB", SHAPE[::-1]).save(raw / "image/1.jpg")
        with h5py.File(raw / FILE, "w") as file:
            refs = []
            for number in range(COUNT):
                group = file.create_group(f"#refs#/{number}")
                fields = PHOTO | ((changes or {}) if number == 0 else {})
                for key, value in fields.items():
                    if value is not None:
                        group[key] = value
                refs.append(group.ref)
            file["fashion_dataset"] = np.array([refs], h5py.ref_dtype)
            cells = []
            for i, name in enumerate(names):
                file[f"#refs#/name{i}"] = _codes(name)
                cells.append([file[f"#refs#/name{i}"].ref])
            file["all_category_name"] = np.array(cells, h5py.ref_dtype)
        return raw

    return write


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (S4_SPLIT, {"train": 2_038, "val": 108, "test": 536}),
        (TANGSENG_SPLIT, {"train": 2_092, "val": 54, "test": 536}),
    ],
)
def test_the_splits_have_the_published_counts(scheme, expected):
    splits = split_ids(2_682, scheme)
    assert {split: len(ids) for split, ids in splits.items()} == expected
    assert (splits["test"][0], splits["test"][-1]) == ("2093", "2628")
    assert len(set().union(*splits.values())) == 2_682


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="split 'x'; allowed are s4, tangseng"):
        split_ids(2_682, "x")


def test_labels_of_superpixels_are_looked_up(write, tmp_path):
    done = prepare("cfpd", write(), tmp_path / "data", scheme=TANGSENG_SPLIT)
    assert done.num_examples == {"train": 16, "test": 4}
    for label_map, expected in (
        (CFPD_23, [0, 8, 9, 17, 22, 0]),
        (CFPD_4, [0, 3, 2, 3, 1, 0]),  # face, hair, skin, sweater
    ):
        source = open_split(
            "cfpd", tmp_path / "data", "test", SHAPE, label_map, scheme=TANGSENG_SPLIT
        )
        label = source[0]["label"]
        np.testing.assert_array_equal(label, np.array(expected)[:, None] + [[0] * 4])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"img_name": _codes("../1.jpg")}, "allowed are names of files within"),
        ({"img_name": _codes("2.jpg")}, "No such file"),
        ({"img_name": None}, "has no img_name of its own"),
        ({"segmentation": PHOTO["segmentation"] + 1}, r"has superpixels 1\.\.6"),
        ({"segmentation": np.zeros((2, 2, 2))}, r"has the shape \(2, 2, 2\)"),
        ({"segmentation": np.zeros((4, 7))}, r"is \(7, 4\), its photo \(6, 4\)"),
        ({"segmentation": np.zeros((0, 4))}, "does not hold 1..100000000 numbers"),
        ({"segmentation": b"text"}, "segmentation is"),
        ({"segmentation": PHOTO["segmentation"] + 0.5}, "other numbers than whole"),
        ({"category_label": np.full((1, 6), np.nan)}, "other numbers than whole"),
        ({"category_label": np.full((1, 6), 24.0)}, "has the id 23; allowed are 0..22"),
        ({"category_label": np.full((1, 6), 0.0)}, r"has labels -1\.\.-1"),
        ({"category_label": None}, "has no category_label of its own"),
        (
            {"segmentation": h5py.ExternalLink("other.h5", "x")},
            "has no segmentation of its own",
        ),
    ],
)
def test_bad_photos_are_left_out_with_their_reason(write, tmp_path, changes, reason):
    done = prepare("cfpd", write(changes), tmp_path / "data", max_bad_fraction=0.05)
    assert list(done.quarantine) == ["0001"]
    assert re.search(reason, done.quarantine["0001"])


def test_a_label_that_claims_a_billion_pixels_is_left_out(write, tmp_path):
    raw = write({"segmentation": None})
    with h5py.File(raw / FILE, "a") as file:
        # Nothing is written: the file stays small.
        file["#refs#/0"].create_dataset("segmentation", (40_000, 40_000), "f8")
    done = prepare("cfpd", raw, tmp_path / "data", max_bad_fraction=0.05)
    assert "does not hold 1..100000000 numbers" in done.quarantine["0001"]


def test_numbers_in_another_file_are_not_read(write, tmp_path):
    raw = write({"segmentation": None})
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(192))
    with h5py.File(raw / FILE, "a") as file:
        file["#refs#/0"].create_dataset(
            "segmentation", (4, 6), "f8", external=[(str(secret), 0, 192)]
        )
    done = prepare("cfpd", raw, tmp_path / "data", max_bad_fraction=0.05)
    assert "has no segmentation of its own" in done.quarantine["0001"]


@pytest.mark.parametrize("only_start", [True, False])
def test_damage_anywhere_is_told_and_nothing_else_is_raised(write, only_start):
    """HDF5 raises one of many errors, depending on what is hit."""
    path = write() / FILE
    good, rng = path.read_bytes(), np.random.default_rng(0)
    told = 0
    for _ in range(60):
        damaged = np.frombuffer(good, np.uint8).copy()
        end = 2048 if only_start else len(good)
        damaged[rng.integers(0, end, 12)] = rng.integers(0, 256, 12)
        length = int(rng.integers(end // 2, 2 * len(good)))
        path.write_bytes(damaged.tobytes()[:length])
        try:
            raw = Cfpd.open_raw(path.parent, "s4")
        except ValueError:
            told += 1
            continue
        for image_id in raw.image_ids:
            try:
                raw.read(image_id)
            except (ValueError, OSError):  # a photo of another name
                told += 1
    assert told > 20


def test_files_of_something_else_are_refused(write, tmp_path):
    with pytest.raises(ValueError, match=r"has the labels .*'bk', 'hat'"):
        prepare("cfpd", write(names=["bk", "hat"]), tmp_path / "data")
    with h5py.File(tmp_path / "raw" / FILE, "w") as file:
        file["fashion_dataset"] = np.zeros(3)
        file["all_category_name"] = np.zeros(3)
    with pytest.raises(ValueError, match="all_category_name is no cell array"):
        prepare("cfpd", tmp_path / "raw", tmp_path / "data")
    (tmp_path / "raw" / FILE).write_bytes(b"text")
    with pytest.raises(ValueError, match=rf"cannot read .*{FILE}"):
        prepare("cfpd", tmp_path / "raw", tmp_path / "data")


def test_without_files_it_says_where_to_get_them(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be downloaded.*fashionparsing"):
        prepare("cfpd", data_dir=tmp_path / "data")
    with pytest.raises(ValueError, match="is no CFPD folder"):
        prepare("cfpd", tmp_path, tmp_path / "data")
