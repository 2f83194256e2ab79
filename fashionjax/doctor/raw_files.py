"""The photos of a dataset as they were published, of which only headers are read."""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Sequence

from PIL import Image

from fashionjax.data.progress import progress
from fashionjax.doctor.problems import Problem

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)


@dataclasses.dataclass(frozen=True)
class RawFiles:
    """What lies in the folder of the raw files.

    Attributes:
        sizes: (height, width), upright, by image id, of the photos that were found.
        problems: Files that are no images, images that several files could be.
        num_others: Number of image files that belong to no example.
    """

    sizes: dict[str, tuple[int, int]]
    problems: list[Problem]
    num_others: int


def read_raw_files(folder: pathlib.Path, image_ids: Sequence[str]) -> RawFiles:
    """Reads the sizes of the photos in a folder and the folders in it.

    A file is the photo of an example if its name, with or without ending, is the
    example's id; with several of them a JPEG is preferred, as labels may be PNG files
    of the same name.

    Args:
        folder: The raw files of the dataset.
        image_ids: Ids of the dataset's examples.

    Raises:
        ValueError: There is no such folder, or no photo of the dataset in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; allowed is one of raw files")
    wanted, others = set(image_ids), 0
    found: dict[str, list[pathlib.Path]] = collections.defaultdict(list)
    for path in sorted(_images(folder)):
        image_id = path.stem if path.stem in wanted else path.name
        if image_id in wanted:
            found[image_id].append(path)
        else:
            others += 1
    if not found:
        raise ValueError(
            f"{folder} has no photo of the dataset, whose ids are {image_ids[:3]} …"
        )
    sizes, problems = {}, []
    for image_id, paths in progress(found.items(), len(found), "raw photos"):
        photos = [p for p in paths if p.suffix.lower() in (".jpg", ".jpeg")] or paths
        if len(photos) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in photos)
            problems.append(Problem("several raw files", "", image_id, names))
            continue
        try:
            sizes[image_id] = _upright_size(photos[0])
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            problems.append(Problem("unreadable raw file", "", image_id, str(error)))
    return RawFiles(sizes, problems, others)


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
    return [
        pathlib.Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    ]


def _upright_size(path: pathlib.Path) -> tuple[int, int]:
    with Image.open(path) as photo:
        sideways = photo.getexif().get(_EXIF_ORIENTATION) in _SIDEWAYS
        return (photo.width, photo.height) if sideways else (photo.height, photo.width)
