"""What identifies the raw files of a dataset."""

import hashlib
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

CONTENT = "content_sha256"
"""The key of the hash of what annotations hold."""

# Larger ones are none that was published, and would keep a run from its start.
_MAX_HASHED = 8 << 30


def fingerprint_of(
    files: Mapping[str, Iterable[pathlib.Path]], annotations: str
) -> dict[str, Any]:
    """Counts files, hashes their names and sizes, and what the annotations hold.

    Photos are too many to read whenever a run starts; annotations are a few files, and
    a change of them need not change their sizes.

    Args:
        files: The files of each kind, such as `photos`; no two of a kind have the same
            name without ending.
        annotations: The kind whose contents are hashed.

    Returns:
        The number of files of each kind, `sha256`, and `CONTENT`.
    """
    names, content = hashlib.sha256(), hashlib.sha256()
    counts: dict[str, Any] = {}
    for kind, paths in files.items():
        by_name = sorted((path.stem, path) for path in paths)
        counts[kind] = len(by_name)
        for name, path in by_name:
            # What is no file, or a link to none, is told when it is read.
            is_file = path.is_file()
            size = path.stat().st_size if is_file else "is no file"
            names.update(f"{kind}/{name} {size}\n".encode())
            if kind == annotations and is_file and path.stat().st_size <= _MAX_HASHED:
                with path.open("rb") as file:
                    content.update(hashlib.file_digest(file, "sha256").digest())
    return counts | {"sha256": names.hexdigest(), CONTENT: content.hexdigest()}
