import io
import stat
import struct
import zipfile

import pytest

from fashionjax.data.archive import extract_zip, fetch

LIMITS = {"max_bytes": 10_000, "max_files": 10}


def _zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def _assert_refused(archive, tmp_path, match, **limits):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=match):
        extract_zip(archive, tmp_path / "out", **(LIMITS | limits))
    assert sorted(tmp_path.rglob("*")) == before


def test_files_and_folders_arrive_unchanged(tmp_path):
    entries = [("a/", ""), ("a/b/c.txt", b"\x00text"), ("d.bin", b"x" * 5000)]
    extract_zip(_zip(tmp_path / "z.zip", entries), tmp_path / "out", **LIMITS)
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
    _assert_refused(archive, tmp_path, "more than the 4000 bytes left")


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", b"0" * 5_000_000)])
    data = archive.read_bytes()
    true, lie = struct.pack("<I", 5_000_000), struct.pack("<I", 100)
    assert data.count(true) == 2
    archive.write_bytes(data.replace(true, lie))
    _assert_refused(archive, tmp_path, "no zip that can be read|more than the")


def test_too_many_entries_are_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [(f"{i}", "") for i in range(11)])
    _assert_refused(archive, tmp_path, "11 entries; allowed are 10")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_comes_twice_is_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", "1"), ("a", "2")])
    _assert_refused(archive, tmp_path, "holds an entry twice")


def test_damage_is_refused(tmp_path):
    archive = _zip(tmp_path / "z.zip", [("a", bytes(range(256)) * 8)])
    data = bytearray(archive.read_bytes())
    data[45] ^= 0xFF
    archive.write_bytes(data)
    _assert_refused(archive, tmp_path, "no zip that can be read")
    archive.write_bytes(b"<html>not found</html>")
    _assert_refused(archive, tmp_path, "no zip that can be read")


def test_fetch_copies_a_file_within_the_limit(tmp_path):
    origin = tmp_path / "origin"
    origin.write_bytes(b"x" * 3_000_000)
    fetch(origin.as_uri(), tmp_path / "copy", max_bytes=3_000_000)
    assert (tmp_path / "copy").read_bytes() == origin.read_bytes()
    with pytest.raises(ValueError, match="more than the 2999999 bytes"):
        fetch(origin.as_uri(), tmp_path / "big", max_bytes=2_999_999)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "origin"]


def test_fetch_notices_a_download_that_ends_early(tmp_path, monkeypatch):
    response = io.BytesIO(b"half")
    response.headers = {"Content-Length": "8"}
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: response)
    with pytest.raises(OSError, match="ended after 4 of 8 bytes"):
        fetch("http://localhost/file", tmp_path / "copy", max_bytes=100)
    assert list(tmp_path.iterdir()) == []
