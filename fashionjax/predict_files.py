"""Predictions on files: photos in, label maps, overlays and a list of classes out."""

import glob
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fashionjax import visualize
from fashionjax.constants import BACKGROUND
from fashionjax.data.images import decode_image
from fashionjax.predict import Predictor

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def find_images(spec: str) -> list[Path]:
    """Lists the photos that a file name, a folder or a pattern means.

    Args:
        spec: A file, a folder (searched for images, not its subfolders) or a glob
            pattern.

    Returns:
        Files, sorted by name.

    Raises:
        ValueError: If there are none, or two have the same stem, whose results would
            overwrite each other.
    """
    path = Path(spec)
    if path.is_dir():
        files = [p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
    elif path.is_file():
        files = [path]
    else:
        files = [Path(p) for p in glob.glob(spec, recursive=True) if Path(p).is_file()]
    if not files:
        raise ValueError(
            f"no images at {spec!r}: name a file, a folder with"
            f" {', '.join(IMAGE_SUFFIXES)} or a glob pattern"
        )
    files.sort()
    stems: dict[str, Path] = {}
    for file in files:
        if file.stem in stems:
            raise ValueError(
                f"{stems[file.stem]} and {file} would both be written to"
                f" {file.stem}.png; predict them separately"
            )
        stems[file.stem] = file
    return files


def predict_files(
    predictor: Predictor, files: Sequence[Path], out: Path, *, chunk_size: int = 16
) -> Iterator[dict[str, Any]]:
    """Labels photos and writes `STEM.png`, `STEM_overlay.jpg`, `predictions.jsonl`.

    Args:
        predictor: The model.
        files: Photos.
        out: Folder to write to; created.
        chunk_size: Photos decoded at a time.

    Yields:
        A record for each photo: "file", "classes" and "pixel_shares" by class, or
        "file" and "error" where it cannot be read.

    Raises:
        ValueError: If a result would overwrite one of the photos.
    """
    photos = {file.resolve() for file in files}
    for file in files:
        for result in (f"{file.stem}.png", f"{file.stem}_overlay.jpg"):
            if (out / result).resolve() in photos:
                raise ValueError(
                    f"the result {out / result} would overwrite a photo; choose"
                    " another folder to write to"
                )
    out.mkdir(parents=True, exist_ok=True)
    with (out / "predictions.jsonl").open("w") as records:
        for start in range(0, len(files), chunk_size):
            for record in _predict_chunk(
                predictor, files[start : start + chunk_size], out
            ):
                records.write(json.dumps(record) + "\n")
                records.flush()
                yield record


def _predict_chunk(
    predictor: Predictor, files: Sequence[Path], out: Path
) -> list[dict[str, Any]]:
    records: dict[Path, dict[str, Any]] = {}
    photos: dict[Path, np.ndarray] = {}
    for file in files:
        try:
            photos[file] = decode_image(file.read_bytes(), name=str(file))
        except (OSError, ValueError) as error:
            records[file] = {"file": str(file), "error": str(error)}
    labels = predictor.label_maps(list(photos.values()))
    for (file, photo), label in zip(photos.items(), labels, strict=True):
        visualize.palette_png(out / f"{file.stem}.png", label, predictor.palette)
        picture = visualize.overlay(photo, label, predictor.palette)
        Image.fromarray(picture).save(out / f"{file.stem}_overlay.jpg", quality=92)
        counts = np.bincount(label.ravel(), minlength=len(predictor.class_names))
        shares = {
            predictor.class_names[i]: round(float(counts[i] / label.size), 6)
            for i in np.flatnonzero(counts)
        }
        records[file] = {
            "file": str(file),
            "classes": [n for n in shares if n != predictor.class_names[BACKGROUND]],
            "pixel_shares": shares,
        }
    return [records[file] for file in files]
