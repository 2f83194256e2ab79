import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import gcs_utils

from fashionjax.data import photo_builder
from fashionjax.data import prepare as prepare_module
from fashionjax.data.datasets import ccp
from fashionjax.data.label_maps import CCP_59
from fashionjax.data.prepare import open_split, prepare
from fashionjax.data.published import DATASETS, default_data_dir, full_scheme
from fashionjax.data.synthesize import synthesize
from fashionjax.data.variant import Variant

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
    (raw / "annotations/pixel-level/0005.mat").unlink()
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


def test_a_changed_label_of_the_same_size_is_noticed(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    done = prepare("ccp", raw, tmp_path / "data")
    label = raw / "annotations/pixel-level/0005.mat"
    label.write_bytes(label.read_bytes()[::-1])
    with pytest.raises(ValueError, match="prepared from other files"):
        prepare("ccp", raw, tmp_path / "data")
    # Datasets of an earlier version have no hash to compare with.
    path = done.directory / "metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["raw"]["content_sha256"]
    path.write_text(json.dumps(metadata))
    assert not prepare("ccp", raw, tmp_path / "data").fresh


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_raw_files_may_be_an_archive(write_ccp, tmp_path, kind):
    raw, _ = write_ccp(IDS, folder="clothing-co-parsing-master")
    archive = shutil.make_archive(str(tmp_path / "raw"), kind, tmp_path, raw.name)
    shutil.rmtree(raw)
    before = pathlib.Path(archive).read_bytes()
    first = prepare("ccp", archive, tmp_path / "data")
    assert sum(first.num_examples.values()) == 30
    assert not prepare("ccp", archive, tmp_path / "data").fresh
    other = prepare("ccp", archive, tmp_path / "data", scheme="s0_90_10")
    assert other.num_examples == {"train": 27, "val": 3}
    assert pathlib.Path(archive).read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"data", pathlib.Path(archive).name}


def test_the_published_numbers_are_those_of_the_documentation():
    table = (pathlib.Path(__file__).parents[2] / "docs/datasets.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", table, re.M))
    published = {name: f"{d.NUM_PUBLISHED:,}" for name, d in DATASETS.items()}
    assert rows == published


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
    *steps, count = err.splitlines()
    assert [line.split(" in ")[0] for line in steps] == [
        f"ccp {split}: {len(ids)}/{len(ids)}"
        for split, ids in ccp.split_ids(IDS, ccp.HASH_SPLIT).items()
    ]
    assert count == ("ccp: photos with labels: 30; published are 1,004, 974 fewer here")


@pytest.mark.parametrize("published", [29, 30])
def test_only_another_number_of_photos_than_published_is_told(
    write_ccp, tmp_path, monkeypatch, capsys, published
):
    monkeypatch.setattr(ccp.Ccp, "NUM_PUBLISHED", published)
    raw, _ = write_ccp(IDS)
    done = prepare("ccp", raw, tmp_path / "data")
    told = {29: "30; published are 29, 1 more here", 30: "30, as published"}
    assert ("with labels" in capsys.readouterr().err) == (published == 29)
    row = f"| Photos with labels | {told[published]} |"
    assert row in done.card.read_text().splitlines()
    metadata = json.loads((done.directory / "metadata.json").read_text())
    assert metadata["photos"] == {
        "found": 30,
        "published": published,
        "divided": 30,
    }


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'x'; allowed are ccp, imaterialist2019"):
        prepare("x", data_dir=tmp_path)
    with pytest.raises(ValueError, match="split 'x'; allowed are hash_80_10_10"):
        prepare("ccp", data_dir=tmp_path, scheme="x")


def test_a_preparation_is_called_by_what_is_unusual_about_it(tmp_path):
    assert full_scheme("fashionpedia") == "s2_val"
    options = {"overlap": "first_wins", "refined": True}
    scheme = full_scheme("fashionpedia", "val_halved", **options)
    assert scheme == "val_halved_first_wins_refined"
    raw = tmp_path / "raw"
    synthesize("fashionpedia", raw, 8)
    done = prepare("fashionpedia", raw, tmp_path / "data", overlap="first_wins")
    assert done.scheme == full_scheme("fashionpedia", overlap="first_wins")


_KILLED = """
    import itertools, os, pathlib, signal, time
    from fashionjax.data import photo_builder
    from fashionjax.data.datasets import ccp
    from fashionjax.data.prepare import open_split, prepare
    photo_builder._SHARD_EXAMPLES = 5
    read, count = ccp.read_label, itertools.count(1)
    def read_label(path):
        if next(count) == {count}:
            while {wait} and not list(pathlib.Path({data!r}).rglob("*.summary.json")):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return read(path)
    ccp.read_label = read_label
    prepare("ccp", {raw!r}, {data!r}, max_bad_fraction=0.1)
"""


def _bytes(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.mark.parametrize(("count", "wait"), [(3, False), (25, True)])
def test_a_killed_preparation_goes_on_to_the_same_bytes(
    write_ccp, tmp_path, monkeypatch, count, wait
):
    monkeypatch.setattr("fashionjax.data.photo_builder._SHARD_EXAMPLES", 5)
    raw, _ = write_ccp(IDS)
    (raw / "photos/0003.jpg").write_bytes(b"")  # one to train
    data = tmp_path / "data"
    script = _KILLED.format(count=count, wait=wait, raw=str(raw), data=str(data))
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=root,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    (staging,) = data.rglob("*incomplete*")
    with pytest.raises(ValueError, match="not prepared"):
        open_split("ccp", data, "train", (5, 4), CCP_59)
    # A file counts as finished when its summary is there.
    finished = [p.name[: -len(".summary.json")] for p in staging.glob("*.summary.json")]
    assert bool(finished) == wait
    kept = {name: (staging / name).stat().st_ino for name in finished}
    went_on = prepare("ccp", raw, data, max_bad_fraction=0.1)
    assert {name: (went_on.directory / name).stat().st_ino for name in kept} == kept
    assert not list(data.rglob("*incomplete*"))
    unbroken = prepare("ccp", raw, tmp_path / "unbroken", max_bad_fraction=0.1)
    assert list(unbroken.quarantine) == ["0003"]
    assert _bytes(went_on.directory) == _bytes(unbroken.directory)


def _interrupted(monkeypatch, end, *arguments, **options):
    """Prepares up to the label of a photo."""
    encode, count = photo_builder.encode_label, itertools.count()

    def encode_label(label):
        if next(count) == end:
            raise KeyboardInterrupt
        return encode(label)

    with monkeypatch.context() as patch:
        patch.setattr(photo_builder, "encode_label", encode_label)
        with pytest.raises(KeyboardInterrupt):
            prepare(*arguments, **options)


def test_what_is_counted_of_instances_survives_interruptions(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_builder, "_SHARD_EXAMPLES", 3)
    synthesize("fashionpedia", tmp_path / "raw", 14)
    unbroken = prepare("fashionpedia", tmp_path / "raw", tmp_path / "unbroken")
    for _ in range(2):
        _interrupted(
            monkeypatch, 5, "fashionpedia", tmp_path / "raw", tmp_path / "broken"
        )
    went_on = prepare("fashionpedia", tmp_path / "raw", tmp_path / "broken")
    assert went_on.overlap == unbroken.overlap
    assert _bytes(went_on.directory) == _bytes(unbroken.directory)


def test_nothing_is_kept_of_other_raw_files(write_ccp, tmp_path, monkeypatch):
    monkeypatch.setattr(photo_builder, "_SHARD_EXAMPLES", 5)
    raw, _ = write_ccp(IDS)
    _interrupted(monkeypatch, 20, "ccp", raw, tmp_path / "data")
    assert list((tmp_path / "data").rglob("*.summary.json"))
    (raw / "photos/0001.jpg").unlink()
    (raw / "annotations/pixel-level/0001.mat").unlink()
    done = prepare("ccp", raw, tmp_path / "data")
    assert sum(done.num_examples.values()) == 29
    unbroken = prepare("ccp", raw, tmp_path / "unbroken")
    assert _bytes(done.directory) == _bytes(unbroken.directory)


def test_more_bad_photos_are_allowed_without_beginning_anew(
    write_ccp, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(photo_builder, "_SHARD_EXAMPLES", 5)
    raw, _ = write_ccp(IDS)
    (raw / "photos/0003.jpg").write_bytes(b"")
    (raw / "photos/0028.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="2 of 30 examples are bad; allowed are 1"):
        prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.04)
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.07)
    assert list(done.quarantine) == ["0003", "0028"]
    assert "ccp train: going on; 5 of 5 files are there" in capsys.readouterr().err


def test_what_was_there_stays_until_it_is_prepared_anew(
    write_ccp, tmp_path, monkeypatch
):
    raw, _ = write_ccp(IDS)
    before = _bytes(prepare("ccp", raw, tmp_path / "data").directory)
    _interrupted(monkeypatch, 20, "ccp", raw, tmp_path / "data", overwrite=True)
    found = prepare("ccp", raw, tmp_path / "data")
    assert not found.fresh
    assert _bytes(found.directory) == before


def test_tfds_prepares_the_same_files(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    done = prepare("ccp", raw, tmp_path / "data")
    builder = ccp.Ccp(variant=Variant(ccp.HASH_SPLIT), data_dir=tmp_path / "tfds")
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=raw, try_download_gcs=False
        )
    )
    assert _bytes(builder.data_path) == _bytes(done.directory)
    assert len(builder.as_data_source("train")) == done.num_examples["train"]
    assert "tensorflow" not in sys.modules


def test_tfds_asks_nobody_and_leaves_no_folder(tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    asked = []
    monkeypatch.setattr(gcs_utils, "gcs_dataset_info_files", asked.append)
    for dataset in DATASETS.values():
        scheme = dataset.schemes()[0]
        dataset(variant=Variant(scheme), data_dir=tmp_path / "data")
    assert not asked
    assert not list(temporary.iterdir())


def test_two_at_once_prepare_once(write_ccp, tmp_path, monkeypatch):
    raw, _ = write_ccp(IDS)
    results = []
    write, written = prepare_module._write, []
    monkeypatch.setattr(
        prepare_module, "_write", lambda *args: written.append(1) or write(*args)
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
    assert len(written) == 1


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


def test_another_archive_is_compared_and_the_same_one_is_known(
    write_ccp, tmp_path, capsys
):
    raw, _ = write_ccp(IDS)
    archive = shutil.make_archive(str(tmp_path / "ccp"), "zip", raw)
    first = prepare("ccp", archive, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/downloads")
    assert not prepare("ccp", archive, tmp_path / "data").fresh
    assert "what was unpacked of it; " in capsys.readouterr().err
    assert not (tmp_path / "data/downloads").exists()
    (raw / "photos" / "0001.jpg").unlink()
    (raw / "annotations/pixel-level" / "0001.mat").unlink()
    shutil.make_archive(str(tmp_path / "ccp"), "zip", raw)
    with pytest.raises(ValueError, match="was prepared from other files"):
        prepare("ccp", archive, tmp_path / "data")
    assert prepare("ccp", archive, tmp_path / "data", overwrite=True).raw != first.raw
