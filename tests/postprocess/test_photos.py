"""Real photos at 600×400 with 25 classes beside pydensecrf2, in its own interpreter.

FASHIONJAX_PYDENSECRF names that interpreter; FASHIONJAX_TEST_DATA the photos' folder.
"""

import os
import pathlib

import pytest

from fashionjax.bench.crf import make_case, measure_crf
from tests.references.pydensecrf_cases import SETTINGS

pytestmark = pytest.mark.slow

PHOTOS = ("0001.jpg", "0222.jpg", "0777.jpg")


@pytest.fixture(scope="module")
def python():
    named = os.environ.get("FASHIONJAX_PYDENSECRF")
    if not named:
        pytest.skip("FASHIONJAX_PYDENSECRF is not set: no interpreter with pydensecrf2")
    return named


@pytest.fixture(scope="module")
def photos():
    data = os.environ.get("FASHIONJAX_TEST_DATA")
    if not data:
        pytest.skip("FASHIONJAX_TEST_DATA is not set: no photos")
    return pathlib.Path(data) / "ccp" / "photos"


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("index", range(len(SETTINGS)))
def test_labels_equal(python, photos, name, index):
    image, probs = make_case(
        batch_size=1, image_size=(600, 400), num_classes=25, photo=photos / name
    )
    row = measure_crf(image, probs, SETTINGS[index], num_steps=1, peer_python=python)
    assert row["labels_equal"] >= 0.999
    # Far more labels change than may differ.
    assert row["changed"] >= 0.01
