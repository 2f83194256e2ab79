"""Clothing Co-Parsing (CCP): street photos with 59 labels a pixel.

Yang, Luo, Lin: Clothing Co-Parsing by Joint Image Segmentation and Labeling, CVPR
2014. 1,004 of its 2,098 photos have a label for each pixel; the others have labels for
the whole image and are not used.
"""

import hashlib
import math
import pathlib
from collections.abc import Collection, Iterable
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from fashionjax.data.archive import extract, fetch
from fashionjax.data.categories import CCP_NAMES
from fashionjax.data.fingerprint import fingerprint_of
from fashionjax.data.instances import SMALLER_WINS
from fashionjax.data.label_maps import CCP_59
from fashionjax.data.matlab import load_mat
from fashionjax.data.paths import roots
from fashionjax.data.photo_builder import PhotoBuilder
from fashionjax.data.photo_files import (
    PhotoFolder,
    by_stem,
    check_inside,
    list_files,
)
from fashionjax.data.raw_folder import RawExample

NAME = "ccp"
HASH_SPLIT = "hash_80_10_10"
S0_SPLIT = "s0_90_10"
ARCHIVE_URL = (
    "https://github.com/bearpaw/clothing-co-parsing/archive/refs/heads/master.zip"
)
LAYOUT = (
    "A CCP folder holds photos/0001.jpg, … and annotations/pixel-level/0001.mat, …, "
    "as in the repository bearpaw/clothing-co-parsing on GitHub."
)

_MAX_ARCHIVE_BYTES = 4 << 30
_MAX_ARCHIVE_FILES = 20_000
_MAX_LABEL_BYTES = 1 << 28
_S0_SEED = 0


def hash_split(image_id: str) -> str:
    """The split of a photo, from nothing but its name.

    So any subset of the photos splits the same way, and none changes sides.

    Args:
        image_id: File name without ending, such as `0001`.

    Returns:
        `train` (80 %), `val` (10 %) or `test` (10 %).
    """
    digest = hashlib.sha256(image_id.encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if position < 0.8 else "val" if position < 0.9 else "test"


def split_ids(image_ids: Iterable[str], scheme: str) -> dict[str, list[str]]:
    """Divides photos into splits.

    Args:
        image_ids: File names without ending.
        scheme: `hash_80_10_10` or `s0_90_10`: S0's 90/10 (903 and 101 of 1,004) by a
            seeded shuffle of the sorted names, without a test split. S0 does not
            tell its seed.

    Returns:
        Sorted ids by split; splits that would be empty are left out.

    Raises:
        ValueError: Another scheme.
    """
    ids = sorted(image_ids)
    if scheme == HASH_SPLIT:
        split_of = {image_id: hash_split(image_id) for image_id in ids}
    elif scheme == S0_SPLIT:
        order = np.random.default_rng(_S0_SEED).permutation(len(ids))
        val = {ids[i] for i in order[: math.ceil(len(ids) / 10)]}
        split_of = {i: "val" if i in val else "train" for i in ids}
    else:
        raise ValueError(f"split {scheme!r}; allowed are {HASH_SPLIT}, {S0_SPLIT}")
    splits = {s: [i for i in ids if split_of[i] == s] for s in ("train", "val", "test")}
    return {split: members for split, members in splits.items() if members}


def find_raw(folder: pathlib.Path) -> pathlib.Path:
    """Where the photos and annotations lie: here or in the only folder in here.

    Args:
        folder: A CCP folder, or one around it as archives make them.

    Returns:
        The folder with `photos` and `annotations`.

    Raises:
        ValueError: Neither has the layout.
    """
    for root in roots(folder):
        if (root / "photos").is_dir() and (root / "annotations/pixel-level").is_dir():
            return root
    raise ValueError(f"{folder} is no CCP folder. {LAYOUT}")


def download(folder: pathlib.Path, url: str = ARCHIVE_URL) -> pathlib.Path:
    """Fetches and unpacks the dataset, unless that was done before.

    Args:
        folder: Where downloads are kept.
        url: The archive of the repository.

    Returns:
        The folder to prepare from.

    Raises:
        ValueError: The archive cannot be had or is refused; the message says how to
            go on by hand.
    """
    target = folder / NAME
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{NAME}.zip"
        try:
            fetch(url, archive, max_bytes=_MAX_ARCHIVE_BYTES)
            extract(
                archive,
                target,
                max_bytes=_MAX_ARCHIVE_BYTES,
                max_files=_MAX_ARCHIVE_FILES,
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"cannot download CCP from {url}: {error}. Get it by hand and name "
                f"its folder (--raw=DIR, or --config.data.raw_dir=DIR in a run). "
                f"{LAYOUT}"
            ) from error
        finally:
            archive.unlink(missing_ok=True)
    return find_raw(target)


def fingerprint(raw_dir: pathlib.Path) -> dict[str, Any]:
    """What identifies the raw files; see `fashionjax.data.fingerprint`.

    Args:
        raw_dir: A CCP folder.

    Returns:
        `photos` and `labels` (counts), hashes of names and sizes, and of the labels.
    """
    root = find_raw(raw_dir)
    photos = PhotoFolder(root / "photos", root).files
    files = {"photos": photos, "labels": _labels(root)}
    return fingerprint_of(files, "labels")


def read_label(path: pathlib.Path) -> np.ndarray:
    """Reads a pixel-level annotation.

    Args:
        path: A .mat file with the variable `groundtruth`.

    Returns:
        uint8 `[height, width]` of ids 0..58.

    Raises:
        ValueError: The file is damaged, has no such variable or other ids.
    """
    contents = load_mat(path, ["groundtruth"], max_bytes=_MAX_LABEL_BYTES)
    label = contents.get("groundtruth")
    is_array = isinstance(label, np.ndarray)
    if not is_array or label.ndim != 2 or not np.issubdtype(label.dtype, np.integer):
        found = f"{label.dtype}{list(label.shape)}" if is_array else repr(label)
        raise ValueError(
            f"{path}: groundtruth is {found}; allowed are integers [height, width]"
        )
    unknown = np.setdiff1d(label, list(CCP_59.target_of))
    if unknown.size:
        raise ValueError(f"{path}: label ids {unknown.tolist()}; allowed are 0..58")
    return label.astype(np.uint8)


class Ccp(PhotoBuilder):
    """TFDS builder; `download_config.manual_dir` is the raw CCP folder."""

    TITLE = "Clothing Co-Parsing: photos with 59 labels a pixel."
    HOMEPAGE = "https://github.com/bearpaw/clothing-co-parsing"
    LICENSE = "Apache-2.0"
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT
    SOURCE_NAMES = CCP_NAMES
    WITHOUT_TEST = frozenset({S0_SPLIT})
    NUM_PUBLISHED = 1_004
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=HASH_SPLIT, description="80/10/10 by file name."),
        tfds.core.BuilderConfig(name=S0_SPLIT, description="90/10 of S0, no test."),
    ]

    @classmethod
    def find_raw(cls, folder: pathlib.Path) -> pathlib.Path:
        """See `find_raw`."""
        return find_raw(folder)

    @classmethod
    def download(cls, folder: pathlib.Path) -> pathlib.Path:
        """See `download`."""
        return download(folder)

    @classmethod
    def fingerprint(cls, raw_dir: pathlib.Path) -> dict[str, Any]:
        """See `fingerprint`."""
        return fingerprint(raw_dir)

    @classmethod
    def open_raw(
        cls,
        root: pathlib.Path,
        scheme: str,
        overlap: str = SMALLER_WINS,
        first_pixel: int = 1,
    ) -> "_RawCcp":
        """Opens a CCP folder; it has no instances."""
        del overlap, first_pixel
        return _RawCcp(root, scheme)


class _RawCcp:
    """The photos that have a label, also those that are missing."""

    def __init__(self, root: pathlib.Path, scheme: str) -> None:
        self._root = root
        self._scheme = scheme
        self._photos = PhotoFolder(root / "photos", root)
        self._labels = by_stem(_labels(root))
        self.image_ids = self._labels.keys()
        self.unlabelled = self._photos.others(map(_photo, self.image_ids))
        if len(self.unlabelled) == len(self._photos.files):
            raise ValueError(f"{root}: no photo has a pixel-level label. {LAYOUT}")
        self.splits = self.divide(self.image_ids)

    def divide(self, image_ids: Collection[str]) -> dict[str, list[str]]:
        """Divides some of the photos."""
        return split_ids(image_ids, self._scheme)

    def read(self, image_id: str) -> RawExample:
        """Reads a photo and its label."""
        image, image_name = self._photos.read(_photo(image_id))
        label, *others = self._labels[image_id]
        if others:
            raise ValueError(f"{label} and {others[0]} are labels of one photo")
        check_inside(label, self._root)
        return RawExample(
            image=image,
            image_name=image_name,
            label_name=str(label),
            label=read_label(label),
        )


def _photo(image_id: str) -> str:
    return f"{image_id}.jpg"


def _labels(root: pathlib.Path) -> list[pathlib.Path]:
    return list_files(root / "annotations/pixel-level", [".mat"])
