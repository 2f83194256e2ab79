"""A disk that is full and a folder that may not be written: told, and nothing lost."""

import contextlib
import os
import shutil
import subprocess

import pytest

from tests.faults import tiny_run

pytestmark = pytest.mark.slow

_DISK = 48 << 20
"""Room for a tiny run: a state is 2 MB, and three are there at times."""

_OBEY_MODES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Root without the right to write everywhere."""


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(disk):
    """Leaves no room on the disk; returns the file that takes it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_full_disk_ends_a_run_and_loses_nothing(small_disk, tmp_path):
    unbroken, log = tmp_path / "unbroken", tmp_path / "log"
    assert tiny_run.finish(unbroken, log) == 0
    workdir = small_disk / "run"
    log.write_text("")
    process = tiny_run.start(workdir, log)
    # Step 5 is saved and evaluated, and the next save is after a compilation.
    tiny_run.wait_for(process, lambda: "(all trained)" in log.read_text())
    ballast = _fill(small_disk)
    assert process.wait(300) == 1
    *_, last = log.read_text().splitlines()
    assert last.startswith(f"error: no space left for {workdir}: ")
    assert "Traceback" not in log.read_text()
    ballast.unlink()
    assert tiny_run.finish(workdir, log) == 0
    assert "Going on from step" in log.read_text()
    expected, broken = map(tiny_run.everything, (unbroken, workdir))
    # What was to be logged while there was no room is not in the file.
    missing = expected["losses"].keys() - broken["losses"].keys()
    for name in missing:
        del expected["losses"][name]
    assert tiny_run.differences(expected, broken) == []


def test_an_unwritable_folder_is_named(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    before = _OBEY_MODES if os.geteuid() == 0 else []
    if before and shutil.which(before[0]) is None:
        pytest.skip("needs setpriv, to be root without root's rights")
    log = tmp_path / "log"
    process = tiny_run.start(folder / "run", log, before=before)
    assert process.wait(300) == 1
    text = log.read_text()
    assert f"error: cannot write to {folder / 'run'}: no permission" in text
    assert "Traceback" not in text
    assert "Compiling" not in text
    assert not list(folder.iterdir())
