"""What a report is made from: plain values and NumPy arrays."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer, UInt8


class Evaluation(Protocol):
    """The evaluation of one split, such as `fashionjax.train.evaluation.Evaluation`."""

    @property
    def split(self) -> str:
        """`train`, `val` or `test`."""
        ...

    @property
    def step(self) -> int:
        """Finished updates of the parameters that were evaluated."""
        ...

    @property
    def num_images(self) -> int:
        """Images counted."""
        ...

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Value by name; NaN or None where it is undefined."""
        ...

    @property
    def confusion(self) -> Int64[np.ndarray, "num_classes num_classes"]:
        """Pixels by true class (rows) and predicted class."""
        ...


@dataclasses.dataclass(frozen=True)
class Panel:
    """One example of the page.

    Attributes:
        image: RGB photo, 0..255.
        label: True class ids, 255 = ignored.
        pred: Predicted class ids.
        image_id: What to call it.
        boxes: True box of each class but background: (x1, y1, x2, y2) divided by
            (W, H, W, H). None: no boxes.
        pred_boxes: The same for the prediction.
        present: Which of the boxes are drawn; None: all.
    """

    image: UInt8[np.ndarray, "height width 3"]
    label: Integer[np.ndarray, "height width"]
    pred: Integer[np.ndarray, "height width"]
    image_id: str
    boxes: Float[np.ndarray, "num_boxes 4"] | None = None
    pred_boxes: Float[np.ndarray, "num_boxes 4"] | None = None
    present: Bool[np.ndarray, " num_boxes"] | None = None


@dataclasses.dataclass(frozen=True)
class AugmentedExample:
    """A training example, and what augmentation makes of it.

    Attributes:
        image: RGB photo, 0..255.
        label: Its class ids, 255 = ignored.
        image_id: What to call it.
        versions: Augmented photos and their labels.
    """

    image: UInt8[np.ndarray, "height width 3"]
    label: Integer[np.ndarray, "height width"]
    image_id: str
    versions: Sequence[
        tuple[UInt8[np.ndarray, "height width 3"], Integer[np.ndarray, "height width"]]
    ]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The plan of a run: learning rate and momentum of every step.

    Attributes:
        name: What to call it.
        steps: Increasing steps, each with its own update counted in.
        learning_rate: Learning rate of each step.
        momentum: Momentum of each step: Adam's beta1, SGD's momentum.
        boundaries: Where the phases of the run begin, in order: finished steps and
            the name of the phase. Empty where there is one phase.

    Raises:
        ValueError: If the three series differ in length.
    """

    name: str
    steps: Integer[np.ndarray, " num_steps"]
    learning_rate: Float[np.ndarray, " num_steps"]
    momentum: Float[np.ndarray, " num_steps"]
    boundaries: Sequence[tuple[int, str]] = ()

    def __post_init__(self) -> None:
        lengths = len(self.steps), len(self.learning_rate), len(self.momentum)
        if len(set(lengths)) > 1:
            raise ValueError(
                "steps, learning_rate and momentum of a schedule must be as many, but"
                f" are {lengths[0]}, {lengths[1]} and {lengths[2]}"
            )


@dataclasses.dataclass(frozen=True)
class ClassResult:
    """One row of the per-class table; NaN where a value is undefined.

    Attributes:
        class_id: The class.
        name: Its name.
        share: Its part of the labelled pixels, in [0, 1].
        iou: Intersection over union, in [0, 1].
        accuracy: Part of its pixels that were found, in [0, 1].
    """

    class_id: int
    name: str
    share: float
    iou: float
    accuracy: float


def number(metrics: Mapping[str, float | None], name: str) -> float:
    """Looks up a metric; NaN where it is missing or None."""
    value = metrics.get(name)
    return float("nan") if value is None else float(value)


def ratio(
    numerator: Float[np.ndarray, "*shape"],
    denominator: Float[np.ndarray, "*shape"] | float,
) -> Float[np.ndarray, "*shape"]:
    """Divides where it can be done; NaN elsewhere."""
    denominator = np.broadcast_to(np.asarray(denominator, float), numerator.shape)
    out = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def class_results(
    evaluation: Evaluation, class_names: Sequence[str]
) -> list[ClassResult]:
    """Collects the numbers of every class.

    The evaluation's own `iou/CLASS` and `acc/CLASS` come first, so that the page
    shows what `metrics.json` says; the confusion matrix fills in what is missing.

    Args:
        evaluation: The evaluation.
        class_names: Name per class id.

    Raises:
        ValueError: If the matrix is not of that many classes.
    """
    confusion = np.asarray(evaluation.confusion, np.float64)
    if confusion.shape != (len(class_names), len(class_names)):
        raise ValueError(
            f"{len(class_names)} class names for a confusion matrix of shape"
            f" {list(confusion.shape)}"
        )
    hits, true, pred = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    shares = ratio(true, true.sum())
    ious = ratio(hits, true + pred - hits)
    accuracies = ratio(hits, true)

    def pick(name: str, fallback: float) -> float:
        known = name in evaluation.metrics
        return number(evaluation.metrics, name) if known else float(fallback)

    return [
        ClassResult(
            class_id=i,
            name=name,
            share=float(shares[i]),
            iou=pick(f"iou/{name}", ious[i]),
            accuracy=pick(f"acc/{name}", accuracies[i]),
        )
        for i, name in enumerate(class_names)
    ]
