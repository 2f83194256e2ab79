"""Images that show several people, by the detections of any detector."""

import collections
import json
import pathlib
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float

Detections = Mapping[str, Float[np.ndarray, "boxes 5"]]
"""By image id: (x1, y1, x2, y2) in pixels of the image, and the score in 0..1."""

MIN_SCORE = 0.7
"""Boxes below it do not count."""


def read_detections(path: pathlib.Path) -> Detections:
    """Reads detections of people.

    Args:
        path: A JSON file, `{image_id: [[x1, y1, x2, y2, score], …]}`.

    Raises:
        ValueError: The file is no such JSON.
    """
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(contents, dict):
        raise ValueError(
            f"{path} holds a {type(contents).__name__}; allowed is an object"
            " {image_id: [[x1, y1, x2, y2, score], …]}"
        )
    return {
        image_id: _boxes(boxes, f"{path}: {image_id!r}")
        for image_id, boxes in contents.items()
    }


def _boxes(boxes: object, name: str) -> Float[np.ndarray, "boxes 5"]:
    """Checks the detections of an image."""
    try:
        array = np.array(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {boxes!r} is no list of boxes: {error}") from error
    if array.size == 0:
        return np.empty((0, 5))
    if array.ndim != 2 or array.shape[1] != 5 or not np.isfinite(array).all():
        raise ValueError(
            f"{name}: {boxes!r}; allowed are boxes [x1, y1, x2, y2, score] of numbers"
        )
    if (array[:, 2:4] < array[:, :2]).any() or (np.abs(array[:, 4] - 0.5) > 0.5).any():
        raise ValueError(
            f"{name}: {boxes!r}; allowed are x1 <= x2, y1 <= y2 and scores in 0..1"
        )
    return array


def people_boxes(
    detections: Detections, image_id: str, min_score: float = MIN_SCORE
) -> Float[np.ndarray, "people 4"]:
    """Returns the boxes of an image that count, (x1, y1, x2, y2) in pixels."""
    boxes = detections[image_id]
    return boxes[boxes[:, 4] >= min_score, :4]


def count_people(
    detections: Detections, image_ids: Iterable[str], min_score: float = MIN_SCORE
) -> dict[int, list[str]]:
    """Sorts images by the number of people in them.

    Args:
        detections: Of all images.
        image_ids: Which images; those without an entry are passed over.
        min_score: Boxes below it do not count.

    Returns:
        Image ids by number of people, ascending.

    Raises:
        ValueError: The detections have none of the images.
    """
    groups: dict[int, list[str]] = collections.defaultdict(list)
    ids = list(image_ids)
    for image_id in ids:
        if image_id in detections:
            number = len(people_boxes(detections, image_id, min_score))
            groups[number].append(image_id)
    if not groups:
        raise ValueError(
            f"the detections, of {list(detections)[:3]} …, have none of the dataset's"
            f" images, {ids[:3]} …"
        )
    return dict(sorted(groups.items()))
