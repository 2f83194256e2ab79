"""Fashionista: 685 street photos of 600x400, in a MATLAB file.

Version 0.2 (Yamaguchi, Kiapour, Ortiz, Berg: Parsing Clothing in Fashion Photographs,
CVPR 2012) labels superpixels with 56 names; version 1.0, Refined Fashionista (Tangseng,
Wu, Yamaguchi: Looking at Outfit to Parse Clothing, 2017), labels pixels with 25.
"""

import pathlib
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from fashionjax.data.categories import FASHIONISTA_V02_NAMES
from fashionjax.data.fingerprint import fingerprint_of
from fashionjax.data.images import decode_first_channel, decode_integers
from fashionjax.data.instances import SMALLER_WINS
from fashionjax.data.label_maps import FASHIONISTA_25
from fashionjax.data.matlab import load_mat
from fashionjax.data.paths import roots
from fashionjax.data.photo_builder import PhotoBuilder
from fashionjax.data.raw_folder import RawExample
from fashionjax.data.splitting import chosen_ids
from fashionjax.data.superpixels import look_up

SPLIT = "tangseng"
_VAL_EVERY = 10
_MAX_BYTES = 4 << 30
_LAYOUT = "The folder holds {files}; {where}."


def split_ids(count: int, test_index: Sequence[int]) -> dict[str, list[str]]:
    """Divides photos as Tangseng et al. do.

    Args:
        count: Number of photos.
        test_index: Positions of the test photos, counted from 1.

    Returns:
        Positions counted from 1, in order and as text, by split: of those that are not
        to test, every tenth validates. 685 photos, 229 of them to test, give 411, 45
        and 229.

    Raises:
        ValueError: A position twice or out of range.
    """
    test = sorted(set(test_index))
    if len(test) < len(test_index) or (test and not 1 <= test[0] <= test[-1] <= count):
        raise ValueError(
            f"test_index {test[:3]} … {test[-3:]}: allowed are different positions in"
            f" 1..{count}"
        )
    rest = [i for i in range(1, count + 1) if i not in set(test)]
    val = rest[_VAL_EVERY - 1 :: _VAL_EVERY]
    train = [i for i in rest if i not in set(val)]
    splits = {"train": train, "val": val, "test": test}
    return {
        split: [f"{i:04d}" for i in positions]
        for split, positions in splits.items()
        if positions
    }


class _RawFashionista:
    """A file's photos."""

    def __init__(self, path: pathlib.Path, names: Sequence[str]) -> None:
        self._path = path
        self._names = names
        contents = load_mat(
            path,
            ["truths", "test_index", "labels"],
            max_bytes=_MAX_BYTES,
        )
        missing = {"truths", "test_index"} - contents.keys()
        truths = np.ravel(contents.get("truths", ()))
        fields = [set(t) if isinstance(t, dict) else set() for t in truths]
        common = set.intersection(*fields) if fields else set()
        if missing or not {"image", "annotation"} <= common:
            raise ValueError(
                f"{path} holds no Fashionista: variables {sorted(missing)} are missing,"
                f" truths has the fields {sorted(common)}"
            )
        self._truths = truths
        if "labels" in contents:
            _check_names(contents["labels"], names, path)
        test_index = np.ravel(contents["test_index"])
        if not np.issubdtype(test_index.dtype, np.number):
            raise ValueError(f"{path}: test_index has the type {test_index.dtype}")
        self.splits = split_ids(len(truths), test_index.astype(np.int64).tolist())
        self.image_ids = [i for ids in self.splits.values() for i in ids]
        self.unlabelled: list[str] = []  # photos lie in the file, with their labels

    def divide(self, image_ids: Collection[str]) -> dict[str, list[str]]:
        """Divides some of the photos; each stays in its split."""
        return chosen_ids(self.splits, image_ids)

    def read(self, image_id: str) -> RawExample:
        """Reads a photo and its label."""
        truth = self._truths[int(image_id) - 1]
        name = f"photo {image_id} of {self._path}"
        annotation = truth["annotation"]
        label_name = f"the label of {name}"
        return RawExample(
            image=_bytes(truth["image"], name),
            image_name=name,
            label_name=label_name,
            label=self._label(annotation, label_name),
        )

    def _label(self, annotation: Any, name: str) -> np.ndarray:
        if np.asarray(annotation).dtype == object:
            label = self._superpixels(annotation, name)
        else:
            # An image whose first channel holds the labels.
            label = decode_first_channel(_bytes(annotation, name), name=name)
        if label.max() >= len(self._names):
            raise ValueError(
                f"{name} has the id {label.max()}; allowed are"
                f" 0..{len(self._names) - 1}"
            )
        return label

    def _superpixels(self, annotation: Any, name: str) -> np.ndarray:
        """Looks labels of superpixels up; MATLAB counts both from 1."""
        try:
            (annotation,) = np.ravel(annotation)
            _check_names(annotation["labels"], self._names, self._path)
            encoded = annotation["superpixel_map"]
            labels = np.ravel(annotation["superpixel_labels"]).astype(np.int64)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error
        return look_up(
            decode_integers(_bytes(encoded, name), name=name) - 1,
            labels - 1,
            name,
        )


class _Fashionista(PhotoBuilder, skip_registration=True):
    """What both versions share.

    Attributes:
        FILES: Names of the MATLAB file; one of them must be there.
    """

    FILES: ClassVar[tuple[str, ...]]
    LICENSE = "For research; the photos belong to their owners."
    NUM_PUBLISHED = 685
    HOMEPAGE = "http://vision.is.tohoku.ac.jp/~kyamagu/research/clothing_parsing/"
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(
            name=SPLIT, description="411/45/229 of Tangseng et al.: the file's test."
        ),
    ]

    @classmethod
    def find_raw(cls, folder: pathlib.Path) -> pathlib.Path:
        """Where the file lies: here or in the only folder in here."""
        for root in roots(folder):
            if any((root / name).is_file() for name in cls.FILES):
                return root
        raise ValueError(
            f"{folder} holds none of {', '.join(cls.FILES)}."
            f" {cls.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )

    @classmethod
    def fingerprint(cls, raw_dir: pathlib.Path) -> dict[str, Any]:
        """Hashes the file, its name and size."""
        return fingerprint_of({"files": [cls._file(cls.find_raw(raw_dir))]}, "files")

    @classmethod
    def open_raw(
        cls,
        root: pathlib.Path,
        scheme: str,
        overlap: str = SMALLER_WINS,
        first_pixel: int = 1,
    ) -> _RawFashionista:
        """Opens the file; there is one scheme, and there are no instances."""
        del scheme, overlap, first_pixel
        return _RawFashionista(cls._file(root), cls.SOURCE_NAMES)

    @classmethod
    def _file(cls, root: pathlib.Path) -> pathlib.Path:
        return next(root / name for name in cls.FILES if (root / name).is_file())


class Fashionista(_Fashionista):
    """TFDS builder of v1.0; `download_config.manual_dir` is the file's folder."""

    TITLE = "Refined Fashionista v1.0: photos with 25 labels a pixel."
    FILES = ("fashionista-v1.0.mat",)
    SOURCE_NAMES = FASHIONISTA_25.class_names
    MANUAL_DOWNLOAD_INSTRUCTIONS = _LAYOUT.format(
        files=FILES[0],
        where="its authors (github.com/pongsate1/fashion-parsing) give it on request",
    )


class FashionistaV02(_Fashionista):
    """TFDS builder of v0.2; `download_config.manual_dir` is the file's folder."""

    TITLE = "Fashionista v0.2: photos with 56 labels of superpixels."
    FILES = ("fashionista_v0.2.1.mat", "fashionista_v0.2.mat")
    SOURCE_NAMES = FASHIONISTA_V02_NAMES
    MANUAL_DOWNLOAD_INSTRUCTIONS = _LAYOUT.format(
        files=FILES[0], where="it is in fashionista-v0.2.1.tgz of its homepage"
    )


def _check_names(found: Any, names: Sequence[str], path: pathlib.Path) -> None:
    """Refuses a file whose labels mean something else."""
    found = [str(name) for name in np.ravel(found)]
    # Both versions call it null at times; what counts is the others' order.
    if found[1:] != list(names[1:]):
        raise ValueError(f"{path} has the labels {found}; allowed are {list(names)}")


def _bytes(encoded: Any, name: str) -> bytes:
    """An encoded image that MATLAB keeps as numbers."""
    numbers = np.asarray(encoded)
    if numbers.dtype != np.uint8 or not numbers.size:
        raise ValueError(f"{name} is no encoded image but {numbers.dtype}")
    return numbers.tobytes()
