import numpy as np
import pytest

from fashionjax.data.coco_masks import rasterize
from fashionjax.data.outlines import outlines_of


def test_a_box_has_four_corners():
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:5] = True
    assert outlines_of(mask) == [[2, 1, 5, 1, 5, 3, 2, 3]]


def test_pixels_that_touch_at_a_corner_are_two_areas():
    assert len(outlines_of(np.eye(3, dtype=bool))) == 3


def test_a_hole_is_told():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert outlines_of(mask) is None
    assert outlines_of(np.zeros((3, 3), bool)) == []


@pytest.mark.parametrize("seed", range(30))
def test_outlines_filled_are_the_mask(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 7)) < rng.uniform(0.05, 0.5)
    polygons = outlines_of(mask)
    if polygons is None:
        mask = np.maximum.accumulate(mask, axis=0)  # nothing is open below a pixel
        polygons = outlines_of(mask)
    np.testing.assert_array_equal(rasterize(polygons, mask.shape), mask)
