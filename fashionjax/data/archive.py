"""Fetching and unpacking of archives from outside, which are not trusted."""

import bz2
import gzip
import lzma
import pathlib
import shutil
import stat
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import IO, Any, NamedTuple

from fashionjax.data.paths import leaves_folder
from fashionjax.data.progress import progress

_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 24
# Annotations are packed 6 to 10 times smaller, labels of CCP as flat bytes 133 times at
# most; zeros 1,029 times by deflate, and thousands of times by bzip2 and xz.
_MAX_RATIO = 500
_RATIO_FROM = 1 << 24  # bytes: what is smaller does no harm
_ZIP = b"PK"
_TAR_PACKED_BY: Mapping[bytes, Callable[[pathlib.Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
# What is raised for damaged, encrypted (RuntimeError) and unsupported archives.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    RuntimeError,
)


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


class _Entry(NamedTuple):
    """A file or folder of an archive, or something else."""

    name: str
    size: int  # bytes, as declared
    is_folder: bool
    is_special: bool
    open: Callable[[], Any]


def extract(
    archive: pathlib.Path, folder: pathlib.Path, *, max_bytes: int, max_files: int
) -> None:
    """Unpacks a zip or tar into a new folder, which appears only when it is complete.

    Args:
        archive: The file; a tar may be packed by gzip, bzip2 or xz.
        folder: Where its contents go; must not exist, its parent must.
        max_bytes: The largest unpacked size in all that is accepted.
        max_files: The largest number of entries that is accepted.

    Raises:
        ValueError: It is neither, or a damaged one; or an entry would land outside the
            folder, is a link or other special file, comes twice or holds more than
            it declares; or the contents exceed a limit, or what the disk has free, or
            are packed as no dataset is. Nothing is left behind, and nothing is written
            where the archive's own table tells.
    """
    temporary = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpack-"))
    left = max_bytes
    try:
        _check_table(archive, folder.parent, max_bytes)
        packed = archive.stat().st_size
        entries = progress(_entries(archive), None, f"unpack {archive.name}")
        for count, entry in enumerate(entries, 1):
            if count > max_files:
                raise ValueError(f"{archive} has more than {max_files} entries")
            _check_entry(entry, archive)
            _check_size(entry.size, archive, folder.parent, left)
            _check_ratio(max_bytes - left + entry.size, packed, str(archive))
            left -= _unpack(entry, archive, temporary)
        temporary.rename(folder)
    except FileExistsError as error:
        raise ValueError(f"{archive} holds an entry twice: {error.filename}") from error
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, and not of what unpacks
        raise ValueError(
            f"{archive} is no zip or tar that can be read: {error}"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_table(archive: pathlib.Path, folder: pathlib.Path, max_bytes: int) -> None:
    """Refuses what the table of a zip tells; a tar has none."""
    if not _start(archive).startswith(_ZIP):
        return
    with zipfile.ZipFile(archive) as contents:
        entries = contents.infolist()
    for entry in entries:
        name = f"{archive}: entry {entry.filename!r}"
        _check_ratio(entry.file_size, entry.compress_size, name)
    total = sum(entry.file_size for entry in entries)
    # Entries may share their bytes.
    _check_ratio(total, archive.stat().st_size, str(archive))
    _check_size(total, archive, folder, max_bytes)


def _check_size(
    size: int, archive: pathlib.Path, folder: pathlib.Path, left: int
) -> None:
    """Refuses what there is no room for; the size is the one declared."""
    if size > left:
        raise ValueError(f"{archive} holds more than the {left} bytes left")
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ValueError(
            f"{archive} unpacks to {size:,} bytes, and {folder} has {free:,} free: make"
            " room, or choose another --data_dir"
        )


def _check_ratio(size: int, packed: int, name: str) -> None:
    """Refuses bombs: little that unpacks to very much."""
    if size > _RATIO_FROM and size > _MAX_RATIO * packed:
        raise ValueError(
            f"{name} makes {size:,} bytes of {packed:,}, allowed are {_MAX_RATIO} times"
            " as many; if you trust it, unpack it by hand"
        )


def _start(archive: pathlib.Path) -> bytes:
    with archive.open("rb") as file:
        return file.read(8)


def _entries(archive: pathlib.Path) -> Iterator[_Entry]:
    start = _start(archive)
    if start.startswith(_ZIP):
        yield from _zip_entries(archive)
        return
    openers = [o for magic, o in _TAR_PACKED_BY.items() if start.startswith(magic)]
    with openers[0](archive) if openers else archive.open("rb") as stream:
        yield from _tar_entries(stream)


def _zip_entries(archive: pathlib.Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as contents:
        for entry in contents.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            is_special = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
            read = partial(contents.open, entry)
            yield _Entry(
                entry.filename, entry.file_size, entry.is_dir(), is_special, read
            )


def _tar_entries(stream: IO[bytes]) -> Iterator[_Entry]:
    with tarfile.TarFile(fileobj=_ShortReads(stream)) as contents:  # pyright: ignore[reportArgumentType]
        for entry in contents:
            is_file = entry.isreg() and not entry.issparse()
            read = partial(contents.extractfile, entry)
            is_special = not (is_file or entry.isdir())
            yield _Entry(entry.name, entry.size, entry.isdir(), is_special, read)


class _ShortReads:
    """A stream that refuses to be read at once: tarfile reads any header whole."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seek, self.tell = stream.seek, stream.tell
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Reads some bytes.

        Raises:
            TarError: They are too many, or all.
        """
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.TarError(f"a header of {size} bytes")
        return self._stream.read(size)


def _check_entry(entry: _Entry, archive: pathlib.Path) -> None:
    if leaves_folder(entry.name) or "\0" in entry.name:
        raise ValueError(
            f"{archive}: entry {entry.name!r} would land outside the folder"
        )
    if entry.is_special:
        raise ValueError(
            f"{archive}: entry {entry.name!r} is a link or special file; "
            "allowed are files and folders"
        )


def _unpack(entry: _Entry, archive: pathlib.Path, folder: pathlib.Path) -> int:
    """Writes one entry and returns its size, at most the one declared."""
    target = folder / entry.name
    if entry.is_folder:
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with entry.open() as source, target.open("xb") as out:
        # The declared size may lie, so what counts is what comes out.
        chunks = iter(lambda: source.read(_CHUNK), b"")
        return _write(chunks, out, entry.size, f"{archive}: entry {entry.name!r}")


def _write(chunks: Iterable[bytes], out: IO[bytes], max_bytes: int, origin: str) -> int:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise ValueError(f"{origin} holds more than {max_bytes} bytes")
        out.write(chunk)
    return size
