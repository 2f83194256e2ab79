"""What identifies the raw files of a dataset."""

import hashlib
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any


def fingerprint_of(files: Mapping[str, Iterable[pathlib.Path]]) -> dict[str, Any]:
    """Counts files and hashes their names and sizes.

    Args:
        files: The files of each kind, such as `photos`; no two of a kind have the same
            name without ending.

    Returns:
        The number of files of each kind, and `sha256`.
    """
    digest = hashlib.sha256()
    counts: dict[str, Any] = {}
    for kind, paths in files.items():
        by_name = sorted((path.stem, path) for path in paths)
        counts[kind] = len(by_name)
        for name, path in by_name:
            digest.update(f"{kind}/{name} {path.stat().st_size}\n".encode())
    return counts | {"sha256": digest.hexdigest()}
