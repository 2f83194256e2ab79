"""Drawn people as the raw files of a dataset, to try and test what reads those."""

import csv
import json
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES
from fashionjax.data.coco_masks import counts_of, encode_counts
from fashionjax.data.datasets.fashionpedia import TRAIN_FILE, VAL_FILE
from fashionjax.data.datasets.imaterialist import COLUMNS
from fashionjax.data.outlines import outlines_of
from fashionjax.data.progress import progress
from fashionjax.data.rle import format_runs, runs_of
from fashionjax.data.synthetic import Photo, render_photo
from fashionjax.data.synthetic.ccp import ccp_label

SIZES = ((288, 192), (300, 200), (240, 240), (192, 288))
"""(height, width) of the photos, in turn."""

_MAX_COUNT = 9_999

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
        _save(photo, folder / f"photos/{name}.jpg")
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
            _save(photo, folder / f"train/{image_id}.jpg")
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
        _save(photo, folder / ("test" if to_val else "train") / name)
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


def _save(photo: Photo, path: pathlib.Path) -> None:
    Image.fromarray(photo.image).save(path, format="JPEG", quality=95, subsampling=0)


_CATEGORIES = [
    {"id": i, "name": name, "supercategory": "", "level": 2}
    for i, name in enumerate(FASHIONPEDIA_CATEGORIES)
]

WRITERS: Mapping[str, Callable[[pathlib.Path, Photos], None]] = {
    "ccp": _ccp,
    "imaterialist2019": _imaterialist2019,
    "imaterialist2020": _imaterialist2020,
    "fashionpedia": _fashionpedia,
}
"""What can be drawn."""
