import numpy as np

from fashionjax.metrics import box_metrics


def test_only_present_boxes_are_averaged():
    distance = np.array([[0.1, 9.0], [0.3, 0.5]], np.float32)
    iou = np.array([[1.0, 9.0], [0.5, 0.0]], np.float32)
    present = np.array([[True, False], [True, True]])
    metrics = box_metrics(distance, iou, present)
    np.testing.assert_allclose(metrics["box_l1"], 0.3, rtol=1e-6)
    np.testing.assert_allclose(metrics["box_iou"], 0.5, rtol=1e-6)


def test_no_box_is_undefined():
    none = np.zeros((2, 3), np.float32)
    metrics = box_metrics(none, none, none.astype(bool))
    assert np.isnan(metrics["box_l1"])
    assert np.isnan(metrics["box_iou"])
