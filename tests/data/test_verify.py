import json

import pytest
from array_record.python.array_record_module import ArrayRecordReader

from fashionjax.data import photo_builder
from fashionjax.data.__main__ import main
from fashionjax.data.label_maps import CCP_59
from fashionjax.data.prepare import open_split, prepare
from fashionjax.data.verify import verify

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
