"""Raw files as they were downloaded: a folder, an archive, or a folder of archives.

What was downloaded is never changed. Each archive is unpacked once, beside the prepared
datasets; what several archives and plain files hold together becomes a folder of links.
"""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Sequence

from fashionjax.data.archive import extract
from fashionjax.data.locking import locked
from fashionjax.data.paths import roots

ENDINGS = (
    *(".zip", ".tar", ".tgz", ".tbz2", ".txz"),
    *(".tar.gz", ".tar.bz2", ".tar.xz"),
)
"""What names of archives end in, where one of several files may be one."""

FindRaw = Callable[[pathlib.Path], pathlib.Path]
"""Finds the layout of a dataset in a folder, or raises ValueError."""

# What an archive may hold; the largest datasets have some 47,000 photos.
_MAX_BYTES = 64 << 30
_MAX_FILES = 500_000
# The end of a zip lists all entries with their checksums; packed tars have one there.
_END_BYTES = 16 << 20
_PHOTOS = (".jpg", ".jpeg", ".png")
_TEMPORARY = ".unpack-"


def unpack(
    raw_dir: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    find_raw: FindRaw,
) -> pathlib.Path:
    """Finds the raw files of a dataset, unpacked if they are archives.

    An archive that is unpacked already is not unpacked again; one whose unpacking was
    interrupted is. An archive with photos in no folder, such as train.zip, becomes the
    folder of its name. Archives in archives stay as they are.

    Args:
        raw_dir: A folder that `find_raw` accepts, or a zip or tar of one, or a folder
            (or one around it) of such archives and of plain files and folders.
        data_dir: Where prepared datasets lie; archives go to `downloads` in it.
        find_raw: Finds the dataset's layout.

    Returns:
        What `find_raw` finds.

    Raises:
        ValueError: The layout is not there, an archive is refused, or two hold
            something of the same name.
    """
    raw, downloads = _absolute(raw_dir), _absolute(data_dir) / "downloads"
    parts = _parts(raw, find_raw)
    if not parts:
        return find_raw(raw)
    downloads.mkdir(parents=True, exist_ok=True)
    with locked(downloads / "lock"):
        # We hold the lock, so these belong to processes that died.
        for leftover in downloads.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(leftover)
        place = _place(raw, parts, downloads)
        if raw.is_file():
            _extract(raw, downloads)
        elif not place.exists():
            _link(parts, place)
    try:
        return find_raw(place)
    except ValueError as error:
        inner = [f.name for folder in roots(place) for f in _archives(folder)]
        inside = f" Archives in archives stay packed: {', '.join(inner)}."
        raise ValueError(f"{raw} is unpacked. {error}{inside * bool(inner)}") from error


def find_unpacked(
    raw_dir: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    find_raw: FindRaw,
    known: str,
) -> pathlib.Path | None:
    """What `unpack` returns, unless that is known or gone.

    Args:
        raw_dir: As `unpack` takes it.
        data_dir: As `unpack` takes it.
        find_raw: As `unpack` takes it.
        known: What `unpacked_name` said of archives that need no second look; they are
            not unpacked again.

    Returns:
        A folder with the layout; None where `raw_dir` is not there any more, or the
        known archives without what was unpacked of them.

    Raises:
        ValueError: As `unpack` does.
    """
    raw, downloads = _absolute(raw_dir), _absolute(data_dir) / "downloads"
    if not raw.exists():
        return None
    name = unpacked_name(raw, find_raw)
    if name == known and name and not (downloads / name).exists():
        return None
    return unpack(raw, data_dir, find_raw)


def unpacked_name(raw_dir: str | os.PathLike[str], find_raw: FindRaw) -> str:
    """Name of the folder in `downloads` that `unpack` makes; "" where it makes none.

    Other archives have another one, be their names the same.

    Args:
        raw_dir: As `unpack` takes it.
        find_raw: As `unpack` takes it.
    """
    raw = _absolute(raw_dir)
    parts = _parts(raw, find_raw)
    return _place(raw, parts, pathlib.Path()).name if parts else ""


def _absolute(path: str | os.PathLike[str]) -> pathlib.Path:
    return pathlib.Path(path).expanduser().absolute()


def _parts(raw: pathlib.Path, find_raw: FindRaw) -> list[pathlib.Path]:
    """What has to be unpacked and put together; nothing if the layout is there."""
    if raw.is_file():
        return [raw]
    if not raw.is_dir():
        return []
    try:
        find_raw(raw)
    except ValueError:
        for folder in roots(raw):
            if _archives(folder):
                return sorted(folder.iterdir())
    return []


def _archives(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(filter(_is_archive, folder.iterdir()))


def _is_archive(path: pathlib.Path) -> bool:
    return path.name.lower().endswith(ENDINGS) and path.is_file()


def _place(
    raw: pathlib.Path, parts: Sequence[pathlib.Path], downloads: pathlib.Path
) -> pathlib.Path:
    """The folder for what the parts hold; of other parts it is another one."""
    if raw.is_file():
        return _folder_of(raw, downloads)
    places = [
        _folder_of(part, downloads).name if _is_archive(part) else str(part)
        for part in parts
    ]
    digest = hashlib.sha256(json.dumps(places).encode()).hexdigest()
    return downloads / f"{raw.name}-{digest[:16]}"


def _folder_of(archive: pathlib.Path, downloads: pathlib.Path) -> pathlib.Path:
    """Another one for another archive of the same name."""
    size = archive.stat().st_size
    with archive.open("rb") as file:
        file.seek(max(0, size - _END_BYTES))
        digest = hashlib.sha256(file.read(_END_BYTES)).hexdigest()
    return downloads / f"{archive.name}-{size}-{digest[:16]}"


def _extract(archive: pathlib.Path, downloads: pathlib.Path) -> pathlib.Path:
    folder = _folder_of(archive, downloads)
    if not folder.exists():
        extract(archive, folder, max_bytes=_MAX_BYTES, max_files=_MAX_FILES)
    return folder


def _link(parts: Sequence[pathlib.Path], place: pathlib.Path) -> None:
    """Puts links to what the parts hold into a folder, which appears with all of it."""
    found: dict[str, tuple[pathlib.Path, pathlib.Path]] = {}
    for part in parts:
        contents = {part.name: part}
        if _is_archive(part):
            contents = _contents(_extract(part, place.parent), part)
        for name, path in contents.items():
            if name in found:
                raise ValueError(
                    f"{name} is in {part} and in {found[name][0]}; leave one of them"
                )
            found[name] = part, path
    temporary = pathlib.Path(tempfile.mkdtemp(dir=place.parent, prefix=_TEMPORARY))
    for name, (_, path) in found.items():
        (temporary / name).symlink_to(path)
    temporary.rename(place)


def _contents(folder: pathlib.Path, archive: pathlib.Path) -> dict[str, pathlib.Path]:
    """What an archive holds by the name that it should have."""
    entries = sorted(folder.iterdir())
    if any(entry.suffix.lower() in _PHOTOS for entry in entries):
        ending = max((e for e in ENDINGS if archive.name.lower().endswith(e)), key=len)
        return {archive.name[: -len(ending)]: folder}
    return {entry.name: entry for entry in entries if entry.name != "__MACOSX"}
