import copy
import io
import os
import shutil
import stat
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from fashionjax.data.archive import extract, fetch

LIMITS = {"max_bytes": 10_000, "max_files": 10}


def _zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def _assert_refused(archive, tmp_path, match, **limits):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=match):
        extract(archive, tmp_path / "out", **(LIMITS | limits))
    assert sorted(tmp_path.rglob("*")) == before


def test_files_and_folders_arrive_unchanged(tmp_path):
    entries = [("a/", ""), ("a/b/c.txt", b"\x00text"), ("d.bin", b"x" * 5000)]
    extract(_zip(tmp_path / "z.zip", entries), tmp_path / "out", **LIMITS)
    assert (tmp_path / "out/a/b/c.txt").read_bytes() == b"\x00text"
    assert (tmp_path / "out/d.bin").read_bytes() == b"x" * 5000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "z.zip"]


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil"]
)
def test_entries_outside_the_folder_are_refused(tmp_path, name):
    work = tmp_path / "work"
    work.mkdir()
    archive = _zip(work / "z.zip", [("good", "1"), (name, "2")])
    _assert_refused(archive, work, "would land outside")
    assert [p.name for p in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_refused(tmp_path, kind):
    link = zipfile.ZipInfo("link")
    link.external_attr = (kind | 0o777) << 16
    archive = _zip(tmp_path / "z.zip", [(link, "/etc/passwd")])
    _assert_refused(archive, tmp_path, "'link' is a link or special file")


def test_a_bomb_is_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", b"0" * 6000), ("b", b"0" * 6000)])
    _assert_refused(archive, tmp_path, "more than the 10000 bytes left")


ROOM = {"max_bytes": 1 << 40}
ZEROS = bytes((1 << 24) + 1)


def test_what_is_packed_as_no_dataset_is_refused(tmp_path):
    noise = np.random.default_rng(0).bytes(100_000)
    # Of an archive that is large enough in all, one entry.
    archive = _zip(tmp_path / "z.zip", [("a", noise), ("b", ZEROS)])
    match = (
        r"z\.zip: entry 'b' makes 16,777,217 bytes of 16,\d{3}, allowed are 500 times"
    )
    _assert_refused(archive, tmp_path, match, **ROOM)
    archive.unlink()
    for packed in ("gz", "bz2", "xz"):
        archive = _tar(tmp_path / "t.tar", [("a", b"1"), ("b", ZEROS)], packed)
        match = r"t\.tar makes 16,777,218 bytes of [\d,]+, allowed are 500 times"
        _assert_refused(archive, tmp_path, match, **ROOM)


def test_entries_that_share_their_bytes_are_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", bytes(1 << 20))])
    with zipfile.ZipFile(archive, "a") as contents:
        (first,) = contents.infolist()
        for name in range(30):
            other = copy.copy(first)
            other.filename = f"{name}"
            contents.filelist.append(other)
        contents._didModify = True
    match = r"z\.zip makes 32,505,856 bytes of"
    _assert_refused(archive, tmp_path, match, max_bytes=1 << 40, max_files=99)


def test_what_packs_well_is_none_of_it(tmp_path):
    label = np.zeros((4200, 4200), np.uint8)
    label[::16] = np.random.default_rng(0).integers(59, size=(263, 1))
    label[:, ::64] = 7
    packed = _zip(tmp_path / "z.zip", [("label", label.tobytes())])
    assert label.size / packed.stat().st_size > 100
    extract(packed, tmp_path / "out", **(LIMITS | ROOM))
    assert (tmp_path / "out/label").read_bytes() == label.tobytes()


@pytest.mark.parametrize("pack", ["zip", "tar"])
def test_what_the_disk_has_no_room_for_is_refused(tmp_path, monkeypatch, pack):
    entries = [("a", b"x" * 300), ("b", b"x" * 300)]
    if pack == "zip":
        archive, size = _zip(tmp_path / "a", entries), 600
    else:
        archive, size = _tar(tmp_path / "a", entries), 300
    usage = shutil._ntuple_diskusage(1000, 1000, 299)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    match = rf"a unpacks to {size} bytes, and {tmp_path} has 299 free: make room"
    _assert_refused(archive, tmp_path, match)


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", b"0" * 5_000_000)])
    data = archive.read_bytes()
    true, lie = struct.pack("<I", 5_000_000), struct.pack("<I", 100)
    assert data.count(true) == 2
    archive.write_bytes(data.replace(true, lie))
    _assert_refused(archive, tmp_path, "no zip or tar that can be read|more than 100")


def test_too_many_entries_are_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [(f"{i}", "") for i in range(11)])
    _assert_refused(archive, tmp_path, "has more than 10 entries")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_comes_twice_is_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", "1"), ("a", "2")])
    _assert_refused(archive, tmp_path, "holds an entry twice")


def test_damage_is_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", bytes(range(256)) * 8)])
    data = bytearray(archive.read_bytes())
    data[45] ^= 0xFF
    archive.write_bytes(data)
    _assert_refused(archive, tmp_path, "no zip or tar that can be read")
    archive.write_bytes(b"<html>not found</html>")
    _assert_refused(archive, tmp_path, "no zip or tar that can be read")


def _tar(path, entries, packed="gz"):
    """Entries are a name and content, or a whole header and content."""
    with tarfile.open(path, f"w:{packed}") as archive:
        for name, content in entries:
            header = name
            if isinstance(name, str):
                header = tarfile.TarInfo(name)
                header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


def _special(kind, name="special", **fields):
    header = tarfile.TarInfo(name)
    header.type = kind
    for field, value in fields.items():
        setattr(header, field, value)
    return header


@pytest.mark.parametrize("packed", ["", "gz", "bz2", "xz"])
def test_a_tar_arrives_unchanged(tmp_path, packed):
    noise = np.random.default_rng(0).bytes(5000)
    entries = [
        (_special(tarfile.DIRTYPE, "a"), b""),
        ("a/b/c.txt", b"\0text"),
        (f"{'long/' * 30}d.bin", noise),
    ]
    extract(_tar(tmp_path / "t.tar", entries, packed), tmp_path / "out", **LIMITS)
    assert (tmp_path / "out/a/b/c.txt").read_bytes() == b"\0text"
    assert (tmp_path / f"out/{'long/' * 30}d.bin").read_bytes() == noise
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "t.tar"]


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil", "C:evil"]
)
def test_entries_of_a_tar_outside_the_folder_are_refused(tmp_path, name):
    work = tmp_path / "work"
    work.mkdir()
    archive = _tar(work / "t.tgz", [("good", b"1"), (name, b"2")])
    _assert_refused(archive, work, "would land outside")
    assert [p.name for p in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize(
    "header",
    [
        _special(tarfile.SYMTYPE, linkname="/etc"),
        _special(tarfile.LNKTYPE, linkname="/etc/passwd"),
        _special(tarfile.FIFOTYPE),
        _special(tarfile.CHRTYPE),
        _special(tarfile.GNUTYPE_SPARSE),
    ],
    ids=["symbolic link", "hard link", "pipe", "device", "sparse"],
)
def test_links_and_special_files_of_a_tar_are_refused(tmp_path, header):
    # What a link is followed by would land behind it.
    archive = _tar(tmp_path / "t.tar", [(header, b""), ("special/evil", b"1")], "")
    _assert_refused(archive, tmp_path, "'special' is a link or special|no zip or tar")


def test_bombs_of_tar_are_refused(tmp_path):
    zeros = bytes(6_000_000)
    archive = _tar(tmp_path / "t.tgz", [("a", zeros)])
    assert archive.stat().st_size < 10_000
    _assert_refused(archive, tmp_path, "more than the 10000 bytes left")
    archive = _tar(tmp_path / "t.tgz", [(f"{i}", b"") for i in range(11)])
    _assert_refused(archive, tmp_path, "has more than 10 entries")
    archive = _tar(tmp_path / "t.tgz", [("a", b"1"), ("a", b"2")])
    _assert_refused(archive, tmp_path, "holds an entry twice")


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    header = _special(tarfile.XHDTYPE, "name", size=20_000_000)
    archive = _tar(tmp_path / "t.tgz", [(header, bytes(20_000_000))])
    assert archive.stat().st_size < 100_000
    _assert_refused(archive, tmp_path, "a header of 20000256 bytes")


@pytest.mark.parametrize("packed", ["", "gz", "bz2", "xz"])
def test_damage_of_a_tar_is_refused_and_leaves_nothing(tmp_path, packed):
    whole = _tar(tmp_path / "t", [("a", bytes(range(256)) * 8), ("b", b"2")], packed)
    data = whole.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(60):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[rng.integers(min(len(data), 700), size=4)] = rng.integers(256, size=4)
        whole.write_bytes(damaged.tobytes()[: len(data) - trial % 3 * 600])
        out = tmp_path / "out" / str(trial)
        out.parent.mkdir(exist_ok=True)
        try:
            extract(whole, out, **LIMITS)
        except ValueError:
            refused += 1
            assert not out.exists()
        assert not list(out.parent.glob(".unpack*"))
    assert refused > 10
    assert sorted(os.listdir(tmp_path)) == ["out", "t"]


def test_fetch_copies_a_file_within_the_limit(tmp_path):
    origin = tmp_path / "origin"
    origin.write_bytes(b"x" * 3_000_000)
    fetch(origin.as_uri(), tmp_path / "copy", max_bytes=3_000_000)
    assert (tmp_path / "copy").read_bytes() == origin.read_bytes()
    with pytest.raises(ValueError, match="more than 2999999 bytes"):
        fetch(origin.as_uri(), tmp_path / "big", max_bytes=2_999_999)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "origin"]


def test_fetch_notices_a_download_that_ends_early(tmp_path, monkeypatch):
    response = io.BytesIO(b"half")
    response.headers = {"Content-Length": "8"}
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: response)
    with pytest.raises(OSError, match="ended after 4 of 8 bytes"):
        fetch("http://localhost/file", tmp_path / "copy", max_bytes=100)
    assert list(tmp_path.iterdir()) == []
