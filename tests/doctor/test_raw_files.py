import io
import json
import pathlib

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fashionjax.data.__main__ import main
from fashionjax.data.published import DATASETS
from fashionjax.data.raw_folder import RawExample
from fashionjax.data.synthesize import synthesize
from fashionjax.doctor.raw_files import read_raw_files
from fashionjax.doctor.survey import survey
from tests.doctor.toy import dataset, example

COUNT = 6
KINDS = ("unreadable raw file", "raw label of another size", "missing raw file")
"""What is wrong with three examples that are damaged."""


class Folder:
    """Raw files in memory; what is an error is raised."""

    def __init__(self, examples):
        self.examples = examples

    @property
    def image_ids(self):
        return self.examples.keys()

    def read(self, image_id):
        found = self.examples[image_id]
        if isinstance(found, Exception):
            raise found
        return found


def _jpeg(width, height, orientation=None):
    exif, file = Image.Exif(), io.BytesIO()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def _raw(image, height, width):
    return RawExample(image, "a photo", "a label", np.zeros((height, width), np.uint8))


@pytest.fixture
def found():
    """What was measured of four prepared examples."""
    names = ("good", "sideways", "cut", "gone")
    return survey(dataset({"val": [example(n, size=(50, 30)) for n in names]}), 1)


def test_sizes_are_upright_and_problems_are_told(found):
    good = _raw(_jpeg(30, 50), 50, 30)
    raw = Folder(
        {
            "good": good,
            "sideways": _raw(_jpeg(50, 30, orientation=6), 50, 30),
            "cut": _raw(_jpeg(30, 50)[:-20], 50, 30),
            "other": good,
        }
    )
    files = read_raw_files(raw, found)
    assert files.sizes == {"good": (50, 30), "sideways": (50, 30)}
    assert files.num_others == 1
    told = {(p.kind, p.split, p.image_id) for p in files.problems}
    assert told == {
        ("unreadable raw file", "val", "cut"),
        ("missing raw file", "val", "gone"),
    }


@pytest.mark.parametrize(
    ("refined", "kinds"), [(False, ["raw file of another size"]), (True, [])]
)
def test_a_photo_of_another_size_is_none_that_was_cropped(found, refined, kinds):
    good = _raw(_jpeg(30, 50), 50, 30)
    raw = Folder(dict.fromkeys(found.image_ids, good))
    raw.examples["cut"] = _raw(_jpeg(40, 50), 50, 40)
    files = read_raw_files(raw, found, refined=refined)
    assert [p.kind for p in files.problems] == kinds
    reasons = {p.reason for p in files.problems}
    assert reasons <= {"40 × 50, as prepared 30 × 50 pixels"}


def test_raw_files_without_a_photo_of_the_dataset_are_refused(found):
    with pytest.raises(ValueError, match=r"no photo of the dataset, .* but \['other'"):
        read_raw_files(Folder({"other": None}), found)


def _damage_files(raw, ids):
    """Photos that are files of their own."""
    cut, large, gone = (pathlib.Path(raw.read(i).image_name) for i in ids)
    cut.write_bytes(cut.read_bytes()[:-2000])
    large.write_bytes(_jpeg(500, 400))
    gone.unlink()


def _damage_mat(path, ids):
    """Photos in a MATLAB file; only the last of them can go."""
    contents = scipy.io.loadmat(path)
    truths = contents["truths"]
    cut, large = (int(i) - 1 for i in ids[:2])
    truths["image"][0, cut] = truths["image"][0, cut][:, :-2000]
    truths["image"][0, large] = np.frombuffer(_jpeg(500, 400), np.uint8)
    contents["truths"] = truths[:, :-1]
    kept = contents["test_index"] < COUNT
    contents["test_index"] = contents["test_index"][kept]
    scipy.io.savemat(path, {k: v for k, v in contents.items() if k[0] != "_"})


@pytest.mark.parametrize("name", DATASETS)
def test_damaged_raw_examples_are_named(name, tmp_path):
    raw_dir, data = tmp_path / "raw", f"--data_dir={tmp_path / 'data'}"
    synthesize(name, raw_dir, COUNT)
    assert main(["prepare", name, f"--raw={raw_dir}", data]) == 0
    raw = DATASETS[name].open_raw(raw_dir, DATASETS[name].schemes()[0])
    ids = sorted(set().union(*raw.splits.values()))
    ids = [ids[0], ids[1], ids[-1]]
    if name.startswith("fashionista"):
        (path,) = raw_dir.glob("*.mat")
        _damage_mat(path, ids)
    else:
        _damage_files(raw, ids)
    out = tmp_path / "out"
    words = ["doctor", name, data, f"--out={out}", "--examples=0"]
    assert main([*words, f"--raw={raw_dir}"]) == 0
    (told,) = json.loads((out / "doctor.json").read_text())["datasets"]
    found = {p["image_id"]: p["kind"] for p in told["problems"] if "raw" in p["kind"]}
    assert found == dict(zip(ids, KINDS, strict=True))
    page = (out / "index.html").read_text()
    assert all(kind in page for kind in KINDS)
