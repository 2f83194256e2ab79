"""Test images as a run sees them, told something of their classes in advance."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from fashionjax.constants import BACKGROUND, IMAGE, LABEL
from fashionjax.report import Panel
from fashionjax.reproduce.examples import make_predict, open_best
from fashionjax.train.truth_prior import TruthPrior
from fashionjax.types import Targets

NUM_SEARCHED = 40
"""First test images, among which those that gain most are looked for."""

NUM_SHOWN = 4

_ORACLE = TruthPrior("oracle", ("mask",))


@dataclasses.dataclass(frozen=True)
class Told:
    """An image, and what is predicted of it by what is told.

    Attributes:
        panel: Photo, truth and the prediction with nothing told.
        oracle: Prediction, told which classes are in the image, as S3's Table 5.
        absent: The class that takes the most pixels and is not in the image; empty if
            none does.
        without: Prediction, told of that class alone that it is not there, as S3's
            Figure 5.
    """

    panel: Panel
    oracle: UInt8[np.ndarray, "height width"]
    absent: str
    without: UInt8[np.ndarray, "height width"]

    @property
    def gain(self) -> int:
        """Pixels that are right with the classes told, less those without."""
        label = self.panel.label
        return int(np.sum(self.oracle == label) - np.sum(self.panel.pred == label))


def tell_examples(workdir: Path) -> list[Told]:
    """Predicts test images with and without their classes told.

    Args:
        workdir: Folder of a finished run.

    Returns:
        Those of the first `NUM_SEARCHED` that gain most, the greatest gain first.
    """
    run, variables = open_best(workdir)
    predict_one = make_predict(run, variables)
    source, names = run.dataset.sources["test"], run.experiment.label_map.class_names
    found = []
    for index in range(min(NUM_SEARCHED, len(source))):
        example = source[index]
        image, label = example[IMAGE], example[LABEL]
        probs, targets = predict_one(image[None], label[None])
        pred = _most_probable(probs)
        panel = Panel(image, label, pred, str(example["image_id"]))
        found.append(tell(panel, probs, targets, names))
    return sorted(found, key=lambda told: told.gain, reverse=True)[:NUM_SHOWN]


def tell(
    panel: Panel, probs: jax.Array, targets: Targets, class_names: Sequence[str]
) -> Told:
    """Tells a model of an image's classes, after it has seen the image.

    Args:
        panel: Photo, truth and prediction.
        probs: Class probabilities, a batch of one.
        targets: The truth, a batch of one.
        class_names: Names of the classes, background first.
    """
    index = jnp.zeros(1, jnp.int32)

    def pred(prior: TruthPrior) -> UInt8[np.ndarray, "height width"]:
        return _most_probable(prior.mask(probs, prior.tell(targets, index)))

    pixels = np.bincount(panel.pred.ravel(), minlength=len(class_names))
    pixels[BACKGROUND] = 0
    pixels[BACKGROUND + 1 :][np.asarray(targets.tags[0])] = 0
    worst = int(pixels.argmax())
    oracle = pred(_ORACLE)
    if not pixels[worst]:
        return Told(panel, oracle, "", panel.pred)
    name = class_names[worst]
    without = pred(TruthPrior(name, ("mask",), classes=(worst,)))
    return Told(panel, oracle, name, without)


def _most_probable(scores: jax.Array) -> UInt8[np.ndarray, "height width"]:
    """The class of each pixel, of a batch of one."""
    return np.asarray(scores[0].argmax(axis=-1), np.uint8)
