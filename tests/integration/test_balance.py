"""Remedies for rare classes, from a config to a run."""

import json

import jax
import numpy as np
import pytest

from fashionjax.data.class_balance import enet_weights, repeat_factors
from fashionjax.losses import softmax_cross_entropy
from fashionjax.ops.targets import make_targets
from fashionjax.train.loop import train_and_evaluate
from fashionjax.train.run import open_run
from fashionjax.types import Outputs


def _labels(run):
    source = run.dataset.sources["train"]
    return np.stack([source[i]["label"] for i in range(len(source))])


def test_weights_and_repetition_follow_from_the_training_split(small_config, tmp_path):
    config = small_config()
    config.model.variant = "plain"
    config.objective.segmentation.class_weights = "enet"
    config.data.repeat_threshold = 0.5
    run = open_run(config, tmp_path)
    labels = _labels(run)
    pixels = np.stack([(labels == c).sum((1, 2)) for c in range(9)], axis=1)
    factors = repeat_factors(pixels, 0.5)
    assert factors.max() > 1
    np.testing.assert_array_equal(run.input.repeat_factors, factors)

    logits = jax.random.normal(jax.random.key(0), (4, 64, 64, 9))
    targets = make_targets(jax.numpy.asarray(labels[:4]), 9)
    loss, _ = jax.jit(run.experiment.objective)(Outputs(logits=logits), targets)
    weights = np.nan_to_num(enet_weights(pixels)) * ([1] + [2] * 8)
    expected = softmax_cross_entropy(
        logits, targets.label, class_weights=weights.tolist()
    )
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.slow
def test_a_run_of_every_term_minimises_their_weighted_sum(small_config, tmp_path):
    config = small_config(num_epochs=0.5)
    config.data.input = "resident"
    config.data.repeat_threshold = 0.5
    config.objective.segmentation.update(
        {"loss": "ohem", "min_kept": 500, "class_weights": "median_frequency"}
    )
    for name in ("dice", "tversky", "lovasz"):
        config.objective[name].weight = 0.5
        config.objective[name].per_image = True
    train_and_evaluate(config, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [r["split"] for r in records] == ["train", "train", "val", "test"]
    for metrics in (r["metrics"] for r in records[:2]):
        total = sum(term.weight * metrics[k] for k, term in config.objective.items())
        assert metrics["loss"] == pytest.approx(total, rel=1e-5)
        assert metrics["grad_norm"] > 0
    assert all(np.isfinite(r["metrics"]["loss"]) for r in records[2:])


def test_nothing_is_counted_that_nobody_asks_for(small_config, tmp_path, capsys):
    run = open_run(small_config(), tmp_path)
    assert run.input.repeat_factors is None
    assert "Counting" not in capsys.readouterr().err


def test_a_threshold_that_is_no_share_is_refused(small_config, tmp_path):
    config = small_config()
    config.data.repeat_threshold = 1.5
    with pytest.raises(ValueError, match=r"repeat_threshold=1\.5; allowed is 0"):
        open_run(config, tmp_path)
