"""Fashionpedia: photos with instances of 46 categories, in COCO's JSON.

Jia et al.: Fashionpedia: Ontology, Segmentation, and an Attribute Localization Dataset,
ECCV 2020. Its test photos have no published labels.
"""

import json
import pathlib
from collections.abc import Collection, Iterable
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES
from fashionjax.data.category_list import category_ids
from fashionjax.data.coco_masks import decode_segmentation
from fashionjax.data.fingerprint import fingerprint_of
from fashionjax.data.images import MAX_PIXELS
from fashionjax.data.instances import SMALLER_WINS, Instance, stack_instances
from fashionjax.data.paths import roots
from fashionjax.data.photo_builder import PhotoBuilder
from fashionjax.data.photo_files import PhotoFolder
from fashionjax.data.raw_folder import RawExample
from fashionjax.data.splitting import shuffled_split

S2_SPLIT = "s2_val"
HALVED_SPLIT = "val_halved"
TRAIN_FILE = "instances_attributes_train2020.json"
VAL_FILE = "instances_attributes_val2020.json"
LAYOUT = (
    "Get train2020.zip, val_test2020.zip and the two JSON files of instances from"
    " https://github.com/cvdfoundation/fashionpedia and unpack them into one folder:"
    f" train/ and test/ with the photos, {TRAIN_FILE} and {VAL_FILE} beside them or in"
    " annotations/."
)

# What JSON of another structure leads to.
_UNEXPECTED = (KeyError, TypeError, ValueError, OverflowError, RecursionError)


def split_ids(
    train: Iterable[str], val: Iterable[str], scheme: str
) -> dict[str, list[str]]:
    """Divides the photos that have labels.

    Args:
        train: Photos of the training file, 45,623 as published.
        val: Photos of the validation file, 1,158 as published.
        scheme: `s2_val`: as the files have them, without a test split; or
            `val_halved`: a half each of the validation photos, 579 and 579, to
            validate and to test.

    Returns:
        Sorted ids by split.

    Raises:
        ValueError: Another scheme.
    """
    others = sorted(val)
    if scheme == S2_SPLIT:
        return {"train": sorted(train), "val": others}
    if scheme == HALVED_SPLIT:
        sizes = {"val": len(others) - len(others) // 2, "test": len(others) // 2}
        return {"train": sorted(train)} | shuffled_split(others, sizes)
    raise ValueError(f"split {scheme!r}; allowed are {S2_SPLIT}, {HALVED_SPLIT}")


def find_raw(folder: pathlib.Path) -> pathlib.Path:
    """Where photos and annotations lie: here or in the only folder in here.

    Raises:
        ValueError: Neither has the layout.
    """
    for root in roots(folder):
        files = _annotations(root, TRAIN_FILE), _annotations(root, VAL_FILE)
        if all(file.is_file() for file in files) and (root / "train").is_dir():
            return root
    raise ValueError(f"{folder} is no Fashionpedia folder. {LAYOUT}")


class AnnotationFile:
    """A JSON file of instances and the folder of its photos.

    Args:
        path: The file.
        photos: The folder.
        overlap: Which of several instances is on top; see `instances.ORDERS`.

    Attributes:
        image_ids: File names of the photos without ending, in the order of the file.
        unlabelled: Names of the photos in the folder that are not in the file.

    Raises:
        ValueError: It is no such file.
    """

    def __init__(
        self, path: pathlib.Path, photos: pathlib.Path, overlap: str = SMALLER_WINS
    ) -> None:
        self.path = path
        self._overlap = overlap
        self._photos = PhotoFolder(photos, photos.parent)
        try:
            contents = json.loads(path.read_bytes(), object_hook=_compact)
            self._category_of = category_ids(contents["categories"], str(path))
            images = {int(image["id"]): image for image in contents["images"]}
            annotations: dict[int, list[Any]] = {number: [] for number in images}
            for annotation in contents["annotations"]:
                number = int(annotation["image_id"])
                if number not in annotations:
                    raise ValueError(
                        f"an annotation is of image {number}, which the"
                        " file does not list"
                    )
                annotations[number].append(annotation)
            self._images = {
                pathlib.PurePath(str(image["file_name"])).stem: (
                    image,
                    annotations[number],
                )
                for number, image in images.items()
            }
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is no JSON: {error}") from error
        except _UNEXPECTED as error:
            # What other errors say by themselves needs their names.
            why = error if type(error) is ValueError else repr(error)
            raise ValueError(f"{path} is no file of instances: {why}") from error
        if len(self._images) < len(contents["images"]):
            raise ValueError(f"{path}: an image's id or file name comes twice")
        self.image_ids = list(self._images)
        names = (str(image["file_name"]) for image, _ in self._images.values())
        self.unlabelled = self._photos.others(names)

    def read(self, image_id: str) -> RawExample:
        """Reads a photo and its instances.

        Raises:
            ValueError: One of them is not what it should be.
        """
        image, annotations = self._images[image_id]
        photo, photo_name = self._photos.read(str(image["file_name"]))
        label_name = f"the label of {image_id} in {self.path}"
        try:
            shape = _shape(image)
            instances = [self._instance(a, shape) for a in annotations]
            label, stacks = stack_instances(instances, shape, self._overlap)
        except ValueError as error:
            raise ValueError(f"{label_name}: {error}") from error
        return RawExample(photo, photo_name, label_name, label, stacks)

    def _instance(self, annotation: Any, shape: tuple[int, int]) -> Instance:
        category = annotation.get("category_id")
        if not isinstance(category, int) or category not in self._category_of:
            raise ValueError(
                f"annotation {annotation.get('id')} of category {category!r}; allowed"
                f" are {sorted(self._category_of)}"
            )
        try:
            runs = decode_segmentation(annotation.get("segmentation"), shape)
        except ValueError as error:
            raise ValueError(f"annotation {annotation.get('id')}: {error}") from error
        crowd = bool(annotation.get("iscrowd", 0))
        return Instance(self._category_of[category], runs, crowd)


class _RawFashionpedia:
    """Both files of a folder."""

    def __init__(self, root: pathlib.Path, scheme: str, overlap: str) -> None:
        self._scheme = scheme
        train = AnnotationFile(_annotations(root, TRAIN_FILE), root / "train", overlap)
        val = AnnotationFile(_annotations(root, VAL_FILE), root / "test", overlap)
        self._file_of = {i: file for file in (train, val) for i in file.image_ids}
        if len(self._file_of) < len(train.image_ids) + len(val.image_ids):
            raise ValueError(f"{root}: {TRAIN_FILE} and {VAL_FILE} share photos")
        self.image_ids = self._file_of.keys()
        self.unlabelled = train.unlabelled + val.unlabelled
        self._train, self._val = set(train.image_ids), set(val.image_ids)
        self.splits = self.divide(self._file_of)

    def divide(self, image_ids: Collection[str]) -> dict[str, list[str]]:
        """Divides some of the photos."""
        chosen = set(image_ids)
        splits = split_ids(chosen & self._train, chosen & self._val, self._scheme)
        return {split: ids for split, ids in splits.items() if ids}

    def read(self, image_id: str) -> RawExample:
        """Reads a photo and its instances."""
        return self._file_of[image_id].read(image_id)


class Fashionpedia(PhotoBuilder):
    """TFDS builder; `download_config.manual_dir` is the raw Fashionpedia folder."""

    TITLE = "Fashionpedia: instances of 27 garments and 19 of their parts."
    HOMEPAGE = "https://fashionpedia.github.io/home/"
    LICENSE = "Annotations: CC BY 4.0. The photos belong to their owners."
    MANUAL_DOWNLOAD_INSTRUCTIONS = LAYOUT
    SOURCE_NAMES = FASHIONPEDIA_CATEGORIES
    NUM_PUBLISHED = 46_781
    HAS_INSTANCES = True
    WITHOUT_TEST = frozenset({S2_SPLIT})
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(
            name=S2_SPLIT, description="train2020 and val2020 of S2, no test."
        ),
        tfds.core.BuilderConfig(
            name=HALVED_SPLIT,
            description="train2020; a half each of val2020 to validate and to test.",
        ),
    ]

    @classmethod
    def find_raw(cls, folder: pathlib.Path) -> pathlib.Path:
        """See `find_raw`."""
        return find_raw(folder)

    @classmethod
    def fingerprint(cls, raw_dir: pathlib.Path) -> dict[str, Any]:
        """Counts photos; hashes names and sizes of all files, and annotations."""
        root = find_raw(raw_dir)
        files = {
            "photos": PhotoFolder(root / "train", root).files,
            "others": PhotoFolder(root / "test", root).files,
            "annotations": [_annotations(root, f) for f in (TRAIN_FILE, VAL_FILE)],
        }
        return fingerprint_of(files, "annotations")

    @classmethod
    def open_raw(
        cls,
        root: pathlib.Path,
        scheme: str,
        overlap: str = SMALLER_WINS,
        first_pixel: int = 1,
    ) -> _RawFashionpedia:
        """Opens a folder; COCO counts no pixels."""
        del first_pixel
        return _RawFashionpedia(root, scheme, overlap)


def _annotations(root: pathlib.Path, name: str) -> pathlib.Path:
    inner = root / "annotations" / name
    return inner if inner.is_file() else root / name


def _compact(entry: dict[str, Any]) -> dict[str, Any]:
    """Keeps what is used of an annotation, polygons as arrays: a tenth of the memory.

    A polygon that is none stays as it is, and is refused when it is read.
    """
    polygons = entry.get("segmentation")
    if not isinstance(polygons, list):
        return entry
    used = ("id", "image_id", "category_id", "iscrowd")
    compact = {key: entry[key] for key in used if key in entry}
    return compact | {"segmentation": [_as_array(polygon) for polygon in polygons]}


def _as_array(polygon: Any) -> Any:
    try:
        return np.array(polygon, np.float32)
    except (TypeError, ValueError):
        return polygon


def _shape(image: Any) -> tuple[int, int]:
    try:
        height, width = int(image["height"]), int(image["width"])
    except _UNEXPECTED as error:
        raise ValueError(f"no height and width: {error!r}") from error
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise ValueError(
            f"size {height}x{width}; allowed are at most {MAX_PIXELS} pixels"
        )
    return height, width
