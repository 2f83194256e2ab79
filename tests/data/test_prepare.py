import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from fashionjax.data import prepare as prepare_module
from fashionjax.data.datasets import ccp
from fashionjax.data.label_maps import CCP_59
from fashionjax.data.prepare import default_data_dir, open_split, prepare

IDS = [f"{i:04d}" for i in range(1, 31)]


def _files(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_what_is_prepared_is_found_again(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    first = prepare("ccp", raw, tmp_path / "data")
    before = _files(first.directory)
    second = prepare("ccp", raw, tmp_path / "data")
    third = prepare("ccp", data_dir=tmp_path / "data")
    assert (first.fresh, second.fresh, third.fresh) == (True, False, False)
    assert first.num_examples == second.num_examples == third.num_examples
    assert sum(first.num_examples.values()) == 30
    assert _files(first.directory) == before


def test_a_split_has_many_files_and_its_order(write_ccp, tmp_path, monkeypatch):
    monkeypatch.setattr("fashionjax.data.photo_builder._SHARD_EXAMPLES", 5)
    raw, _ = write_ccp(IDS)
    (raw / "photos/0003.jpg").write_bytes(b"")
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.1)
    files = sorted(p.name for p in done.directory.glob("ccp-train.array_record-*"))
    assert files == [f"ccp-train.array_record-{i:05d}-of-00005" for i in range(5)]
    source = open_split("ccp", tmp_path / "data", "train", (5, 4), CCP_59)
    train = ccp.split_ids(IDS, ccp.HASH_SPLIT)["train"]
    assert [e["image_id"] for e in source] == [i for i in train if i != "0003"]


def test_a_file_of_nothing_but_bad_photos_is_no_hindrance(
    write_ccp, tmp_path, monkeypatch
):
    monkeypatch.setattr("fashionjax.data.photo_builder._SHARD_EXAMPLES", 2)
    raw, _ = write_ccp(IDS)
    train = ccp.split_ids(IDS, ccp.HASH_SPLIT)["train"]
    for image_id in train[2:4]:
        (raw / f"photos/{image_id}.jpg").write_bytes(b"")
    prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.1)
    source = open_split("ccp", tmp_path / "data", "train", (5, 4), CCP_59)
    assert [e["image_id"] for e in source] == train[:2] + train[4:]


def test_other_raw_files_are_refused_unless_overwritten(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    prepare("ccp", raw, tmp_path / "data")
    (raw / "photos/0005.jpg").unlink()
    with pytest.raises(ValueError, match=r"30 photos.*29 photos.*--overwrite"):
        prepare("ccp", raw, tmp_path / "data")
    done = prepare("ccp", raw, tmp_path / "data", overwrite=True)
    assert done.fresh
    assert sum(done.num_examples.values()) == 29
    assert not prepare("ccp", raw, tmp_path / "data").fresh


def test_a_changed_file_is_noticed(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    prepare("ccp", raw, tmp_path / "data")
    with (raw / "photos/0005.jpg").open("ab") as photo:
        photo.write(b"\0")
    with pytest.raises(ValueError, match="prepared from other files"):
        prepare("ccp", raw, tmp_path / "data")


def test_raw_files_may_go_after_preparation(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    prepare("ccp", raw, tmp_path / "data")
    raw.rename(tmp_path / "elsewhere")
    assert not prepare("ccp", raw, tmp_path / "data").fresh


def test_it_tells_how_far_it_is_and_nothing_else(write_ccp, tmp_path, capfd):
    raw, _ = write_ccp(IDS)
    prepare("ccp", raw, tmp_path / "data")
    out, err = capfd.readouterr()
    assert out == ""
    assert [line.split(" in ")[0] for line in err.splitlines()] == [
        f"ccp {split}: {len(ids)}/{len(ids)}"
        for split, ids in ccp.split_ids(IDS, ccp.HASH_SPLIT).items()
    ]


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'x'; allowed are ccp, imaterialist2019"):
        prepare("x", data_dir=tmp_path)
    with pytest.raises(ValueError, match="split 'x'; allowed are hash_80_10_10"):
        prepare("ccp", data_dir=tmp_path, scheme="x")


_KILLED = """
    import os, signal
    from fashionjax.data.datasets import ccp
    from fashionjax.data.prepare import open_split, prepare
    read, count = ccp.read_label, 0
    def read_label(path):
        global count
        count += 1
        if count == {count}:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(path)
    ccp.read_label = read_label
    prepare("ccp", {raw!r}, {data!r})
"""


@pytest.mark.parametrize("count", [3, 29])
def test_a_killed_preparation_leaves_nothing_that_reads_as_complete(
    write_ccp, tmp_path, count
):
    raw, _ = write_ccp(IDS)
    data = tmp_path / "data"
    script = textwrap.dedent(_KILLED.format(count=count, raw=str(raw), data=str(data)))
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert list(data.rglob("*incomplete*"))
    with pytest.raises(ValueError, match="not prepared"):
        open_split("ccp", data, "train", (5, 4), CCP_59)
    assert sum(prepare("ccp", raw, data).num_examples.values()) == 30
    assert not list(data.rglob("*incomplete*"))


def test_two_at_once_prepare_once(write_ccp, tmp_path, monkeypatch):
    raw, _ = write_ccp(IDS)
    results = []
    build, built = prepare_module._build, []
    monkeypatch.setattr(
        prepare_module, "_build", lambda *args: built.append(1) or build(*args)
    )
    threads = [
        threading.Thread(
            target=lambda: results.append(prepare("ccp", raw, tmp_path / "data"))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(result.fresh for result in results) == [False, True]
    assert len(built) == 1


def test_the_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FASHIONJAX_DATA", str(tmp_path / "own"))
    assert default_data_dir() == tmp_path / "own"
    monkeypatch.delenv("FASHIONJAX_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert default_data_dir() == tmp_path / "cache/fashionjax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".cache/fashionjax"


def test_an_unset_data_dir_is_the_default_folder(write_ccp, tmp_path, monkeypatch):
    raw, _ = write_ccp(IDS)
    monkeypatch.setenv("FASHIONJAX_DATA", str(tmp_path / "own"))
    done = prepare("ccp", os.fspath(raw))
    assert done.directory == tmp_path / "own/ccp/hash_80_10_10/1.0.0"
    assert done.data_dir == tmp_path / "own"
