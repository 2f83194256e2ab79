"""Colorful Fashion Parsing Data (CFPD): 2,682 photos of 600x400 with 23 labels.

Liu, Feng, Domokos, Xu, Huang, Hu, Yan: Fashion Parsing with Weak Color-Category Labels,
IEEE Transactions on Multimedia 2014. The labels are those of superpixels, in a file of
MATLAB v7.3, which is HDF5: reading it needs h5py (the extra `cfpd`).
"""

import contextlib
import pathlib
from collections.abc import Collection, Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from fashionjax.data.fingerprint import fingerprint_of
from fashionjax.data.images import MAX_PIXELS
from fashionjax.data.instances import SMALLER_WINS
from fashionjax.data.label_maps import CFPD_23
from fashionjax.data.paths import roots
from fashionjax.data.photo_builder import PhotoBuilder
from fashionjax.data.photo_files import PhotoFolder
from fashionjax.data.raw_folder import RawExample
from fashionjax.data.splitting import chosen_ids, shuffled_split
from fashionjax.data.superpixels import look_up

S4_SPLIT = "s4"
TANGSENG_SPLIT = "tangseng"
FILE = "fashon_parsing_data.mat"  # spelt so
LAYOUT = (
    "Get the dataset from https://sites.google.com/site/fashionparsing/dataset: a"
    f" folder with {FILE} and image/ with the photos."
)
_S4_VAL = 108 / 2146

# What h5py raises where a file is damaged, depending on where.
_DAMAGED = (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError)


def split_ids(count: int, scheme: str) -> dict[str, list[str]]:
    """Divides photos by their position in the file, counted from 1.

    Args:
        count: Number of photos; 2,682 as published.
        scheme: `tangseng`: in order 78 % to train, then 20 % to test, then 2 % to
            validate (2,092, 536 and 54). `s4`: the same to test; of the others 2,038 to
            train and 108 to validate. S4 does not tell which ones, so they are drawn.

    Returns:
        Positions as text, by split.

    Raises:
        ValueError: Another scheme.
    """
    num_test, num_val = round(0.2 * count), round(0.02 * count)
    ids = [f"{i:04d}" for i in range(1, count + 1)]
    num_train = count - num_test - num_val
    train, test, val = (
        ids[:num_train],
        ids[num_train : num_train + num_test],
        ids[num_train + num_test :],
    )
    if scheme == S4_SPLIT:
        num_val = round(_S4_VAL * (count - num_test))
        sizes = {"train": count - num_test - num_val, "val": num_val}
        splits = shuffled_split(train + val, sizes) | {"test": test}
    elif scheme == TANGSENG_SPLIT:
        splits = {"train": train, "val": val, "test": test}
    else:
        raise ValueError(f"split {scheme!r}; allowed are {S4_SPLIT}, {TANGSENG_SPLIT}")
    return {split: members for split, members in splits.items() if members}


def find_raw(folder: pathlib.Path) -> pathlib.Path:
    """Where file and photos lie: here or in the only folder in here.

    Raises:
        ValueError: Neither has the layout.
    """
    for root in roots(folder):
        if (root / FILE).is_file() and (root / "image").is_dir():
            return root
    raise ValueError(f"{folder} is no CFPD folder. {LAYOUT}")


class _RawCfpd:
    """A folder's photos."""

    def __init__(self, root: pathlib.Path, scheme: str) -> None:
        self._photos = PhotoFolder(root / "image", root)
        self._path = root / FILE
        with _open(self._path) as file, _damage_told(self._path):
            names = [_text(file[ref]) for ref in _cells(file, "all_category_name")]
            # CFPD calls the background bk.
            if names[1:] != list(CFPD_23.class_names[1:]):
                raise ValueError(f"{self._path} has the labels {names}")
            photos = _cells(file, "fashion_dataset")
            count = len(photos)
            named = {name for ref in photos if (name := _name(file, ref))}
        self.unlabelled = self._photos.others(named)
        self.splits = split_ids(count, scheme)
        self.image_ids = [i for ids in self.splits.values() for i in ids]

    def divide(self, image_ids: Collection[str]) -> dict[str, list[str]]:
        """Divides some of the photos; each stays in its split."""
        return chosen_ids(self.splits, image_ids)

    def read(self, image_id: str) -> RawExample:
        """Reads a photo and its label."""
        label_name = f"the label of photo {image_id} in {self._path}"
        with _open(self._path) as file, _damage_told(label_name):
            photo = file[_cells(file, "fashion_dataset")[int(image_id) - 1]]
            name = _text(_dataset(photo, "img_name"))
            # HDF5 has MATLAB's columns as rows.
            superpixels = _numbers(photo, "segmentation").T
            labels = _numbers(photo, "category_label").ravel() - 1
        if superpixels.ndim != 2:
            raise ValueError(f"{label_name} has the shape {superpixels.shape}")
        label = look_up(superpixels, labels, label_name)
        if label.max() >= CFPD_23.num_classes:
            raise ValueError(
                f"{label_name} has the id {label.max()}; allowed are 0..22"
            )
        image, image_name = self._photos.read(name)
        return RawExample(image, image_name, label_name, label)


class Cfpd(PhotoBuilder):
    """TFDS builder; `download_config.manual_dir` is the raw CFPD folder."""

    TITLE = "Colorful Fashion Parsing Data: photos with 23 labels of superpixels."
    HOMEPAGE = "https://sites.google.com/site/fashionparsing/dataset"
    LICENSE = "None stated; the photos belong to their owners."
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT
    SOURCE_NAMES = CFPD_23.class_names
    NUM_PUBLISHED = 2_682
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name=S4_SPLIT, description="2038/108/536 of S4."),
        tfds.core.BuilderConfig(
            name=TANGSENG_SPLIT, description="2092/54/536 of Tangseng et al."
        ),
    ]

    @classmethod
    def find_raw(cls, folder: pathlib.Path) -> pathlib.Path:
        """See `find_raw`."""
        return find_raw(folder)

    @classmethod
    def fingerprint(cls, raw_dir: pathlib.Path) -> dict[str, Any]:
        """Counts photos; hashes names and sizes of all files, and the labels."""
        root = find_raw(raw_dir)
        photos = PhotoFolder(root / "image", root).files
        files = {"photos": photos, "labels": [root / FILE]}
        return fingerprint_of(files, "labels")

    @classmethod
    def open_raw(
        cls,
        root: pathlib.Path,
        scheme: str,
        overlap: str = SMALLER_WINS,
        first_pixel: int = 1,
    ) -> _RawCfpd:
        """Opens a folder; it has no instances."""
        del overlap, first_pixel
        return _RawCfpd(root, scheme)


@contextlib.contextmanager
def _damage_told(name: object) -> Iterator[None]:
    """Makes ValueErrors of what h5py raises where a file is damaged."""
    try:
        yield
    except ValueError:
        raise
    except _DAMAGED as error:
        raise ValueError(f"cannot read {name}: {error}") from error


def _open(path: pathlib.Path) -> Any:
    try:
        import h5py  # an extra, and slow to import
    except ImportError as error:
        raise ValueError(
            f"reading {path} needs h5py: pip install fashionjax[cfpd]"
        ) from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def _dataset(group: Any, name: str) -> Any:
    """A dataset whose numbers lie in this file; others could be any file's."""
    import h5py

    link = group.get(name, getlink=True) if isinstance(group, h5py.Group) else None
    dataset = group[name] if isinstance(link, h5py.HardLink) else None
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.external
        or dataset.is_virtual
        or not 0 < (dataset.size or 0) <= MAX_PIXELS
    ):
        raise ValueError(
            f"{group.file.filename} has no {name} of its own in {group.name}, or one"
            f" that does not hold 1..{MAX_PIXELS} numbers"
        )
    return dataset


def _cells(file: Any, name: str) -> list[Any]:
    """The references of a MATLAB cell array."""
    import h5py

    cells = _dataset(file, name)
    if h5py.check_ref_dtype(cells.dtype) is not h5py.Reference:
        raise ValueError(f"{file.filename}: {name} is no cell array")
    return cells[()].ravel().tolist()


def _name(file: Any, reference: Any) -> str | None:
    """A photo's file name; None where it cannot be read, which is told later."""
    try:
        return _text(_dataset(file[reference], "img_name"))
    except _DAMAGED:
        return None


def _numbers(group: Any, name: str) -> np.ndarray:
    dataset = _dataset(group, name)
    if dataset.dtype.kind not in "iuf":
        raise ValueError(f"{group.file.filename}: {name} is {dataset.dtype}")
    numbers = dataset[()]
    # MATLAB's numbers are floating, and whole.
    if not (np.abs(numbers) <= MAX_PIXELS).all() or (numbers % 1).any():
        raise ValueError(
            f"{group.file.filename}: {name} of {group.name} holds other numbers than"
            f" whole ones of at most {MAX_PIXELS}"
        )
    return numbers.astype(np.int64)


def _text(dataset: Any) -> str:
    """MATLAB's text: codes of two bytes."""
    return "".join(map(chr, np.asarray(dataset[()], np.uint16).ravel().tolist()))
