"""Drawn people as the raw files of a dataset, to try and test what reads those."""

import csv
import io
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from fashionjax.data.categories import (
    FASHIONISTA_V02_NAMES,
    FASHIONPEDIA_CATEGORIES,
)
from fashionjax.data.coco_masks import counts_of, encode_counts
from fashionjax.data.datasets.cfpd import FILE
from fashionjax.data.datasets.fashionpedia import TRAIN_FILE, VAL_FILE
from fashionjax.data.datasets.imaterialist import COLUMNS
from fashionjax.data.images import encode_label
from fashionjax.data.label_maps import CFPD_23, FASHIONISTA_25
from fashionjax.data.outlines import outlines_of
from fashionjax.data.progress import progress
from fashionjax.data.rle import format_runs, runs_of
from fashionjax.data.synthetic import Photo, render_photo
from fashionjax.data.synthetic.ccp import ccp_label
from fashionjax.data.synthetic.street import (
    cfpd_label,
    fashionista_label,
    fashionista_v02_label,
)

SIZES = ((288, 192), (300, 200), (240, 240), (192, 288))
"""(height, width) of the photos, in turn."""

_MAX_COUNT = 9_999
_TILE = 24  # pixels

Photos = Iterable[tuple[int, Photo]]
"""Photos by their numbers."""


def drawn_photo(number: int) -> Photo:
    """The photo of a number; `synthesize` writes numbers 0 up to its count."""
    return render_photo(number, SIZES[number % len(SIZES)])


def synthesize(name: str, raw_dir: pathlib.Path, count: int) -> None:
    """Writes drawn photos and their labels as a dataset publishes its own.

    Args:
        name: One of `WRITERS`.
        raw_dir: A folder that does not exist; it appears only when it is complete.
        count: Number of photos, 1..9999.

    Raises:
        ValueError: Unknown dataset, a count out of range, or the folder exists.
    """
    if name not in WRITERS:
        raise ValueError(f"dataset {name!r}; allowed are {', '.join(WRITERS)}")
    if not 1 <= count <= _MAX_COUNT:
        raise ValueError(f"count {count}; allowed is 1..{_MAX_COUNT}")
    if raw_dir.exists():
        raise ValueError(f"{raw_dir} exists; name a folder that does not")
    raw_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=raw_dir.parent, prefix=".draw-") as temporary:
        folder = pathlib.Path(temporary) / raw_dir.name
        folder.mkdir()
        numbers = progress(range(count), count, f"draw {name}")
        WRITERS[name](folder, ((number, drawn_photo(number)) for number in numbers))
        folder.rename(raw_dir)


def _ccp(folder: pathlib.Path, photos: Photos) -> None:
    labels = folder / "annotations/pixel-level"
    labels.mkdir(parents=True)
    (folder / "photos").mkdir()
    for number, photo in photos:
        name = f"{number + 1:04d}"
        (folder / f"photos/{name}.jpg").write_bytes(_jpeg(photo))
        contents = {"groundtruth": ccp_label(photo)}
        scipy.io.savemat(labels / f"{name}.mat", contents, do_compression=True)


def _imaterialist2019(folder: pathlib.Path, photos: Photos) -> None:
    # A category and its attributes, and file names with their ending.
    _imaterialist(folder, photos, lambda i: [f"{i}_1_92"], ending=".jpg")


def _imaterialist2020(folder: pathlib.Path, photos: Photos) -> None:
    _imaterialist(folder, photos, lambda i: [str(i), "115,136"], ending="")


def _imaterialist(
    folder: pathlib.Path,
    photos: Photos,
    last_columns: Callable[[int], list[str]],
    *,
    ending: str,
) -> None:
    (folder / "train").mkdir()
    names = [*COLUMNS, "AttributesIds"][: len(COLUMNS) - 1 + len(last_columns(0))]
    with (folder / "train.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(names)
        for number, photo in photos:
            image_id = f"{number:032x}"
            (folder / f"train/{image_id}.jpg").write_bytes(_jpeg(photo))
            for category, mask in zip(photo.category_ids, photo.masks, strict=True):
                size = map(str, mask.shape)
                runs = format_runs(runs_of(mask))
                last = last_columns(int(category))
                table.writerow([image_id + ending, runs, *size, *last])
    contents = {"categories": _CATEGORIES, "attributes": []}
    (folder / "label_descriptions.json").write_text(json.dumps(contents))


def _fashionpedia(folder: pathlib.Path, photos: Photos) -> None:
    files: dict[str, dict[str, Any]] = {
        name: {"images": [], "annotations": [], "categories": _CATEGORIES}
        for name in (TRAIN_FILE, VAL_FILE)
    }
    for photos_of in ("train", "test"):
        (folder / photos_of).mkdir()
    for number, photo in photos:
        to_val = number % 10 in (3, 7)
        contents = files[VAL_FILE if to_val else TRAIN_FILE]
        name = f"{number:032x}.jpg"
        (folder / ("test" if to_val else "train") / name).write_bytes(_jpeg(photo))
        height, width = photo.image.shape[:2]
        contents["images"].append(
            {"id": number, "file_name": name, "height": height, "width": width}
        )
        for category, mask in zip(photo.category_ids, photo.masks, strict=True):
            contents["annotations"].append(
                {
                    "id": len(contents["annotations"]),
                    "image_id": number,
                    "category_id": int(category),
                    "attribute_ids": [],
                    "segmentation": _segmentation(mask),
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                }
            )
    for name, contents in files.items():
        (folder / name).write_text(json.dumps(contents))


def _segmentation(mask: np.ndarray) -> Any:
    """Polygons where they can say it, else compressed run lengths."""
    counts = encode_counts(counts_of(runs_of(mask), mask.shape))
    return outlines_of(mask) or {"size": list(mask.shape), "counts": counts}


def _fashionista(folder: pathlib.Path, photos: Photos) -> None:
    truths = [
        {"image": _numbers(_jpeg(photo)), "annotation": _numbers(encode_label(label))}
        for _, photo in photos
        # Three channels, of which the first is the label.
        for label in [np.repeat(fashionista_label(photo)[..., None], 3, axis=2)]
    ]
    names = np.array(FASHIONISTA_25.class_names, object)
    _save_truths(folder / "fashionista-v1.0.mat", truths, {"labels": names})


def _fashionista_v02(folder: pathlib.Path, photos: Photos) -> None:
    truths = []
    for _, photo in photos:
        superpixels, labels = _superpixels(fashionista_v02_label(photo))
        annotation = {
            "superpixel_map": _numbers(_png16(superpixels + 1)),
            "superpixel_labels": labels + 1.0,
            "labels": np.array(FASHIONISTA_V02_NAMES, object),
        }
        truths.append({"image": _numbers(_jpeg(photo)), "annotation": annotation})
    _save_truths(folder / "fashionista_v0.2.1.mat", truths, {})


def _save_truths(
    path: pathlib.Path, truths: list[dict[str, Any]], others: dict[str, Any]
) -> None:
    """Writes a struct array; every third photo is to test, as in the real files."""
    array = np.array([tuple(t.values()) for t in truths], [(k, "O") for k in truths[0]])
    test_index = np.arange(3, len(truths) + 1, 3, dtype=np.float64)
    contents = {"truths": array, "test_index": test_index} | others
    scipy.io.savemat(path, contents, do_compression=True)


def _cfpd(folder: pathlib.Path, photos: Photos) -> None:
    import h5py  # an extra

    (folder / "image").mkdir()
    with h5py.File(folder / FILE, "w") as file:
        refs = []
        for number, photo in photos:
            name = f"{number + 1}.jpg"
            (folder / "image" / name).write_bytes(_jpeg(photo))
            superpixels, labels = _superpixels(cfpd_label(photo))
            group = file.create_group(f"#refs#/{number}")
            group["img_name"] = _codes(name)
            group["segmentation"] = superpixels.T.astype(np.float64)
            group["category_label"] = labels[None] + 1.0
            refs.append(group.ref)
        file["fashion_dataset"] = np.array([refs], h5py.ref_dtype)
        names = ["bk", *CFPD_23.class_names[1:]]
        for i, name in enumerate(names):
            file[f"#refs#/name{i}"] = _codes(name)
        cells = [[file[f"#refs#/name{i}"].ref] for i in range(len(names))]
        file["all_category_name"] = np.array(cells, h5py.ref_dtype)


def _codes(text: str) -> np.ndarray:
    """Text as MATLAB keeps it in HDF5."""
    return np.array([[ord(character)] for character in text], np.uint16)


def _superpixels(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tiles of one label each, counted from 0, and the label of each."""
    rows, columns = (np.arange(side) // _TILE for side in label.shape)
    tile = rows[:, None] * (columns[-1] + 1) + columns
    keys, superpixels = np.unique(tile * 256 + label, return_inverse=True)
    return superpixels.reshape(label.shape), keys % 256


def _numbers(file: bytes) -> np.ndarray:
    """An encoded image as MATLAB keeps it: uint8 `[n]`."""
    return np.frombuffer(file, np.uint8)


def _png16(integers: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(integers.astype(np.uint16)).save(file, format="PNG")
    return file.getvalue()


def _jpeg(photo: Photo) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(photo.image)
    image.save(file, format="JPEG", quality=95, subsampling=0)
    return file.getvalue()


_CATEGORIES = [
    {"id": i, "name": name, "supercategory": "", "level": 2}
    for i, name in enumerate(FASHIONPEDIA_CATEGORIES)
]

WRITERS: Mapping[str, Callable[[pathlib.Path, Photos], None]] = {
    "ccp": _ccp,
    "imaterialist2019": _imaterialist2019,
    "imaterialist2020": _imaterialist2020,
    "fashionpedia": _fashionpedia,
    "fashionista": _fashionista,
    "fashionista_v02": _fashionista_v02,
    "cfpd": _cfpd,
}
"""What can be drawn."""
