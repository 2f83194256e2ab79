import json

import pytest
import scipy.io
from array_record.python.array_record_module import ArrayRecordReader

from fashionjax.data import photo_builder
from fashionjax.data.__main__ import main
from fashionjax.data.label_maps import CCP_59
from fashionjax.data.prepare import open_raw, open_split, prepare
from fashionjax.data.synthesize import synthesize
from fashionjax.data.verify import compare_with_raw, verify

IDS = [f"{i:04d}" for i in range(1, 31)]


@pytest.fixture
def prepared(write_ccp, tmp_path, monkeypatch):
    """The folder of thirty photos: five files to train, one to test."""
    monkeypatch.setattr(photo_builder, "_SHARD_EXAMPLES", 5)
    raw, _ = write_ccp(IDS)
    done = prepare("ccp", raw, tmp_path / "data")
    open_split("ccp", tmp_path / "data", "train", (6, 4), CCP_59, resized=True)
    return done.directory


def _damage(path, number):
    """Changes a byte of a record."""
    record = ArrayRecordReader(str(path)).read([number])[0]
    content = path.read_bytes()
    parts = (record[i : i + 12] for i in range(len(record)))
    # Neither in another record nor shortened by compression.
    position = content.index(next(part for part in parts if content.count(part) == 1))
    path.write_bytes(
        content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
    )


def test_what_is_whole_is_counted(prepared):
    files = [p for p in prepared.rglob("*array_record*") if p.is_file()]
    assert verify(prepared) == len(files) == 8


def test_damage_is_told_by_file_and_photo(prepared):
    train = json.loads((prepared / "image_ids.json").read_text())["train"]
    path = prepared / "ccp-train.array_record-00001-of-00005"
    _damage(path, 3)
    with pytest.raises(
        ValueError, match="1 of 8 files are not what was written"
    ) as told:
        verify(prepared)
    assert f"{path}: of its 5 photos 1 cannot be read: {train[8]}\n" in str(told.value)
    source = open_split("ccp", prepared.parents[2], "train", (6, 4), CCP_59)
    with pytest.raises(ValueError, match="cannot read example 8 of split train"):
        source[8]


def test_lost_files_and_those_of_caches_are_told(prepared):
    (cache,) = prepared.rglob("00000.array_record")
    cache.write_bytes(cache.read_bytes() + b"more")
    test = prepared / "ccp-test.array_record-00000-of-00001"
    test.unlink()
    with pytest.raises(ValueError, match="2 of 8 files are not") as told:
        verify(prepared)
    lines = str(told.value).splitlines()
    ids = json.loads((prepared / "image_ids.json").read_text())["test"]
    lost = f"of its {len(ids)} photos {len(ids)} cannot be read: {', '.join(ids)}"
    assert lines[1] == f"  {test}: {lost}"
    assert lines[2].startswith(f"  {cache}: ")


def test_what_has_no_checksums_is_told(prepared):
    path = prepared / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["shards"]
    path.write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match="before there were checksums"):
        verify(prepared)


def test_the_command_says_so(prepared, capsys):
    words = ["prepare", "ccp", f"--data_dir={prepared.parents[2]}", "--verify"]
    assert main(words) == 0
    assert capsys.readouterr().out.endswith("8 files are as they were written\n")
    (prepared / "ccp-test.array_record-00000-of-00001").unlink()
    assert main(words) == 1
    assert "1 of 8 files are not what was written" in capsys.readouterr().err


def test_raw_files_that_changed_since_are_told(write_ccp, tmp_path, capsys):
    raw, _ = write_ccp(IDS)
    (raw / "photos/0004.jpg").write_bytes(b"")
    words = ["prepare", "ccp", f"--raw={raw}", f"--data_dir={tmp_path / 'data'}"]
    words += ["--verify", "--max_bad=0.04"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "29 photos and their labels are those of the raw files" in told

    photo = raw / "photos/0003.jpg"
    damaged = bytearray(photo.read_bytes())
    damaged[-20] ^= 1
    photo.write_bytes(damaged)
    assert main(words) == 1
    assert f":\n  {photo} has changed\nPrepare" in capsys.readouterr().err


def test_labels_that_changed_and_photos_that_came_are_told(write_ccp, tmp_path):
    raw, labels = write_ccp(IDS)
    done = prepare("ccp", raw, tmp_path / "data")
    folder = raw / "annotations/pixel-level"
    scipy.io.savemat(folder / "0003.mat", {"groundtruth": labels["0003"][::-1]})
    (folder / "0005.mat").write_bytes(b"")
    with pytest.raises(ValueError, match="not those that") as told:
        compare_with_raw(done.directory, open_raw("ccp", done, raw))
    _, first, second, _ = str(told.value).splitlines()
    assert first == f"  {folder / '0003.mat'} has changed"
    assert second.startswith(f"  0005: cannot read {folder / '0005.mat'}")
    (folder / "0005.mat").unlink()
    with pytest.raises(ValueError, match="split train has other photos now"):
        compare_with_raw(done.directory, open_raw("ccp", done, raw))


def test_instances_that_changed_are_told(tmp_path):
    synthesize("imaterialist2020", tmp_path / "raw", 10)
    done = prepare("imaterialist2020", tmp_path / "raw", tmp_path / "data")
    table = tmp_path / "raw/train.csv"
    head, *rows = table.read_text().splitlines()
    # The first of its instances is something else: only the stacks differ.
    *fields, category, attributes = rows[0].split(",", 5)
    other = "0" if category != "0" else "1"
    rows[0] = ",".join([*fields, other, attributes])
    table.write_text("\n".join([head, *rows]) + "\n")
    raw = open_raw("imaterialist2020", done, tmp_path / "raw")
    with pytest.raises(ValueError, match=rf"the label of {0:032x} in .* has changed"):
        compare_with_raw(done.directory, raw)
