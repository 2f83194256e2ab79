"""The photos of a folder of raw files, which is not trusted."""

import os
import pathlib
import stat
from collections.abc import Collection, Iterable

from fashionjax.data.paths import inside

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""What photos end in, in small or capital letters."""

MAX_FILE_BYTES = 1 << 30
"""What a photo may have: it is read whole, and 100 million pixels are less."""


def list_files(folder: pathlib.Path, suffixes: Collection[str]) -> list[pathlib.Path]:
    """Lists the files of a folder with some endings, whatever their letters' case.

    Hidden ones, which systems leave behind, and folders are none.

    Returns:
        By name; whether they can be read is not looked at.
    """
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and pathlib.PurePath(entry.name).suffix.lower() in suffixes
            and not entry.is_dir()
        )
    return [folder / name for name in names]


def by_stem(files: Iterable[pathlib.Path]) -> dict[str, list[pathlib.Path]]:
    """Files by name without ending; several where only the endings differ."""
    found: dict[str, list[pathlib.Path]] = {}
    for path in files:
        found.setdefault(path.stem, []).append(path)
    return found


def check_inside(path: pathlib.Path, root: pathlib.Path) -> None:
    """Refuses what only looks like a file of a dataset.

    Args:
        path: The file.
        root: The dataset's folder. Folders in it may be links to elsewhere.

    Raises:
        ValueError: It is none: a pipe, which nobody may ever write to, a socket, a
            device or a folder; or a link to a file elsewhere; or it has more than
            `MAX_FILE_BYTES`.
        OSError: It is not there.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(
            f"{path} is a pipe, socket, device or folder; allowed are files"
        )
    if found.st_size > MAX_FILE_BYTES:
        raise ValueError(
            f"{path} has {found.st_size} bytes; allowed are {MAX_FILE_BYTES}"
        )
    target = path.resolve()
    folders = (root.resolve(), path.parent.resolve())
    if not any(target.is_relative_to(folder) for folder in folders):
        raise ValueError(
            f"{path} is a link to {target}, out of {root}: put the file there, or link"
            " its whole folder"
        )


class PhotoFolder:
    """The photos of a folder, looked up by the names that annotations give them.

    Args:
        folder: Where they lie.
        root: The dataset's folder, see `check_inside`.

    Attributes:
        files: All photos of the folder itself, by name.
    """

    def __init__(self, folder: pathlib.Path, root: pathlib.Path) -> None:
        self._folder = folder
        self._root = root
        self.files = list_files(folder, SUFFIXES) if folder.is_dir() else []
        self._by_stem = by_stem(self.files)

    def find(self, name: str) -> pathlib.Path:
        """Finds a photo.

        Args:
            name: Its file name. If there is none of that name, one with another ending
                is it, such as `.JPG` or `.png`.

        Returns:
            The path; of a photo that is not there, the one where it should be.

        Raises:
            ValueError: The name leads out of the folder, or several files could be it.
        """
        path = inside(self._folder, name)
        if os.path.lexists(path):
            return path
        found = self._by_stem.get(path.stem, []) if path.parent == self._folder else []
        if len(found) > 1:
            names = ", ".join(file.name for file in found)
            raise ValueError(f"{names} could all be {path}; allowed is one")
        return found[0] if found else path

    def read(self, name: str) -> tuple[bytes, str]:
        """Reads a photo; see `find` and `check_inside`.

        Returns:
            The file, and what to call it in errors.
        """
        path = self.find(name)
        check_inside(path, self._root)
        return path.read_bytes(), str(path)

    def others(self, names: Iterable[str]) -> list[str]:
        """Names of the photos in the folder that belong to none of some names."""
        used = set()
        for name in names:
            try:
                used.add(self.find(name))
            except ValueError:
                continue  # it is told where the photo is read
        return [path.name for path in self.files if path not in used]
