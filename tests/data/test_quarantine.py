import json
import shutil

import pytest
from PIL import Image

from fashionjax.data.__main__ import main
from fashionjax.data.datasets.ccp import hash_split
from fashionjax.data.label_maps import CCP_59
from fashionjax.data.prepare import open_split, prepare
from fashionjax.data.quarantine import Quarantine, describe
from fashionjax.doctor.datasets import open_dataset

IDS = [f"{i:04d}" for i in range(1, 31)]


@pytest.fixture
def damaged(write_ccp):
    """A CCP folder of 30 photos, three of them bad, each in its own way."""
    raw, labels = write_ccp(IDS)
    truncated = raw / "photos/0003.jpg"
    truncated.write_bytes(truncated.read_bytes()[:300])
    Image.new("RGB", (9, 13)).save(raw / "photos/0007.jpg")
    (raw / "annotations/pixel-level/0011.mat").write_bytes(b"text")
    return raw, labels


def test_bad_photos_are_left_out_with_their_reasons(damaged, tmp_path, capsys):
    raw, labels = damaged
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.1)
    assert sum(done.num_examples.values()) == 27
    assert set(done.quarantine) == {"0003", "0007", "0011"}
    assert "cannot decode" in done.quarantine["0003"]
    assert "0007.mat is (12, 9), its photo (13, 9)" in done.quarantine["0007"]
    assert "cannot read" in done.quarantine["0011"]
    told = capsys.readouterr().err
    assert "Left out 3 of ccp" in told
    assert all(reason in told for reason in done.quarantine.values())
    listed = json.loads((done.directory / "metadata.json").read_text())["quarantine"]
    assert listed == done.quarantine
    again = prepare("ccp", raw, tmp_path / "data")
    assert (again.fresh, again.quarantine) == (False, done.quarantine)
    # All others are what and where they would have been.
    for split in done.num_examples:
        source = open_split("ccp", tmp_path / "data", split, (12, 9), CCP_59)
        examples = [source[i] for i in range(len(source))]
        ids = [example["image_id"] for example in examples]
        assert ids == [
            i for i in IDS if hash_split(i) == split and i not in done.quarantine
        ]
        for example in examples:
            assert (example["label"] == labels[example["image_id"]]).all()


def test_one_too_many_ends_the_preparation(damaged, tmp_path, capsys):
    raw, _ = damaged
    words = ["prepare", "ccp", f"--raw={raw}", f"--data_dir={tmp_path / 'data'}"]
    assert main([*words, "--max_bad=0.07"]) == 1
    error = capsys.readouterr().err
    assert "3 of 30 examples are bad; allowed are 2" in error
    assert "--max_bad" in error
    assert all(f"  {name}: " in error for name in ("0003", "0007", "0011"))
    assert not list((tmp_path / "data").rglob("dataset_info.json"))
    # Nothing is in the way of another try.
    shutil.copy(raw / "photos/0001.jpg", raw / "photos/0003.jpg")
    assert main([*words, "--max_bad=0.07"]) == 0


def test_a_split_of_which_all_is_left_out_says_so(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    val = [image_id for image_id in IDS if hash_split(image_id) == "val"]
    for image_id in val:
        (raw / f"photos/{image_id}.jpg").write_bytes(b"")
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.5)
    assert done.num_examples["val"] == 0
    with pytest.raises(ValueError, match="no example in split 'val': all are left out"):
        open_split("ccp", tmp_path / "data", "val", (12, 9), CCP_59)
    assert set(open_dataset("ccp", tmp_path / "data").sources) == {"train", "test"}


def test_where_none_may_be_bad_the_first_error_is_the_error():
    quarantine = Quarantine(99, 0)
    error = ValueError("cannot decode 0001.jpg")
    with pytest.raises(ValueError, match="cannot decode") as raised:
        quarantine.add("0001", error)
    assert raised.value is error


def test_few_photos_have_no_room_and_are_told_how_to_make_some():
    quarantine = Quarantine(99)
    expected = "1 of 99 examples are bad; allowed are 0, and more with .*--max_bad"
    with pytest.raises(ValueError, match=expected) as raised:
        quarantine.add("0001", ValueError("cannot decode 0001.jpg"))
    assert "  0001: cannot decode 0001.jpg" in str(raised.value)
    assert Quarantine(100).limit == 1


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(ValueError, match=r"bad examples .*; allowed is 0\.\.1"):
        Quarantine(10, fraction)


def test_a_long_list_is_cut():
    lines = describe({str(i): "bad" for i in range(12)}).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "  … and 2 more"
