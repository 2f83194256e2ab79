"""How much of the photos each of the nine merged classes covers."""

import numpy as np
import pytest

from fashionjax.data.datasets.synthetic import SyntheticSource
from fashionjax.data.label_maps import IMATERIALIST_9

COUNT = 500
# Percent of all pixels in the real dataset, and how far off is allowed.
REAL = {
    "background": (75.1, 1.1),
    "dress": (8.33, 1.5),
    "top": (5.91, 2.2),
    "overtop": (5.53, 1.8),
    "pants": (2.51, 1.9),
    "skirt": (1.30, 2.0),
    "shoe": (0.572, 2.0),
    "shorts": (0.364, 2.5),
    "bag": (0.339, 2.0),
}


@pytest.fixture(scope="module")
def shares():
    source = SyntheticSource("val", COUNT, (96, 64), IMATERIALIST_9)
    counts = np.zeros(IMATERIALIST_9.num_classes)
    for index in range(COUNT):
        counts += np.bincount(source[index]["label"].ravel(), minlength=len(counts))
    return dict(zip(IMATERIALIST_9.class_names, counts / counts.sum(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_class_covers_about_as_much_as_in_the_real_dataset(shares, name):
    real, factor = REAL[name]
    assert real / factor < 100.0 * shares[name] < real * factor
