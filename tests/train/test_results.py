"""Tests of what a run hands to its report."""

import dataclasses
import types

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from fashionjax.augment import MIRROR, Normalization, Prepare
from fashionjax.data.label_maps import CCP_4
from fashionjax.train import results
from fashionjax.train.evaluation import Evaluation
from fashionjax.train.phases import Phase
from fashionjax.train.results import (
    augmented_examples,
    make_panels,
    planned_schedule,
    run_facts,
    write_results,
)
from fashionjax.types import Outputs

BOX = 0.25


class Threshold(nn.Module):
    """Calls a pixel class 2 where the normalised image is positive, else class 0."""

    boxes: bool = True

    @nn.compact
    def __call__(self, image, *, train):
        assert not train
        scale = self.param("scale", nn.initializers.ones, (3,))
        value = (image * scale).mean(-1)
        logits = jnp.stack([-value, -9 + 0 * value, value, -9 + 0 * value], -1)
        boxes = jnp.full((len(image), 3, 4), jnp.log(BOX / (1 - BOX)))
        return Outputs(logits=logits, box_logits=boxes if self.boxes else None)


def _source(count):
    # The left half of an image is white and class 2, the right one is black.
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, :3] = 255
    label = np.where(image[..., 0] > 0, 2, 0).astype(np.uint8)
    return [
        {"image": image, "label": label, "image_id": f"id{i}"} for i in range(count)
    ]


def _experiment(boxes=True):
    normalization = Normalization(mean=(0.5,) * 3, std=(0.5,) * 3)
    return types.SimpleNamespace(
        model=Threshold(boxes),
        prepare=Prepare(num_classes=4, normalization=normalization),
        label_map=CCP_4,
        image_size=(4, 6),
    )


VARIABLES = {"params": {"scale": np.ones(3, np.float32)}, "batch_stats": {}}


@pytest.fixture
def run(tmp_path):
    config = ConfigDict(
        {
            "dataset": "ccp4",
            "document": "Extended U-Net",
            "scale": "reduced preset",
            "document_run": "--config=configs/unet_ext.py:imaterialist2019",
            "batch_size": 16,
            "seed": 0,
            "num_panels": 3,
            "spatial_shards": 1,
            "schedule": {"name": "one_cycle"},
            "best_metric": "mean_iou",
            "data": {"image_size": (4, 6)},
            "model": {
                "name": "multitask_unet",
                "variant": "ours",
                "encoder": "resnet34",
                "pretrained": "none",
            },
        }
    )
    sources = {"train": _source(7), "val": _source(1), "test": _source(5)}
    return types.SimpleNamespace(
        config=config,
        workdir=tmp_path,
        experiment=_experiment(),
        dataset=types.SimpleNamespace(sources=sources),
        num_steps=400,
        phases=(
            Phase("first", 0, 100, lambda t: 0.01 * (t + 1), lambda t: 0.9 + 0 * t),
            Phase("second", 100, 400, lambda t: 0.5 + 0 * t, lambda t: 0.8 + 0 * t),
        ),
    )


def test_the_schedule_of_all_phases_is_planned_step_by_step(run):
    schedule = planned_schedule(run)
    np.testing.assert_array_equal(schedule.steps, np.arange(1, 401))
    expected = [*(0.01 * np.arange(1, 101)), *([0.5] * 300)]
    np.testing.assert_allclose(schedule.learning_rate, expected)
    np.testing.assert_allclose(schedule.momentum, [0.9] * 100 + [0.8] * 300)
    assert schedule.boundaries == [(100, "second")]


def test_augmented_examples_are_versions_of_the_first_examples():
    source, prepare = _source(7), _experiment().prepare
    assert augmented_examples(prepare, source, 0) == []
    prepare = dataclasses.replace(prepare, augmentation=MIRROR)
    examples = augmented_examples(prepare, source, 0)
    assert [example.image_id for example in examples] == ["id0", "id1", "id2", "id3"]
    original = source[0]["image"]
    seen = {
        bool(np.array_equal(image, original))
        for example in examples
        for image, _ in example.versions
    }
    # Mirrored or not, and nothing else.
    assert seen == {True, False}
    for example in examples:
        for image, label in example.versions:
            same = np.array_equal(image, original)
            wanted = image if same else image[:, ::-1]
            np.testing.assert_array_equal(wanted, original)
            np.testing.assert_array_equal(label == 2, image[..., 0] > 0)


def test_panels_show_the_first_examples_with_their_predictions():
    panels = make_panels(_experiment(), VARIABLES, _source(5), 3)
    assert [panel.image_id for panel in panels] == ["id0", "id1", "id2"]
    np.testing.assert_array_equal(panels[0].pred, _source(1)[0]["label"])
    np.testing.assert_array_equal(panels[0].image, _source(1)[0]["image"])
    assert panels[0].pred.dtype == np.uint8


def test_panels_have_the_true_and_the_predicted_box_of_each_class():
    (panel,) = make_panels(_experiment(), VARIABLES, _source(1), 3)
    np.testing.assert_array_equal(panel.present, [False, True, False])
    np.testing.assert_allclose(panel.boxes[1], [0, 0, 0.5, 1])
    np.testing.assert_allclose(panel.pred_boxes, np.full((3, 4), BOX), rtol=1e-6)


def test_a_model_without_boxes_gives_panels_without_boxes():
    (panel,) = make_panels(_experiment(boxes=False), VARIABLES, _source(1), 1)
    assert panel.boxes is None
    assert panel.pred_boxes is None
    assert panel.present is None


def test_no_panels_are_predicted_where_none_are_wanted():
    assert make_panels(_experiment(), VARIABLES, _source(5), 0) == []


def test_facts_tell_data_model_and_length(run):
    result = Evaluation("test", 300, 5, {}, np.zeros((4, 4), np.int64))
    facts = run_facts(run, VARIABLES, result)
    assert facts["Trained on"] == "ccp4: reduced preset, 7 images, 4×6, 400 steps"
    assert facts["Parameters"] == "3"
    assert facts["Steps"] == "300 of 400 (the best checkpoint)"
    assert facts["Images seen"] == "4,800"


def test_a_report_says_where_its_images_chose_the_checkpoint(run):
    confusion = np.zeros((4, 4), np.int64)
    result = Evaluation("test", 300, 5, {}, confusion, chose_checkpoint=True)
    steps = run_facts(run, VARIABLES, result)["Steps"]
    assert steps == "300 of 400 (the best checkpoint on these images)"


def test_the_report_is_of_the_split_that_was_evaluated(run, monkeypatch, capsys):
    written = {}

    def record(workdir, **arguments):
        written.update(arguments, workdir=workdir)
        return workdir / "report/index.html"

    monkeypatch.setattr(results, "write_report", record)
    result = Evaluation("val", 300, 1, {}, np.zeros((4, 4), np.int64))
    write_results(run, VARIABLES, result)
    assert written["workdir"] == run.workdir
    assert written["evaluation"] is result
    assert len(written["panels"]) == 1  # `val` has one example, 3 were asked for
    assert list(written["commands"].values()) == [
        "python -m fashionjax.main --config=configs/unet_ext.py:ccp4",
        "python -m fashionjax.main --config=configs/unet_ext.py:imaterialist2019",
    ]
    assert written["class_names"] == CCP_4.class_names
    assert str(run.workdir / "report/index.html") in capsys.readouterr().out
