"""A run that begins with the weights of a file."""

import json

import jax
import numpy as np
import pytest

from fashionjax.augment import Normalization
from fashionjax.builders import build_encoder
from fashionjax.predict import Predictor
from fashionjax.pretrained import WeightsError
from fashionjax.pretrained.convert import expected_shapes
from fashionjax.pretrained.native import save_native
from fashionjax.train import loop
from fashionjax.train.run import open_run
from fashionjax.train.run_config import read_config
from fashionjax.train.state import init_state
from tests.faults import tiny_run

NORMALIZATION = Normalization(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))


def _variables():
    encoder = build_encoder("resnet18", features=4)
    rng = np.random.default_rng(0)
    return {
        path: rng.uniform(0.05, 0.1, shape).astype(np.float32)
        for path, shape in expected_shapes(encoder, (64, 64)).items()
    }


@pytest.fixture
def file(tmp_path):
    save_native(tmp_path / "weights.npz", _variables(), NORMALIZATION)
    return tmp_path / "weights.npz"


@pytest.fixture
def config(small_config, file):
    config = small_config(ema_decay=0.9)
    config.model.pretrained = str(file)
    config.model.variant = "plain"
    return config


def test_a_run_begins_with_the_files_encoder_everywhere(config, tmp_path):
    run = open_run(config, tmp_path / "run")
    key = jax.random.key(config.seed)
    state = init_state(run.init, key, run.mesh, run.origin.weights.variables)
    for variables in (
        {"params": state.params, "batch_stats": state.batch_stats},
        state.ema,
    ):
        for path, array in _variables().items():
            collection, *names = path.split("/")
            leaf = variables[collection]["encoder"]
            for name in names:
                leaf = leaf[name]
            np.testing.assert_array_equal(leaf, array)
            assert leaf.dtype == np.float32
            assert leaf.sharding.is_fully_replicated
    assert jax.tree.structure(state) == jax.tree.structure(run.abstract_state)


def test_the_normalisation_comes_with_the_weights(config, tmp_path):
    run = open_run(config, tmp_path / "run")
    assert run.experiment.prepare.normalization == NORMALIZATION
    config.data.mean = (0.0, 0.0, 0.0)
    run = open_run(config, tmp_path / "run")
    normalization = run.experiment.prepare.normalization
    assert normalization == Normalization((0.0, 0.0, 0.0), NORMALIZATION.std)
    config.model.pretrained = "none"
    config.data.mean = None
    run = open_run(config, tmp_path / "run")
    assert run.experiment.prepare.normalization == Normalization()


def test_weights_that_do_not_say_how_images_are_normalised_need_the_config_to(
    config, tmp_path
):
    np.savez(tmp_path / "bare.npz", **_variables())
    config.model.pretrained = str(tmp_path / "bare.npz")
    with pytest.raises(WeightsError, match=r"set --config\.data\.mean and"):
        open_run(config, tmp_path / "run")
    config.data.mean, config.data.std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    run = open_run(config, tmp_path / "run")
    assert run.experiment.prepare.normalization.std == (1.0, 1.0, 1.0)


def test_weights_of_another_encoder_stop_the_run_with_the_names(config, tmp_path):
    config.model.encoder_options.features = 8
    message = r"/conv1/kernel has shape \(3, 3, 4, 4\), the model's \(3, 3, 8, 8\)"
    with pytest.raises(WeightsError, match=message):
        loop.train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run/config.json").exists()


@pytest.mark.long
def test_a_pretrained_run_of_two_processes_goes_on_without_its_file(file, tmp_path):
    workdir, log = tmp_path / "run", tmp_path / "log"
    # Five steps an epoch. The average hardly moves, and neither does what Adam updates.
    options = {
        "model__pretrained": str(file),
        "model__variant": "plain",
        "freeze__batch_norm": "eval",
        "ema_decay": 0.0,
        "schedule__learning_rate": 1e-6,
    }
    pair = {"processes": 2, "num_devices": 2, "num_epochs": 2.0}
    status = tiny_run.finish(workdir, log, timeout=900, **pair, **options)
    text = log.read_text()
    assert status == 0, text[-3000:]
    assert text.count("Pretrained: 100 tensors of ") == 1
    kernel = tiny_run.everything(workdir)["state"].params["encoder"]["stem_conv"]
    wanted = _variables()["params/stem_conv/kernel"]
    np.testing.assert_allclose(kernel["kernel"], wanted, atol=1e-5)
    stored = json.loads((workdir / "config.json").read_text())

    file.unlink()
    alone = {"num_devices": 4, "num_epochs": 3.0}
    status = tiny_run.finish(workdir, log, timeout=900, **alone, **options)
    text = log.read_text()
    assert status == 0, text[-3000:]
    assert "Going on from step 10" in text
    assert text.count("Pretrained: ") == 1
    again = json.loads((workdir / "config.json").read_text())
    for record in (stored, again):
        assert record["config"]["model"]["pretrained"] == str(file)
        assert record["config"]["data"]["mean"] is None
        assert record["normalization"]["mean"] == list(NORMALIZATION.mean)
        assert len(record["pretrained"]["sha256"]) == 64
    run = open_run(read_config(workdir), workdir)
    assert run.experiment.prepare.normalization == NORMALIZATION
    with run.open_checkpoints(read_only=True) as checkpoints:
        meta = checkpoints.meta(checkpoints.latest_step)
    # What prediction reads; it builds the model without the file.
    assert meta["normalization"]["mean"] == list(NORMALIZATION.mean)
    assert Predictor(workdir, batch_size=1).step > 0
