import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
import zipfile

import pytest

from fashionjax.data import unpacking
from fashionjax.data.__main__ import main
from fashionjax.data.paths import roots
from fashionjax.data.prepare import prepare
from fashionjax.data.published import DATASETS, find_raw
from fashionjax.data.synthesize import synthesize
from fashionjax.data.unpacking import find_unpacked, unpack, unpacked_name


def _zip(path, folder, names):
    """Packs files and folders of a folder."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            files = [f for f in (folder / name).rglob("*") if f.is_file()]
            for file in files or [folder / name]:
                archive.write(file, file.relative_to(folder))


def _tar(path, folder, names):
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.add(folder / name, name)


def _move(folder, to, *names):
    for name in names:
        shutil.move(folder / name, to / name)


def _fashionpedia(drawn, raw):
    _zip(raw / "train2020.zip", drawn, ["train"])
    _zip(raw / "val_test2020.zip", drawn, ["test"])
    names = [f"instances_attributes_{split}2020.json" for split in ("train", "val")]
    _move(drawn, raw, *names)


def _contest(drawn, raw):
    names = ["train", "train.csv", "label_descriptions.json"]
    _zip(raw / "imaterialist-fashion-2020-fgvc7.zip", drawn, names)


def _contest_in_parts(drawn, raw):
    _zip(raw / "train.zip", drawn / "train", sorted(os.listdir(drawn / "train")))
    _zip(raw / "train.csv.ZIP", drawn, ["train.csv"])
    _move(drawn, raw, "label_descriptions.json")


def _cfpd(drawn, raw):
    _tar(raw / "image.tar.gz", drawn, ["image"])
    _move(drawn, raw, "fashon_parsing_data.mat")


def _fashionista(drawn, raw):
    drawn.rename(drawn.with_name("fashionista-v0.2.1"))
    _tar(raw / "fashionista-v0.2.1.tgz", drawn.parent, ["fashionista-v0.2.1"])
    (raw / "fashionista-v1.0.mat").write_text("another version")


def _ccp(drawn, raw):
    (drawn / "__MACOSX").mkdir()
    (drawn / "__MACOSX/photos").write_text("of macOS")
    drawn.rename(drawn.with_name("clothing-co-parsing-master"))
    names = ["clothing-co-parsing-master"]
    _zip(raw / "master.zip", drawn.parent, names)


DOWNLOADS = {
    "ccp": _ccp,
    "imaterialist2019": _contest_in_parts,
    "imaterialist2020": _contest,
    "fashionpedia": _fashionpedia,
    "fashionista_v02": _fashionista,
    "cfpd": _cfpd,
}


def _state(folder):
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_folder_of_what_was_downloaded_is_prepared(name, tmp_path, monkeypatch):
    drawn, raw = tmp_path / "drawing/drawn", tmp_path / "around/raw"
    synthesize(name, drawn, 6)
    expected = DATASETS[name].fingerprint(drawn)
    raw.mkdir(parents=True)
    DOWNLOADS[name](drawn, raw)
    shutil.rmtree(tmp_path / "drawing")
    before = _state(raw)
    done = prepare(name, raw, tmp_path / "data")
    assert done.fresh
    assert done.raw == expected
    monkeypatch.setattr(unpacking, "extract", None)
    assert not prepare(name, raw, tmp_path / "data").fresh
    # The folder around it, and what else reads raw files.
    root = find_raw(name, tmp_path / "around", tmp_path / "data")
    assert DATASETS[name].fingerprint(root) == expected
    assert _state(raw) == before
    assert sum(done.num_examples.values()) >= 5  # but for a jumpsuit


def test_refine_takes_what_prepare_takes(tmp_path, capsys):
    raw, drawn = tmp_path / "raw", tmp_path / "drawn"
    synthesize("fashionpedia", drawn, 6)
    raw.mkdir()
    _fashionpedia(drawn, raw)
    person = {"category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}
    found = [person | {"image_id": f"{0:032x}"}]
    (tmp_path / "found.json").write_text(json.dumps(found))
    words = ["refine", "fashionpedia", f"--raw={raw}", f"--out={tmp_path / 'out'}"]
    words += [
        f"--detector={tmp_path / 'found.json'}",
        f"--data_dir={tmp_path / 'data'}",
    ]
    assert main(words) == 0
    assert "left alone" in capsys.readouterr().out
    assert (tmp_path / "data/downloads").is_dir()


def _find(folder: pathlib.Path) -> pathlib.Path:
    for root in roots(folder):
        if (root / "a").exists() and (root / "b").exists():
            return root
    raise ValueError(f"{folder} has no a and b")


@pytest.fixture
def raw(tmp_path):
    """A folder of two archives."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in "ab":
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}/file", name)
    return folder


def test_an_interrupted_unpacking_is_redone(raw, tmp_path):
    script = f"""
        import os, signal
        from fashionjax.data import archive
        from fashionjax.data.unpacking import unpack
        def find(folder):
            raise ValueError(folder)
        write = archive._unpack
        def killed(entry, *others):
            if entry.name == "b/file":
                os.kill(os.getpid(), signal.SIGKILL)
            return write(entry, *others)
        archive._unpack = killed
        unpack({str(raw)!r}, {str(tmp_path)!r}, find)
    """
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=root, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    downloads = tmp_path / "downloads"
    (first,) = downloads.glob("a.zip-*")
    (_,) = downloads.glob(".unpack-*")
    before = first.stat().st_ino
    found = unpack(raw, tmp_path, _find)
    assert found == find_unpacked(raw, tmp_path, _find, "")
    assert {n: (found / n / "file").read_text() for n in "ab"} == {"a": "a", "b": "b"}
    assert first.stat().st_ino == before
    assert not list(downloads.glob(".unpack-*"))


def test_another_archive_is_another_download(raw, tmp_path):
    first = unpack(raw, tmp_path, _find)
    with zipfile.ZipFile(raw / "b.zip", "a") as archive:
        archive.writestr("b/more", "b")
    second = find_unpacked(raw, tmp_path, _find, first.name)
    assert second is not None
    assert second != first
    assert (second / "b/more").exists()


def test_a_known_archive_is_not_unpacked_again(raw, tmp_path):
    found = unpack(raw, tmp_path, _find)
    known = unpacked_name(raw, _find)
    assert found == tmp_path / "downloads" / known
    assert find_unpacked(raw, tmp_path, _find, known) == found
    shutil.rmtree(tmp_path / "downloads")
    assert find_unpacked(raw, tmp_path, _find, known) is None
    assert find_unpacked(raw, tmp_path, _find, "another") == found
    assert unpacked_name(found, _find) == ""


@pytest.mark.parametrize("pack", ["zip", "tgz"])
def test_an_archive_of_the_same_size_is_another_download(tmp_path, pack):
    found = []
    for text in ("one", "two"):
        folder = tmp_path / text
        for name in "ab":
            (folder / name).mkdir(parents=True)
            (folder / name / "file").write_text(text)
        archive = folder / f"raw.{pack}"
        if pack == "zip":
            _zip(archive, folder, "ab")
        else:
            _tar(archive, folder, "ab")
        packed = archive.read_bytes()
        archive.write_bytes(packed.ljust(1000, b"\0") if pack == "tgz" else packed)
        found.append((archive.stat().st_size, unpack(archive, tmp_path, _find)))
    (size, first), (other, second) = found
    assert size == other
    assert (first / "a/file").read_text() == "one"
    assert (second / "a/file").read_text() == "two"
    archive = tmp_path / f"one/raw.{pack}"
    assert find_unpacked(archive, tmp_path, _find, second.name) == first


def test_what_is_there_needs_no_unpacking(raw, tmp_path):
    (raw / "a").mkdir()
    (raw / "b").mkdir()
    assert unpack(raw, tmp_path, _find) == raw
    assert unpack(tmp_path / "raw", tmp_path, _find) == raw
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def test_what_cannot_be_put_together_is_refused(raw, tmp_path):
    (raw / "b").mkdir()
    with pytest.raises(ValueError, match=r"b is in .*b\.zip and in .*raw/b; leave one"):
        unpack(raw, tmp_path, _find)
    (raw / "b").rmdir()
    (raw / "b.zip").unlink()
    with pytest.raises(ValueError, match=r"raw is unpacked. .* has no a and b$"):
        unpack(raw, tmp_path, _find)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("b/file", "b")
    with zipfile.ZipFile(raw / "a.zip", "a") as archive:
        archive.writestr("inner.zip", packed.getvalue())
    with pytest.raises(ValueError, match=r"Archives in archives stay packed: inner\.z"):
        unpack(raw, tmp_path, _find)
    with pytest.raises(ValueError, match="nowhere has no a and b"):
        unpack(tmp_path / "nowhere", tmp_path, _find)
    assert find_unpacked(tmp_path / "nowhere", tmp_path, _find, "") is None
