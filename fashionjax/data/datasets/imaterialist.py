"""iMaterialist (Fashion) 2019 and 2020: photos with instances of 46 categories.

The contests of FGVC6 and FGVC7 on Kaggle. `train.csv` has a row for each instance:
ImageId, EncodedPixels, Height, Width, ClassId, and in 2020 AttributesIds. In 2019
ImageId ends in `.jpg` and ClassId is the category with its attributes,
`CATEGORY_ATTRIBUTE_…`.
"""

import csv
import json
import os
import pathlib
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from fashionjax.constants import BACKGROUND
from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES
from fashionjax.data.category_list import category_ids
from fashionjax.data.fingerprint import fingerprint_of
from fashionjax.data.images import MAX_PIXELS
from fashionjax.data.instances import SMALLER_WINS, Instance, stack_instances
from fashionjax.data.label_maps import IMATERIALIST_9
from fashionjax.data.paths import roots
from fashionjax.data.photo_builder import PhotoBuilder
from fashionjax.data.photo_files import PhotoFolder
from fashionjax.data.raw_folder import RawExample
from fashionjax.data.rle import find_first_pixel, parse_runs
from fashionjax.data.splitting import shuffled_split, sizes_of
from fashionjax.data.stratified import stratified_ids

S3_SPLIT = "s3_70_9_21"
RANDOM_SPLIT = "random_80_10_10"
COLUMNS = ("ImageId", "EncodedPixels", "Height", "Width", "ClassId")

_SEED = 0
_CHECKED_ROWS = 20_000
_LONGEST_FIELD = 1 << 30


def split_ids(
    categories_of: dict[str, frozenset[int]], scheme: str
) -> dict[str, list[str]]:
    """Divides photos into splits.

    Args:
        categories_of: The categories 0..45 on each photo, by its id.
        scheme: `s3_70_9_21`: without photos of a jumpsuit, stratified over S3's eight
            merged categories; or `random_80_10_10`: all photos.

    Returns:
        Sorted ids by split.

    Raises:
        ValueError: Another scheme.
    """
    if scheme == RANDOM_SPLIT:
        sizes = sizes_of(len(categories_of), {"train": 80, "val": 10, "test": 10})
        return shuffled_split(categories_of, sizes)
    if scheme != S3_SPLIT:
        raise ValueError(f"split {scheme!r}; allowed are {S3_SPLIT}, {RANDOM_SPLIT}")
    kept = [
        image_id
        for image_id, found in categories_of.items()
        if IMATERIALIST_9.dropped.isdisjoint(found)
    ]
    present = np.zeros((len(kept), IMATERIALIST_9.num_classes), bool)
    for row, image_id in enumerate(kept):
        classes = [IMATERIALIST_9.target_of[i] for i in categories_of[image_id]]
        present[row, classes] = True
    # Background is on every photo.
    return stratified_ids(kept, present[:, BACKGROUND + 1 :], _SEED)


def find_raw(folder: pathlib.Path, layout: str) -> pathlib.Path:
    """Where `train.csv` and the rest lie: here or in the only folder in here.

    Raises:
        ValueError: Neither has the layout.
    """
    for root in roots(folder):
        files = [root / "train.csv", root / "label_descriptions.json"]
        if all(file.is_file() for file in files) and (root / "train").is_dir():
            return root
    raise ValueError(f"{folder} is no iMaterialist folder. {layout}")


class Row(NamedTuple):
    """A row of `train.csv`.

    Attributes:
        image_id: File name of the photo without ending.
        runs: Its `EncodedPixels`.
        shape: (height, width) of the photo.
        class_id: Its category in the file's own numbers.
    """

    image_id: str
    runs: str
    shape: tuple[int, int]
    class_id: int


class InstanceTable:
    """`train.csv`, of which rows are read when they are asked for.

    Args:
        path: The file.
        first_pixel: The number of a photo's first pixel, 1 or 0.

    Raises:
        ValueError: It has other columns, or a row that is none; the message has its
            number. Or its runs are clearly counted from the other number.
    """

    def __init__(self, path: pathlib.Path, first_pixel: int = 1) -> None:
        self.path = path
        self._rows: dict[str, list[tuple[int, int]]] = {}
        self.class_ids: dict[str, set[int]] = {}
        self._columns: list[int] = []
        csv.field_size_limit(_LONGEST_FIELD)
        evidence = find_first_pixel(
            (row.runs, row.shape[0])
            for number, row in enumerate(self._index())
            if number < _CHECKED_ROWS
        )
        found = evidence.first_pixel
        if found not in (None, first_pixel):
            raise ValueError(
                f"{path}: EncodedPixels are counted from {found}, and not from"
                f" {first_pixel}: {evidence.starts_at_zero} runs start at 0, and of"
                f" those at a photo's border {evidence.zero} end there counted from 0,"
                f" {evidence.one} from 1. Give --first_pixel={found}"
                f" (--config.data.first_pixel={found} in a run)"
            )

    def rows(self, image_id: str) -> list[Row]:
        """The instances of a photo, in the order of the file."""
        with self.path.open("rb") as file:
            found = []
            for offset, length in self._rows[image_id]:
                found.append(self._parse(os.pread(file.fileno(), length, offset)))
        return found

    def _index(self) -> Iterator[Row]:
        """Remembers where every row lies, and passes the rows on."""
        with self.path.open("rb") as file:
            header = file.readline()
            names = _fields(header)
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise ValueError(f"{self.path} has no column {', '.join(missing)}")
            self._columns = [names.index(name) for name in COLUMNS]
            offset = len(header)
            for number, line in enumerate(file, 2):
                if line.strip():
                    try:
                        row = self._parse(line)
                    except ValueError as error:
                        raise ValueError(f"{self.path}, line {number}: {error}") from (
                            error
                        )
                    self._rows.setdefault(row.image_id, []).append((offset, len(line)))
                    self.class_ids.setdefault(row.image_id, set()).add(row.class_id)
                    yield row
                offset += len(line)

    def _parse(self, line: bytes) -> Row:
        fields = _fields(line)
        if len(fields) <= max(self._columns):
            raise ValueError(f"{len(fields)} columns; allowed are {COLUMNS}")
        image_id, runs, *numbers, class_id = (fields[i] for i in self._columns)
        try:
            height, width = map(int, numbers)
            category = int(class_id.split("_")[0])
        except ValueError as error:
            raise ValueError(
                f"Height {numbers[0]!r}, Width {numbers[1]!r}, ClassId {class_id!r}:"
                " allowed are integers"
            ) from error
        return Row(image_id.removesuffix(".jpg"), runs, (height, width), category)


class _RawImaterialist:
    """The photos of a folder."""

    def __init__(
        self, root: pathlib.Path, scheme: str, overlap: str, first_pixel: int
    ) -> None:
        self._photos = PhotoFolder(root / "train", root)
        self._one_indexed = first_pixel == 1
        self._scheme = scheme
        self._overlap = overlap
        path = root / "label_descriptions.json"
        try:
            self._category_of = category_ids(
                json.loads(path.read_bytes())["categories"], str(path)
            )
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"cannot read {path}: {error!r}") from error
        self._table = InstanceTable(root / "train.csv", first_pixel)
        self._categories = {
            image_id: frozenset(
                self._category_of[i] for i in found if i in self._category_of
            )
            for image_id, found in self._table.class_ids.items()
        }
        if not self._categories:
            raise ValueError(f"{self._table.path} has no rows")
        self.image_ids = self._categories.keys()
        self.unlabelled = self._photos.others(map(_photo, self.image_ids))
        self.splits = self.divide(self._categories)

    def divide(self, image_ids: Collection[str]) -> dict[str, list[str]]:
        """Divides some of the photos."""
        found = {image_id: self._categories[image_id] for image_id in image_ids}
        return split_ids(found, self._scheme)

    def read(self, image_id: str) -> RawExample:
        """Reads a photo and its instances."""
        image, image_name = self._photos.read(_photo(image_id))
        rows = self._table.rows(image_id)
        label_name = f"the label of {image_id} in {self._table.path}"
        try:
            shape = _common_shape(rows)
            instances = [self._instance(row) for row in rows]
            label, stacks = stack_instances(instances, shape, self._overlap)
        except ValueError as error:
            raise ValueError(f"{label_name}: {error}") from error
        return RawExample(image, image_name, label_name, label, stacks)

    def _instance(self, row: Row) -> Instance:
        if row.class_id not in self._category_of:
            raise ValueError(
                f"ClassId {row.class_id}; allowed are {sorted(self._category_of)}"
            )
        runs = parse_runs(row.runs, row.shape, one_indexed=self._one_indexed)
        return Instance(self._category_of[row.class_id], runs)


class _Imaterialist(PhotoBuilder, skip_registration=True):
    """What both years share."""

    LICENSE = (
        "For non-commercial research and education, by the contest's rules; the photos"
        " belong to their owners."
    )
    SOURCE_NAMES = FASHIONPEDIA_CATEGORIES
    HAS_INSTANCES = True
    NUMBERS_PIXELS = True

    @classmethod
    def find_raw(cls, folder: pathlib.Path) -> pathlib.Path:
        """See `find_raw`."""
        return find_raw(folder, cls.MANUAL_DOWNLOAD_INSTRUCTIONS)

    @classmethod
    def fingerprint(cls, raw_dir: pathlib.Path) -> dict[str, Any]:
        """Counts photos; hashes names and sizes of all files, and annotations."""
        root = cls.find_raw(raw_dir)
        files = {
            "photos": PhotoFolder(root / "train", root).files,
            "annotations": [root / "train.csv", root / "label_descriptions.json"],
        }
        return fingerprint_of(files, "annotations")

    @classmethod
    def open_raw(
        cls,
        root: pathlib.Path,
        scheme: str,
        overlap: str = SMALLER_WINS,
        first_pixel: int = 1,
    ) -> _RawImaterialist:
        """Opens a folder."""
        return _RawImaterialist(root, scheme, overlap, first_pixel)


_LAYOUT = (
    "Accept the rules of {contest} on Kaggle and unpack its files: train.csv,"
    " label_descriptions.json and train/ with the photos."
)
_RANDOM = tfds.core.BuilderConfig(
    name=RANDOM_SPLIT, description="80/10/10 of all photos by a seeded shuffle."
)


class Imaterialist2019(_Imaterialist):
    """TFDS builder; `download_config.manual_dir` is the contest's folder."""

    TITLE = "iMaterialist (Fashion) 2019 at FGVC6: instances of 46 categories."
    HOMEPAGE = "https://www.kaggle.com/c/imaterialist-fashion-2019-FGVC6"
    NUM_PUBLISHED = 45_622
    MANUAL_DOWNLOAD_INSTRUCTIONS = _LAYOUT.format(
        contest="imaterialist-fashion-2019-FGVC6"
    )
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(
            name=S3_SPLIT, description="70/9/21 of S3, stratified, no jumpsuits."
        ),
        _RANDOM,
    ]


class Imaterialist2020(_Imaterialist):
    """TFDS builder; `download_config.manual_dir` is the contest's folder."""

    TITLE = "iMaterialist (Fashion) 2020 at FGVC7: instances of 46 categories."
    HOMEPAGE = "https://www.kaggle.com/c/imaterialist-fashion-2020-fgvc7"
    NUM_PUBLISHED = 45_623
    MANUAL_DOWNLOAD_INSTRUCTIONS = _LAYOUT.format(
        contest="imaterialist-fashion-2020-fgvc7"
    )
    BUILDER_CONFIGS: ClassVar = [_RANDOM]


def _photo(image_id: str) -> str:
    return f"{image_id}.jpg"


def _fields(line: bytes) -> list[str]:
    try:
        return next(csv.reader([line.decode().rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"no row of text: {error}") from error


def _common_shape(rows: list[Row]) -> tuple[int, int]:
    shapes = sorted({row.shape for row in rows})
    height, width = shapes[0]
    if len(shapes) > 1 or min(height, width) < 1 or height * width > MAX_PIXELS:
        raise ValueError(
            f"Height and Width {', '.join(map(str, shapes))}; allowed is one size of at"
            f" most {MAX_PIXELS} pixels"
        )
    return height, width
