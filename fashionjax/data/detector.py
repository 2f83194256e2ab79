"""Persons in photos: a detector's network, or what one found before."""

import dataclasses
import importlib
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fashionjax.data.images import resize_image

_PERSON_IN_RESULTS = 1
_PERSON_IN_NETWORK = 0
_STRIDES = (8, 16, 32)
_PADDING = 114
_LEAST_SCORE = 0.05
_MAX_OVERLAP = 0.45


@dataclasses.dataclass(frozen=True)
class Detections:
    """The persons that a detector sees in a photo.

    Attributes:
        boxes: Pixels from the photo's top left corner: x1, y1, x2, y2.
        scores: Confidence of each, in [0, 1].
    """

    boxes: Float32[np.ndarray, "num_persons 4"]
    scores: Float32[np.ndarray, " num_persons"]

    def __post_init__(self) -> None:
        """Checks the shapes.

        Raises:
            ValueError: There is not one box of four numbers for each score.
        """
        if self.boxes.shape != (len(self.scores), 4) or self.scores.ndim != 1:
            raise ValueError(
                f"boxes {self.boxes.shape} and scores {self.scores.shape}; allowed are"
                " [n, 4] and [n]"
            )

    def __len__(self) -> int:
        """Number of persons."""
        return len(self.scores)

    def select(self, which: Bool[np.ndarray, " num_persons"]) -> "Detections":
        """Returns those for which `which` is true."""
        return Detections(self.boxes[which], self.scores[which])


class PersonDetector(Protocol):
    """Anything that finds persons, such as a `YoloxDetector`.

    Low scores need not be left out, but boxes of one person more than once must be.
    """

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> Detections:
        """Returns the persons in an RGB photo, 0..255."""
        ...


class YoloxDetector:
    """A YOLOX network of the 80 COCO classes, run by onnxruntime.

    Ge, Liu, Wang, Li, Sun: YOLOX, exceeding YOLO series in 2021, arXiv:2107.08430. Any
    size of it, as its authors export it to ONNX: BGR 0..255 in, a row of 85 numbers for
    every cell of the grids of strides 8, 16 and 32 out. Several threads may call it.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, num_threads: int | None = None
    ) -> None:
        """Loads the network.

        Args:
            path: An `.onnx` file.
            num_threads: Threads within one call; None leaves it to onnxruntime.

        Raises:
            ImportError: onnxruntime is not installed.
            ValueError: The file is no ONNX network, or not one of this form.
        """
        try:
            onnxruntime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise ImportError(
                "a person detector in ONNX needs `pip install fashionjax[refine]`"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(path), options, providers=["CPUExecutionProvider"]
            )
        # onnxruntime has a class of its own for each way in which a file is bad.
        except Exception as error:
            raise ValueError(f"cannot load the detector {path}: {error}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._size = _input_size(path, inputs[0].shape)
        self._cells = _cells(self._size)
        expected = [1, len(self._cells), 85]
        if len(inputs) != 1 or list(outputs[0].shape) != expected:
            raise ValueError(
                f"{path} has {len(inputs)} inputs and the output {outputs[0].shape};"
                f" allowed is one input and {expected}, as YOLOX with COCO's 80 classes"
            )
        self._input = inputs[0].name

    def __call__(self, image: UInt8[np.ndarray, "height width 3"]) -> Detections:
        """Finds the persons in a photo.

        Args:
            image: RGB, 0..255, of any size.

        Returns:
            Persons with a score of 0.05 or more, best first, without doubles: of two
            boxes whose IoU is above 0.45 the better one.
        """
        canvas, scale = letterbox(image, self._size)
        output = self._session.run(None, {self._input: canvas})[0][0]
        found = decode(output, self._cells)
        found = non_maximum_suppression(found, _MAX_OVERLAP)
        height, width = image.shape[:2]
        limits = np.array([width, height, width, height], np.float32)
        return Detections(np.clip(found.boxes / scale, 0, limits), found.scores)


def letterbox(
    image: UInt8[np.ndarray, "height width 3"], size: tuple[int, int]
) -> tuple[Float32[np.ndarray, "1 3 new_height new_width"], float]:
    """Fits a photo into the upper left of a grey canvas, as YOLOX does.

    Args:
        image: RGB, 0..255.
        size: (height, width) of the canvas.

    Returns:
        BGR, 0..255, and the factor from pixels of the photo to those of the canvas.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    new = max(1, int(height * scale)), max(1, int(width * scale))
    canvas = np.full((*size, 3), _PADDING, np.uint8)
    canvas[: new[0], : new[1]] = resize_image(image, new)
    return canvas[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32), scale


def decode(
    output: Float32[np.ndarray, "num_cells 85"],
    cells: Float32[np.ndarray, "num_cells 3"],
) -> Detections:
    """Turns the network's numbers into boxes.

    Args:
        output: For each cell the centre's place in the cell, the logarithms of width
            and height, all in cells, how likely there is an object, and how likely it
            is of each class.
        cells: Column, row and stride in pixels of each cell.

    Returns:
        Persons with a score of 0.05 or more, in pixels of the canvas; many boxes a
        person.
    """
    scores = output[:, 4] * output[:, 5 + _PERSON_IN_NETWORK]
    likely = scores >= _LEAST_SCORE
    output, cells = output[likely], cells[likely]
    stride = cells[:, 2:]
    centers = (output[:, :2] + cells[:, :2]) * stride
    halves = np.exp(output[:, 2:4]) * stride / 2
    boxes = np.concatenate([centers - halves, centers + halves], axis=1)
    return Detections(boxes, scores[likely])


def non_maximum_suppression(found: Detections, max_overlap: float) -> Detections:
    """Keeps, best first, each box that overlaps no better one too much.

    Args:
        found: Boxes, in any order.
        max_overlap: The highest IoU of two boxes that are both kept.

    Returns:
        The boxes that are kept, by decreasing score.
    """
    order = np.argsort(-found.scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        overlaps = _ious(found.boxes[best], found.boxes[order])
        order = order[overlaps <= max_overlap]
    return Detections(found.boxes[kept], found.scores[kept])


def read_detections(path: str | os.PathLike[str]) -> dict[str, Detections]:
    """Reads what a detector found on whole photos.

    Args:
        path: A JSON file in the form of COCO's results: a list of objects with
            `image_id`, `bbox` (x, y, width, height in pixels), `score` and
            `category_id`; all but category 1, COCO's person, are passed over.

    Returns:
        Persons by image id. A photo without any object is not in it.

    Raises:
        ValueError: The file has not that form.
    """
    name = os.fspath(path)
    try:
        results = json.loads(pathlib.Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read the detections {name}: {error}") from error
    if not isinstance(results, list):
        raise ValueError(f"{name} holds no list; allowed are COCO's results")
    rows: dict[str, list[list[float]]] = {}
    for position, result in enumerate(results):
        try:
            persons = rows.setdefault(str(result["image_id"]), [])
            x, y, width, height, score = map(float, [*result["bbox"], result["score"]])
            category = int(result["category_id"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{name}: entry {position} is {str(result)[:200]}; allowed are objects"
                " with image_id, category_id, bbox [x, y, width, height] and score"
            ) from error
        if category == _PERSON_IN_RESULTS:
            persons.append([x, y, x + width, y + height, score])
    return {image_id: _detections(persons) for image_id, persons in rows.items()}


def load_detector(
    path: str | os.PathLike[str],
) -> PersonDetector | dict[str, Detections]:
    """Loads a network that finds persons, or reads what one found.

    Args:
        path: A YOLOX network, `.onnx`, or COCO's results, `.json`.

    Raises:
        ValueError: The file is neither, or cannot be read.
        ImportError: The network needs onnxruntime, which is not installed.
    """
    name = os.fspath(path)
    if name.endswith(".json"):
        return read_detections(path)
    if name.endswith(".onnx"):
        return YoloxDetector(path, num_threads=1)  # photos run side by side instead
    raise ValueError(f"detector {name}; allowed are .onnx and .json files")


def within(
    found: Detections, columns: tuple[int, int], least_visible: float
) -> Detections:
    """What is left of a photo's persons in some of its columns.

    Args:
        found: The persons of the whole photo.
        columns: The first column, and the one after the last.
        least_visible: Share of a box's width that must lie in the columns.

    Returns:
        Those persons, their boxes cut and counted from the first column.
    """
    start, stop = columns
    boxes = found.boxes.copy()
    boxes[:, [0, 2]] = np.clip(boxes[:, [0, 2]], start, stop)
    widths = found.boxes[:, 2] - found.boxes[:, 0]
    visible = boxes[:, 2] - boxes[:, 0] >= np.maximum(least_visible * widths, 1e-6)
    boxes[:, [0, 2]] -= start
    return Detections(boxes, found.scores).select(visible)


def _input_size(path: str | os.PathLike[str], shape: Sequence[Any]) -> tuple[int, int]:
    """(height, width) of a network's input, which must be fixed."""
    numbers = [n for n in shape if isinstance(n, int)]
    fits = len(shape) == len(numbers) == 4 and numbers[:2] == [1, 3]
    if not fits or numbers[2] % _STRIDES[-1] or numbers[3] % _STRIDES[-1]:
        raise ValueError(
            f"{path} takes {list(shape)}; allowed is [1, 3, height, width], both"
            f" multiples of {_STRIDES[-1]}"
        )
    return numbers[2], numbers[3]


def _cells(size: tuple[int, int]) -> Float32[np.ndarray, "num_cells 3"]:
    """Column, row and stride of every cell, in the order of the network's rows."""
    grids = []
    for stride in _STRIDES:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        strides = np.full(rows.size, stride)
        grids.append(np.stack([columns.ravel(), rows.ravel(), strides], axis=1))
    return np.concatenate(grids).astype(np.float32)


def _ious(
    box: Float32[np.ndarray, "4"], boxes: Float32[np.ndarray, "num_boxes 4"]
) -> Float32[np.ndarray, " num_boxes"]:
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - shared
    return shared / np.maximum(union, np.finfo(np.float32).tiny)


def _detections(persons: Sequence[Sequence[float]]) -> Detections:
    rows = np.array(persons, np.float32).reshape(-1, 5)
    return Detections(rows[:, :4], rows[:, 4])
