import jax.numpy as jnp
import numpy as np

from fashionjax.report import Panel
from fashionjax.reproduce.told import tell
from fashionjax.types import Targets

NAMES = ("background", "skirt", "dress", "bag")


def _tell(truth, probs):
    """Tells of an image of one row; `probs` has a row for each pixel."""
    label = np.array([truth], np.uint8)
    probs = jnp.array([[probs]])
    pred = np.asarray(probs[0].argmax(-1), np.uint8)
    tags = jnp.array([[name in truth for name in range(1, len(NAMES))]])
    boxes = jnp.zeros((1, len(NAMES) - 1, 4))
    panel = Panel(np.zeros((*label.shape, 3), np.uint8), label, pred, "a.jpg")
    return tell(panel, probs, Targets(jnp.array(label[None]), tags, boxes), NAMES)


def test_classes_that_are_not_there_give_way_to_the_next_most_probable():
    told = _tell(
        [0, 1, 1, 1],
        [
            [0.6, 0.1, 0.2, 0.1],
            [0.1, 0.3, 0.4, 0.2],
            [0.1, 0.2, 0.4, 0.3],
            [0.1, 0.2, 0.3, 0.4],
        ],
    )
    np.testing.assert_array_equal(told.panel.pred, [[0, 2, 2, 3]])
    np.testing.assert_array_equal(told.oracle, [[0, 1, 1, 1]])
    assert told.gain == 3
    # Two pixels of a dress against one of a bag.
    assert told.absent == "dress"
    np.testing.assert_array_equal(told.without, [[0, 1, 3, 3]])


def test_an_image_without_wrong_classes_has_none_to_rule_out():
    told = _tell([0, 1], [[0.1, 0.5, 0.4, 0.0], [0.1, 0.5, 0.4, 0.0]])
    assert told.absent == ""
    assert told.gain == 0
    np.testing.assert_array_equal(told.without, told.panel.pred)
