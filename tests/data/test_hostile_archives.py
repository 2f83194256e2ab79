"""Archives of a good dataset with one entry too many, given to the command."""

import shutil
import stat
import tarfile
import zipfile

import pytest

from fashionjax.data.__main__ import main

IDS = ["0001", "0002"]
OUTSIDE, LINK, TWICE = "would land outside", "link or special file", "an entry twice"


def _zip_link():
    entry = zipfile.ZipInfo("photos/0003.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def _tar_entry(kind, name="raw/photos/0003.jpg", target=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


ENTRIES = {
    "zip, a step up": (zipfile.ZipInfo("raw/../../evil"), OUTSIDE),
    "zip, from the root": (zipfile.ZipInfo("/tmp/evil"), OUTSIDE),
    "zip, a link": (_zip_link(), LINK),
    "zip, twice": (zipfile.ZipInfo("raw/photos/0001.jpg"), TWICE),
    "tar, a step up": (_tar_entry(tarfile.REGTYPE, "raw/../../evil"), OUTSIDE),
    "tar, a link": (_tar_entry(tarfile.SYMTYPE, target="/etc/passwd"), LINK),
    "tar, a hard link": (_tar_entry(tarfile.LNKTYPE, target="/etc/passwd"), LINK),
    "tar, a device": (_tar_entry(tarfile.CHRTYPE), LINK),
    "tar, twice": (_tar_entry(tarfile.REGTYPE, "raw/photos/0001.jpg"), TWICE),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", ENTRIES)
def test_an_archive_with_one_such_entry_is_refused(write_ccp, tmp_path, capsys, case):
    entry, reason = ENTRIES[case]
    raw, _ = write_ccp(IDS)
    path = shutil.make_archive(str(tmp_path / "raw"), case[:3], tmp_path, "raw")
    shutil.rmtree(raw)
    if isinstance(entry, zipfile.ZipInfo):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, "/etc/passwd")
    else:
        with tarfile.open(path, "a") as archive:
            archive.addfile(entry)
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    words = ["prepare", "ccp", f"--raw={path}", f"--data_dir={tmp_path / 'data'}"]
    assert main(words) == 1
    assert reason in capsys.readouterr().err.splitlines()[-1]
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "lock"]
    assert {p: p.read_bytes() for p in files} == before
