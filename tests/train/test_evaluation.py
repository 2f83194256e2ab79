"""An evaluation is the same however its images are divided over batches."""

import json

import jax
import numpy as np
import pytest

from fashionjax.augment import Normalization, Prepare
from fashionjax.data.pipeline import eval_batches
from fashionjax.metrics import Measures
from fashionjax.train.eval_step import make_eval_step
from fashionjax.train.evaluation import evaluate
from fashionjax.train.sharding import make_mesh
from fashionjax.train.state import init_state, make_init
from tests.train import toy

NAMES = ("background", "top", "bag")
NUM_IMAGES = 11
MEASURES = Measures(
    boundary=0.1, trimap=(1, 2), sizes=(10, 13), batch_mean=4, images=True
)


class _Source:
    """Images with a patch of every class, some pixels without label."""

    def __len__(self):
        return NUM_IMAGES

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        label = np.zeros(toy.SIZE, np.uint8)
        label[2:6, 1 : 3 + index % 4] = 1
        label[3:, 5:] = 2
        label[rng.random(label.shape) < 0.1] = 255
        image = rng.integers(0, 256, (*toy.SIZE, 3), np.uint8)
        return {"image": image, "label": label, "image_id": f"photo {index}"}


@pytest.fixture(scope="module")
def variables():
    model = toy.toy()
    init = make_init(model, toy.Training().optimizer, image_size=toy.SIZE)
    state = init_state(init, jax.random.key(0), make_mesh(jax.devices()[:1]))
    return jax.device_get(state.variables)


def _evaluate(variables, measures, *, batch_size, num_devices=1, processes=1):
    mesh = make_mesh(jax.devices()[:num_devices])
    prepare = Prepare(toy.CLASSES, Normalization())
    step = make_eval_step(
        toy.toy(), toy.OBJECTIVE, prepare, mesh=mesh, measures=measures
    )
    parts = [
        eval_batches(
            _Source(), batch_size=batch_size, process_index=i, process_count=processes
        )
        for i in range(processes)
    ]
    batches = (
        {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}
        for rows in zip(*parts, strict=True)
    )
    return evaluate(
        step,
        variables,
        batches,
        mesh=mesh,
        class_names=NAMES,
        split="val",
        step=7,
        measures=measures,
    )


@pytest.fixture(scope="module")
def whole(variables):
    """All images in one batch."""
    return _evaluate(variables, MEASURES, batch_size=NUM_IMAGES)


@pytest.mark.parametrize(
    "division",
    [
        {"batch_size": 1},
        {"batch_size": 4},
        {"batch_size": 8, "num_devices": 8},
        {"batch_size": 6, "num_devices": 2, "processes": 2},
    ],
)
def test_no_metric_depends_on_how_images_are_divided(variables, whole, division):
    result = _evaluate(variables, MEASURES, **division)
    assert result.num_images == whole.num_images == NUM_IMAGES
    np.testing.assert_array_equal(result.confusion, whole.confusion)
    assert set(result.metrics) == set(whole.metrics)
    for name, value in whole.metrics.items():
        tolerance = 1e-6 if name == "loss" else 0
        assert result.metrics[name] == pytest.approx(value, abs=tolerance, rel=0), name
    assert len(result.images) == NUM_IMAGES
    for image, expected in zip(result.images, whole.images, strict=True):
        assert image == expected | {"loss": pytest.approx(expected["loss"], abs=1e-6)}


def test_everything_that_was_asked_for_is_there(whole):
    assert {
        "loss",
        "mean_iou",
        "boundary_iou",
        "boundary_iou/bag",
        "trimap_accuracy/2px",
        "trimap_mean_iou/1px",
        "iou_by_size/10_to_12",
        "pooled_iou_by_size/from_13",
        "batch_mean/pooled_iou",
    } <= set(whole.metrics)
    assert all(np.isfinite(value) for value in whole.metrics.values())
    assert whole.num_classes_present == 3
    weights = [image["pixel_accuracy"] for image in whole.images]
    assert min(weights) <= whole.metrics["pixel_accuracy"] <= max(weights)


def test_a_saved_result_has_a_line_for_each_image(whole, tmp_path):
    folder = whole.with_image_ids(_Source()).save(tmp_path)
    lines = [json.loads(x) for x in (folder / "images.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(NUM_IMAGES))
    assert [line["image_id"] for line in lines] == [
        f"photo {i}" for i in range(NUM_IMAGES)
    ]
    assert lines[0]["classes"] == list(NAMES)
    assert {"loss", "mean_iou", "predicted"} <= set(lines[0])
    record = json.loads((folder / "metrics.json").read_text())
    assert record["num_classes"] == record["num_classes_present"] == 3
    assert record["measures"]["boundary"] == 0.1
    assert record["measures"]["trimap"] == [1, 2]
    assert record["metrics"]["boundary_iou"] == whole.metrics["boundary_iou"]


def test_by_default_there_are_no_lines_and_older_ones_go(variables, whole, tmp_path):
    whole.save(tmp_path)
    plain = _evaluate(variables, None, batch_size=NUM_IMAGES)
    folder = plain.with_image_ids(_Source()).save(tmp_path)
    assert plain.images is None
    assert not (folder / "images.jsonl").exists()
    expected = {name: whole.metrics[name] for name in plain.metrics}
    assert plain.metrics == pytest.approx(expected, abs=1e-6)
