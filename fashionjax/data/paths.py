"""File names and folders that come from outside, which are not trusted."""

import pathlib


def leaves_folder(name: str) -> bool:
    """Whether a relative file name would lead out of its folder, on any system."""
    windows = pathlib.PureWindowsPath(name)
    absolute = pathlib.PurePosixPath(name).is_absolute() or bool(windows.anchor)
    return absolute or ".." in windows.parts


def inside(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Joins a folder and a file name that an annotation gives.

    Args:
        folder: Where the file must lie.
        name: Its name, from a file that is not trusted.

    Returns:
        The path.

    Raises:
        ValueError: The name is empty, holds a null character or leads out of the
            folder.
    """
    if not name or "\0" in name or leaves_folder(name):
        raise ValueError(
            f"file name {name!r}: allowed are names of files within {folder}"
        )
    return folder / name


def roots(folder: pathlib.Path) -> list[pathlib.Path]:
    """A folder, and the only folder in it if there is one, as archives make them.

    Hidden folders and macOS's own in archives do not count.
    """
    inner = sorted(folder.iterdir()) if folder.is_dir() else []
    inner = [
        p for p in inner if p.is_dir() and not p.name.startswith((".", "__MACOSX"))
    ]
    return [folder, *(inner if len(inner) == 1 else [])]
