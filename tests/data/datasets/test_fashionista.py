import io
import re
import struct
import zlib

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fashionjax.data.categories import FASHIONISTA_V02_NAMES
from fashionjax.data.datasets.fashionista import split_ids
from fashionjax.data.label_maps import FASHIONISTA_25, FASHIONISTA_56
from fashionjax.data.prepare import open_split, prepare
from tests.data.boundless import boundless_png

SHAPE = (6, 4)
COUNT = 20


def _encode(array, image_format="PNG"):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=image_format)
    return np.frombuffer(file.getvalue(), np.uint8)


def _boundless(array):
    return np.frombuffer(boundless_png(_encode(array).tobytes()), np.uint8)


def _wide(array):
    """A PNG file of 16 bits a channel, which Pillow cannot write."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", checksum)
        )

    height, width, _ = array.shape
    rows = array.astype(">u2").reshape(height, -1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    data = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    )
    data += chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return np.frombuffer(data, np.uint8)


PHOTO = _encode(np.zeros((*SHAPE, 3), np.uint8), "JPEG")
LABEL = np.arange(24, dtype=np.uint8).reshape(SHAPE)
REFINED = np.repeat(LABEL[..., None], 3, axis=2)
SUPERPIXELS = np.tile(np.arange(1, 7, dtype=np.uint16)[:, None], (1, 4))
LOOKED_UP = [1.0, 6.0, 56.0, 2.0, 2.0, 3.0]


def _annotation(**changes):
    return {
        "superpixel_map": _encode(SUPERPIXELS),
        "superpixel_labels": np.array(LOOKED_UP),
        "labels": np.array(FASHIONISTA_V02_NAMES, object),
    } | changes


@pytest.fixture
def write(tmp_path):
    """Writes a file of 20 photos, of which the first has its own annotation."""

    def write(version, annotation, first=None, **changes):
        truths = [(PHOTO, annotation)] * COUNT
        if first is not None:
            truths[0] = first
        contents = {
            "truths": np.array(truths, [("image", "O"), ("annotation", "O")]),
            "test_index": np.array([2.0, 5.0]),
        }
        if version == "v1.0":
            contents["labels"] = np.array(FASHIONISTA_25.class_names, object)
        raw = tmp_path / "raw"
        raw.mkdir()
        name = {"v1.0": "fashionista-v1.0.mat", "v0.2": "fashionista_v0.2.1.mat"}
        contents |= changes
        contents = {k: v for k, v in contents.items() if v is not None}
        scipy.io.savemat(raw / name[version], contents)
        return raw

    return write


def test_the_split_has_the_published_counts():
    test_index = list(range(1, 686, 3))
    splits = split_ids(685, test_index)
    counts = {split: len(ids) for split, ids in splits.items()}
    assert counts == {"train": 411, "val": 45, "test": 229}
    rest = [i for i in range(1, 686) if i not in test_index]
    assert splits["val"][:2] == [f"{rest[9]:04d}", f"{rest[19]:04d}"]


@pytest.mark.parametrize("test_index", [[0], [686], [3, 3], [-1]])
def test_test_photos_that_there_are_not_are_refused(test_index):
    with pytest.raises(ValueError, match=r"allowed are different .* in 1\.\.685"):
        split_ids(685, test_index)


def test_refined_labels_are_the_first_channel(write, tmp_path):
    done = prepare("fashionista", write("v1.0", _encode(REFINED)), tmp_path / "data")
    assert done.num_examples == {"train": 17, "val": 1, "test": 2}
    source = open_split("fashionista", tmp_path / "data", "test", SHAPE, FASHIONISTA_25)
    assert [e["image_id"] for e in source] == ["0002", "0005"]
    np.testing.assert_array_equal(source[0]["label"], LABEL)


def test_labels_of_superpixels_are_looked_up(write, tmp_path):
    prepare("fashionista_v02", write("v0.2", _annotation()), tmp_path / "data")
    source = open_split(
        "fashionista_v02", tmp_path / "data", "val", SHAPE, FASHIONISTA_56
    )
    np.testing.assert_array_equal(source[0]["label"][:, 0], [0, 5, 55, 1, 1, 2])
    assert FASHIONISTA_56.class_names[55] == "skin"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ((PHOTO[:100], _encode(REFINED)), "cannot decode photo 0001"),
        ((PHOTO, _encode(REFINED)[:30]), "cannot decode the label of photo 0001"),
        ((PHOTO, _encode(REFINED + 2)), r"has the id 25; allowed are 0\.\.24"),
        ((PHOTO, _encode(REFINED[:5])), r"is \(5, 4\), its photo \(6, 4\)"),
        (("text", _encode(REFINED)), "is no encoded image"),
        ((PHOTO, _boundless(REFINED)), "10001x10001 pixels; allowed are 100000000"),
        ((PHOTO, PHOTO[:0]), "the label of photo 0001 .* is no encoded image"),
        ((PHOTO, "text"), "is no encoded image"),
        ((PHOTO, 3.0), "is no encoded image but float64"),
        # Decoded to 8 bits, they would all be ids, and wrong ones.
        ((PHOTO, _encode(LABEL.astype(np.uint16))), "with mode I;16 of 16 bits"),
        ((PHOTO, _wide(REFINED)), "with mode RGB of 16 bits; allowed are lossless"),
        ((PHOTO, LABEL.astype(np.uint16)), "is no encoded image but uint16"),
        ((PHOTO, LABEL.astype(np.int16)), "is no encoded image but int16"),
        ((PHOTO, _encode(REFINED, "JPEG")), "is a JPEG with mode RGB"),
    ],
)
def test_bad_refined_photos_are_left_out(write, tmp_path, first, reason):
    raw = write("v1.0", _encode(REFINED), first)
    done = prepare("fashionista", raw, tmp_path / "data", max_bad_fraction=0.05)
    assert list(done.quarantine) == ["0001"]
    assert re.search(reason, done.quarantine["0001"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"superpixel_map": _encode(SUPERPIXELS + 1)}, r"superpixels 1\.\.6"),
        ({"superpixel_map": _encode(SUPERPIXELS - 1)}, r"superpixels -1\.\.4"),
        ({"superpixel_map": PHOTO}, "JPEG with mode RGB; allowed are lossless grey"),
        ({"superpixel_map": PHOTO[:50]}, "cannot decode"),
        ({"superpixel_map": _boundless(SUPERPIXELS)}, "10001x10001 pixels; allowed"),
        ({"superpixel_labels": np.array([*LOOKED_UP[1:], 0.0])}, r"labels -1\.\."),
        ({"superpixel_labels": np.array([*LOOKED_UP[1:], 57.0])}, "has the id 56"),
        ({"superpixel_labels": np.array([*LOOKED_UP[1:], 900.0])}, r"labels 1\.\.899"),
        ({"superpixel_labels": "text"}, "label of photo 0001"),
        ({"labels": np.array(["null", "hat"], object)}, "has the labels .*'hat'"),
    ],
)
def test_bad_superpixels_are_left_out(write, tmp_path, change, reason):
    raw = write("v0.2", _annotation(), (PHOTO, _annotation(**change)))
    done = prepare("fashionista_v02", raw, tmp_path / "data", max_bad_fraction=0.05)
    assert list(done.quarantine) == ["0001"]
    assert re.search(reason, done.quarantine["0001"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truths": None}, r"holds no Fashionista: variables \['truths'\] are missing"),
        ({"truths": np.zeros(3)}, "truths has the fields"),
        ({"test_index": None}, r"variables \['test_index'\] are missing"),
        ({"test_index": "text"}, "test_index has the type"),
        ({"test_index": np.array([21.0])}, "allowed are different positions"),
        ({"labels": np.array(["background", "hat"], object)}, "has the labels"),
    ],
)
def test_files_of_something_else_are_refused(write, tmp_path, changes, message):
    raw = write("v1.0", _encode(REFINED), **changes)
    with pytest.raises(ValueError, match=message):
        prepare("fashionista", raw, tmp_path / "data")


def test_damage_and_absence_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be downloaded.*-v1\.0\.mat"):
        prepare("fashionista", data_dir=tmp_path / "data")
    with pytest.raises(ValueError, match=r"holds none of fashionista_v0\.2\.1\.mat"):
        prepare("fashionista_v02", tmp_path, tmp_path / "data")
    (tmp_path / "fashionista-v1.0.mat").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"cannot read .*fashionista-v1\.0\.mat"):
        prepare("fashionista", tmp_path, tmp_path / "data")
