import json
import sys
import types

import numpy as np
import pytest

from fashionjax.data.detector import (
    Detections,
    YoloxDetector,
    letterbox,
    non_maximum_suppression,
    read_detections,
    within,
)

NUM_CELLS = 52 * 52 + 26 * 26 + 13 * 13


def detections(*rows):
    rows = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(rows[:, :4], rows[:, 4])


@pytest.fixture
def fake_onnxruntime(monkeypatch):
    """Stands in for onnxruntime; the network answers with `output`."""

    class Session:
        input_shape: tuple = (1, 3, 416, 416)
        output = np.zeros((1, NUM_CELLS, 85), np.float32)
        seen = None

        def __init__(self, *_, **__):
            pass

        def get_inputs(self):
            return [types.SimpleNamespace(name="images", shape=list(self.input_shape))]

        def get_outputs(self):
            return [types.SimpleNamespace(shape=list(self.output.shape))]

        def run(self, _, inputs):
            Session.seen = inputs["images"]
            return [self.output]

    module = types.SimpleNamespace(
        SessionOptions=types.SimpleNamespace, InferenceSession=Session
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return Session


def test_a_cell_of_each_stride_becomes_the_box_that_it_stands_for(fake_onnxruntime):
    output = np.zeros((1, NUM_CELLS, 85), np.float32)
    # Column 10, row 20 of stride 8; column 5, row 3 of stride 16; last of stride 32.
    rows = [20 * 52 + 10, 52 * 52 + 3 * 26 + 5, NUM_CELLS - 1]
    output[0, rows, :6] = [
        [0.5, 0.25, np.log(4), np.log(8), 0.9, 1.0],
        [0.0, 1.0, np.log(2), np.log(3), 0.8, 1.0],
        [0.5, 0.5, np.log(2), np.log(2), 1.0, 0.7],
    ]
    output[0, 0, [4, 6]] = 1.0  # surely a bicycle
    fake_onnxruntime.output = output
    # A photo of twice the canvas: boxes are twice as far and big.
    found = YoloxDetector("any.onnx")(np.zeros((832, 832, 3), np.uint8))
    np.testing.assert_allclose(found.scores, [0.9, 0.8, 0.7], rtol=1e-6)
    expected = [
        [2 * (84 - 16), 2 * (162 - 32), 2 * (84 + 16), 2 * (162 + 32)],
        [2 * (80 - 16), 2 * (64 - 24), 2 * (80 + 16), 2 * (64 + 24)],
        [2 * (400 - 32), 2 * (400 - 32), 832, 832],  # cut at the photo's edge
    ]
    np.testing.assert_allclose(found.boxes, expected, rtol=1e-5)


def test_the_network_sees_the_photo_top_left_on_grey_as_bgr(fake_onnxruntime):
    photo = np.zeros((100, 50, 3), np.uint8)
    photo[..., 0] = 200
    YoloxDetector("any.onnx")(photo)
    seen = fake_onnxruntime.seen
    assert (seen.dtype, seen.shape) == (np.float32, (1, 3, 416, 416))
    assert (seen[0, :, :, :208] == np.array([0, 0, 200])[:, None, None]).all()
    assert (seen[..., 208:] == 114).all()


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1, 900), (416, 416)])
def test_the_longer_side_fills_the_canvas(size):
    canvas, scale = letterbox(np.zeros((*size, 3), np.uint8), (416, 416))
    rows = np.flatnonzero((canvas[0, 0] != 114).any(axis=1))
    columns = np.flatnonzero((canvas[0, 0] != 114).any(axis=0))
    assert max(len(rows), len(columns)) == 416
    assert abs(len(rows) - size[0] * scale) <= 1
    assert abs(len(columns) - size[1] * scale) <= 1


def test_suppression_equals_comparing_every_pair():
    rng = np.random.default_rng(3)
    for _ in range(20):
        corners = rng.uniform(0, 20, (30, 2))
        boxes = np.concatenate(
            [corners, corners + rng.uniform(10, 30, (30, 2))], axis=1
        )
        rows = np.concatenate([boxes, rng.random((30, 1))], axis=1)
        kept = []
        for row in sorted(rows.tolist(), key=lambda row: -row[4]):
            if all(iou(row, better) <= 0.45 for better in kept):
                kept.append(row)
        found = non_maximum_suppression(detections(*rows), 0.45)
        np.testing.assert_allclose(found.boxes, np.array(kept)[:, :4], rtol=1e-6)
        assert 1 < len(kept) < 30


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared)


def test_without_onnxruntime_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install fashionjax\[refine\]"):
        YoloxDetector("any.onnx")


def test_other_networks_are_refused(fake_onnxruntime):
    fake_onnxruntime.output = np.zeros((1, 100, 85), np.float32)
    with pytest.raises(
        ValueError, match=r"output \[1, 100, 85\]; allowed is one input"
    ):
        YoloxDetector("any.onnx")
    fake_onnxruntime.input_shape = (1, 3, "height", "width")
    with pytest.raises(ValueError, match=r"allowed is \[1, 3, height, width\], both"):
        YoloxDetector("any.onnx")


def test_persons_in_some_columns():
    found = detections([0, 5, 40, 90, 0.9], [30, 0, 50, 80, 0.8], [60, 0, 80, 10, 0.7])
    left = within(found, (20, 62), 0.5)
    # Half of the first, all of the second and a tenth of the third.
    np.testing.assert_array_equal(left.boxes, [[0, 5, 20, 90], [10, 0, 30, 80]])
    np.testing.assert_allclose(left.scores, [0.9, 0.8])
    assert len(within(found, (21, 62), 0.5)) == 1
    assert len(within(found, (90, 99), 0.0)) == 0


def test_results_of_coco_are_read(tmp_path):
    person = {"category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.75}
    path = tmp_path / "found.json"
    path.write_text(
        json.dumps(
            [
                {"image_id": "0001"} | person,
                {"image_id": "0001"} | person | {"category_id": 27},
                {"image_id": 17} | person,
                {"image_id": "dogs"} | person | {"category_id": 18},
            ]
        )
    )
    found = read_detections(path)
    assert list(found) == ["0001", "17", "dogs"]
    assert [len(persons) for persons in found.values()] == [1, 1, 0]
    np.testing.assert_array_equal(found["0001"].boxes, [[10, 20, 40, 60]])
    assert found["0001"].scores == 0.75


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read the detections"),
        ("{}", "holds no list"),
        ('[{"image_id": 1}]', "entry 0 is"),
        (
            '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3], "score": 1}]',
            "entry 0 is .*allowed are objects",
        ),
    ],
)
def test_other_files_are_no_detections(tmp_path, text, message):
    path = tmp_path / "found.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_detections(path)


def test_a_box_for_each_score():
    with pytest.raises(ValueError, match=r"boxes \(2, 4\) and scores \(3,\)"):
        Detections(np.zeros((2, 4), np.float32), np.zeros(3, np.float32))
