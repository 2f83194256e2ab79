"""Labels equal those of pydensecrf2, whose outputs lie in a fixture."""

import json

import numpy as np
import pytest

from fashionjax.postprocess import dense_crf
from tests.references.pydensecrf_cases import (
    FIXTURE,
    NUM_CLASSES,
    SETTINGS,
    Case,
    positions,
    probs_of,
)


@pytest.fixture(scope="module")
def stored():
    with np.load(FIXTURE) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_the_fixture_is_of_these_settings(stored):
    assert json.loads(stored["meta"].tobytes())["settings"] == SETTINGS


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("index", range(len(SETTINGS)))
def test_labels_and_probabilities(stored, number, index):
    case = Case(stored[f"{number}/image"], stored[f"{number}/logits"])
    probs = probs_of(case)
    assert probs.shape[-1] == NUM_CLASSES
    refined = np.asarray(dense_crf(probs, case.image, **SETTINGS[index]))
    label = stored[f"{number}/{index}/label"]
    assert np.mean(refined.argmax(-1) == label) >= 0.999
    difference = refined.reshape(-1)[positions()] - stored[f"{number}/{index}/probs"]
    assert np.abs(difference).max() <= 0.05
    assert np.abs(difference).mean() <= 1e-3
    # Far more labels change than may differ.
    assert np.mean(probs.argmax(-1) != label) >= 0.03
