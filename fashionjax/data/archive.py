"""Fetching and unpacking of archives from outside, which are not trusted."""

import pathlib
import shutil
import stat
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable
from typing import IO

from fashionjax.data.paths import leaves_folder
from fashionjax.data.progress import progress

_CHUNK = 1 << 20
# What zipfile raises for damaged, encrypted (RuntimeError) and unsupported archives.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)


def fetch(url: str, path: pathlib.Path, *, max_bytes: int, timeout: float = 30) -> None:
    """Downloads a file; the path appears only when it is complete.

    Args:
        url: Where it is.
        path: Where it goes; its folder must exist.
        max_bytes: The largest size that is accepted.
        timeout: Seconds without an answer after which it fails.

    Raises:
        OSError: The network or the disk failed, or the file ended early.
        ValueError: The file is larger than `max_bytes`.
    """
    part = path.with_name(path.name + ".part")
    try:
        with (
            urllib.request.urlopen(url, timeout=timeout) as response,
            part.open("wb") as out,
        ):
            length = response.headers.get("Content-Length")
            chunks = iter(lambda: response.read(_CHUNK), b"")
            total = -(-int(length) // _CHUNK) if length else None
            size = _write(progress(chunks, total, f"MiB of {url}"), out, max_bytes, url)
        if length and size != int(length):
            raise OSError(f"{url} ended after {size} of {length} bytes")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def extract_zip(
    archive: pathlib.Path, folder: pathlib.Path, *, max_bytes: int, max_files: int
) -> None:
    """Unpacks a zip into a new folder, which appears only when it is complete.

    Args:
        archive: The zip file.
        folder: Where its contents go; must not exist, its parent must.
        max_bytes: The largest unpacked size in all that is accepted.
        max_files: The largest number of entries that is accepted.

    Raises:
        ValueError: It is no zip or a damaged one; or an entry would land outside the
            folder, is a link or other special file, or comes twice; or the contents
            exceed a limit. Nothing is left behind.
    """
    temporary = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpack-"))
    try:
        with zipfile.ZipFile(archive) as contents:
            entries = contents.infolist()
            if len(entries) > max_files:
                raise ValueError(
                    f"{archive} has {len(entries)} entries; allowed are {max_files}"
                )
            for entry in entries:
                _check_entry(entry, archive)
            left = max_bytes
            for entry in progress(entries, len(entries), f"unpack {archive.name}"):
                left -= _unpack(contents, entry, temporary, left)
        temporary.rename(folder)
    except _DAMAGE as error:
        raise ValueError(f"{archive} is no zip that can be read: {error}") from error
    except FileExistsError as error:
        raise ValueError(f"{archive} holds an entry twice: {error.filename}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_entry(entry: zipfile.ZipInfo, archive: pathlib.Path) -> None:
    if leaves_folder(entry.filename):
        raise ValueError(
            f"{archive}: entry {entry.filename!r} would land outside the folder"
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(
            f"{archive}: entry {entry.filename!r} is a link or special file; "
            "allowed are files and folders"
        )


def _unpack(
    contents: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: pathlib.Path, left: int
) -> int:
    """Writes one entry and returns its size, at most `left` bytes."""
    target = folder / entry.filename
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with contents.open(entry) as source, target.open("xb") as out:
        # The declared size may lie, so what counts is what comes out.
        chunks = iter(lambda: source.read(_CHUNK), b"")
        return _write(chunks, out, left, str(contents.filename))


def _write(chunks: Iterable[bytes], out: IO[bytes], max_bytes: int, origin: str) -> int:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise ValueError(f"{origin} holds more than the {max_bytes} bytes left")
        out.write(chunk)
    return size
