import re

import jax
import numpy as np
import pytest

from fashionjax.metrics import Measures

CLASSES = ("background", "a")
ALL = Measures(boundary=0.1, trimap=(1, 2), sizes=(4,), batch_mean=2, images=True)


def test_nothing_but_the_confusion_matrix_is_counted_unasked():
    label = pred = np.zeros((1, 4, 4), np.int32)
    measures = Measures()
    sums = measures.sum_pixels(label, pred, 2)
    assert sums.boundary is sums.trimap is None
    assert measures.count_regions(label, pred, 2) is None
    zeros = measures.no_pixels(2)
    assert zeros.confusion.dtype == np.int64
    assert zeros.boundary is zeros.trimap is None


def test_sums_have_the_form_of_their_zeros():
    label = pred = np.zeros((3, 4, 4), np.int32)
    sums, zeros = ALL.sum_pixels(label, pred, 2), ALL.no_pixels(2)
    metrics = ALL.pixel_metrics(zeros, CLASSES)
    assert all(np.isnan(value) for value in metrics.values())
    assert {"boundary_iou/a", "trimap_accuracy/2px", "mean_iou"} <= set(metrics)
    shapes = [jax.tree.map(np.shape, tree) for tree in (zeros, sums)]
    assert shapes[0] == shapes[1]
    total = ALL.pixel_metrics(jax.tree.map(np.add, zeros, sums), CLASSES)
    assert set(total) == set(metrics)
    assert total["boundary_iou/background"] == 1


def test_images_give_what_was_asked_for():
    label = pred = np.ones((3, 4, 4), np.int32)
    metrics = ALL.region_metrics(ALL.count_regions(label, pred, 2), CLASSES)
    assert metrics["iou_by_size/from_4"] == 1
    assert metrics["batch_mean/iou/a"] == 1
    only = Measures(images=True)
    assert only.region_metrics(only.count_regions(label, pred, 2), CLASSES) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"absent": "nan"}, "absent='nan'; allowed are skip, zero, one"),
        ({"boundary": 1.5}, "boundary=1.5; allowed are 0"),
        ({"trimap": (4, 2)}, "trimap=(4, 2); allowed are ascending numbers"),
        ({"sizes": (0, 2)}, "sizes=(0, 2); allowed are ascending numbers"),
        ({"batch_mean": -1}, "batch_mean=-1; allowed is 0 or more"),
    ],
)
def test_a_wrong_measure_is_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Measures(**options)
