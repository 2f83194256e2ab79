"""Checksums of files and of what is in them."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.reference import Published
from fashionjax.pretrained.references import REFERENCES


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(state: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of tensors, the same whatever file format they were read from.

    Args:
        state: Tensors by name.

    Returns:
        The digest, in hexadecimal digits, of each tensor's name, type, shape and
        little-endian values in the order of the names.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        array = state[name]
        digest.update(f"{name}\0{array.dtype.name}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()


def find_published(
    sha256: str, references: Iterable[str] | None = None
) -> Published | None:
    """The published file whose checksum a digest begins with, if there is one.

    Args:
        sha256: Digest of a whole file.
        references: Names of references to look at; all if None.
    """
    names = REFERENCES if references is None else references
    for name in names:
        for published in REFERENCES[name].published:
            if published.sha256 and sha256.startswith(published.sha256):
                return published
    return None


def check_file_name(path: Path, sha256: str) -> None:
    """Refuses a file with a published file's name and another content.

    Args:
        path: The file.
        sha256: Its digest.

    Raises:
        WeightsError: If a file of this name is published with another checksum.
    """
    for reference in REFERENCES.values():
        for published in reference.published:
            if path.name != published.url.rsplit("/", 1)[-1]:
                continue
            if not sha256.startswith(published.sha256):
                raise WeightsError(
                    f"{path}: its checksum begins with {sha256[:8]}, that of the"
                    f" published file with {published.sha256}; it is damaged or"
                    " changed (rename it to use it all the same)"
                )
