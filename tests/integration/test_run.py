"""A whole run at a tiny size: train, resume, evaluate, predict."""

import json
import re
import shutil
import signal

import jax
import numpy as np
import pytest
from PIL import Image

from fashionjax.bench.compilation import empty_cache
from fashionjax.predict import ClassPrior, Predictor, _build, _load
from fashionjax.predict_files import find_images, predict_files
from fashionjax.train import loop
from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.guards import CompilationCount, NonFiniteError
from fashionjax.train.run import open_run
from fashionjax.train.run_config import check_same_config
from fashionjax.train.selection import Scored
from fashionjax.train.truth_prior import parse_prior


def _final_state(config, workdir):
    run = open_run(config, workdir)
    with run.open_checkpoints(read_only=True) as checkpoints:
        step = checkpoints.latest_step
        return step, jax.device_get(checkpoints.restore(step, run.abstract_state))


@pytest.fixture(scope="module")
def finished(small_config, tmp_path_factory):
    """Work directory and evaluation of a finished run."""
    workdir = tmp_path_factory.mktemp("run")
    return workdir, loop.train_and_evaluate(small_config(), workdir)


def test_a_run_leaves_everything_that_it_promises(finished):
    workdir, result = finished
    written = json.loads((workdir / "eval-test/metrics.json").read_text())
    assert written["split"] == "test"
    assert written["num_images"] == result.num_images == 10
    confusion = np.load(workdir / "eval-test/confusion.npy")
    assert confusion.dtype == np.int64
    assert confusion.shape == (9, 9)
    assert confusion.sum() == 10 * 64 * 64
    config = json.loads((workdir / "config.json").read_text())
    assert config["config"]["model"]["variant"] == "ours"
    assert config["versions"]["jax"] == jax.__version__
    lines = [
        json.loads(x) for x in (workdir / "metrics.jsonl").read_text().splitlines()
    ]
    train_steps = [x["step"] for x in lines if x["split"] == "train"]
    assert train_steps == [1, 2, 3, 4]
    assert [x["step"] for x in lines if x["split"] == "val"] == [2, 4]
    assert {"loss", "segmentation", "tags", "boxes"} <= set(lines[0]["metrics"])
    val = next(x for x in lines if x["split"] == "val")["metrics"]
    assert {"mean_iou", "f1", "exact_match", "box_l1", "box_iou"} <= set(val)
    assert any((workdir / "tensorboard").iterdir())
    page = (workdir / "report/index.html").read_text()
    assert "overtop" in page


def test_a_finished_run_says_so(finished, small_config, capsys):
    workdir, _ = finished
    assert loop.train_and_evaluate(small_config(), workdir) is None
    assert "finished" in capsys.readouterr().out


def test_a_run_whose_result_is_missing_is_evaluated_again(
    finished, small_config, tmp_path
):
    workdir, result = finished
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run/eval-test/metrics.json").unlink()
    again = loop.train_and_evaluate(small_config(), tmp_path / "run")
    assert again.step == result.step
    np.testing.assert_array_equal(again.confusion, result.confusion)
    assert loop.train_and_evaluate(small_config(), tmp_path / "run") is None
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(x)["split"] for x in lines].count("test") == 1


def test_another_configuration_is_refused_with_old_and_new(finished, small_config):
    workdir, _ = finished
    config = small_config()
    old = config.schedule.learning_rate
    config.schedule.learning_rate = 0.5
    change = re.escape(f"schedule.learning_rate: {old} -> 0.5")
    with pytest.raises(ValueError, match=change):
        loop.train_and_evaluate(config, workdir)


def test_a_batch_that_devices_cannot_share_is_refused(small_config, tmp_path):
    with pytest.raises(ValueError, match=r"config\.batch_size=12"):
        loop.train_and_evaluate(small_config(batch_size=12), tmp_path)


def test_predictions_come_at_the_size_of_each_photo(finished, tmp_path):
    workdir, _ = finished
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.RandomState(0)
    for name, size in {"a.jpg": (90, 50), "b.png": (40, 130)}.items():
        photo = rng.randint(0, 256, (*size, 3)).astype(np.uint8)
        Image.fromarray(photo).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no image")
    predictor = Predictor(workdir, batch_size=2)
    records = list(predict_files(predictor, find_images(str(folder)), tmp_path / "out"))
    by_name = {r["file"].rsplit("/", 1)[-1]: r for r in records}
    assert "error" in by_name["broken.jpg"]
    for name, size in {"a": (90, 50), "b": (40, 130)}.items():
        label = Image.open(tmp_path / f"out/{name}.png")
        assert label.mode == "P"
        assert label.size == size[::-1]
        assert np.asarray(label).max() < 9
        assert Image.open(tmp_path / f"out/{name}_overlay.jpg").size == size[::-1]
    written = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
    assert [json.loads(x) for x in written] == records
    shares = by_name["a.jpg"]["pixel_shares"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)


def test_a_prior_keeps_classes_out(finished):
    workdir, _ = finished
    predictor = Predictor(workdir, prior=ClassPrior(absent=("dress",)))
    dress = predictor.class_names.index("dress")
    probs = np.full((4, 4, 9), 0.01, np.float32)
    probs[..., dress], probs[..., 1] = 0.7, 0.2
    predictor._probs = lambda *_: probs[None]
    photo = np.zeros((8, 8, 3), np.uint8)
    assert np.all(predictor(photo) == 1)
    free = Predictor(workdir)
    free._probs = predictor._probs
    assert np.all(free(photo) == dress)


def test_a_prior_reaches_a_model_that_injects_tags(finished):
    workdir, _ = finished
    photos = np.random.RandomState(0).randint(0, 256, (1, 64, 64, 3)).astype(np.uint8)

    def probs(**prior):
        return Predictor(workdir, prior=ClassPrior(**prior))._probs(photos, 1)

    free, absent = probs(), probs(absent=("dress",))
    certain = probs(absent=("dress",), certain=("skirt",))
    assert np.abs(absent - free).max() > 0
    assert np.abs(certain - absent).max() > 0
    np.testing.assert_array_equal(
        probs(present=Predictor(workdir).class_names[1:]), free
    )


def test_an_evaluation_with_a_prior_stands_beside_the_other(
    finished, small_config, tmp_path, capsys
):
    workdir, plain = finished
    shutil.copytree(workdir, tmp_path / "run")
    config = small_config()
    # What is measured besides may change without leave.
    config.eval.boundary = 0.02
    config.eval.images = True
    check_same_config(tmp_path / "run", config, allow_change=False)
    run = open_run(config, tmp_path / "run")
    names = run.experiment.label_map.class_names
    truth = parse_prior("oracle", names, run.experiment.model, means=["mask", "tags"])
    with run.open_checkpoints(read_only=True) as checkpoints:
        result = loop.evaluate_checkpoint(run, checkpoints, "test", truth=truth)
    assert "test told oracle-mask+tags at step" in capsys.readouterr().out
    folder = tmp_path / "run/eval-test-oracle-mask+tags"
    written = json.loads((folder / "metrics.json").read_text())
    assert written["prior"] == "oracle-mask+tags"
    assert written["metrics"]["boundary_iou"] == result.metrics["boundary_iou"]
    assert len((folder / "images.jsonl").read_text().splitlines()) == 10
    np.testing.assert_array_equal(
        result.confusion.sum(axis=1), plain.confusion.sum(axis=1)
    )
    # No class is predicted in an image without it.
    for image in result.images:
        assert set(image["predicted"]) <= {"background", *image["classes"]}
    for name in ("eval-test/metrics.json", "report/index.html"):
        assert (tmp_path / "run" / name).read_bytes() == (workdir / name).read_bytes()


def test_predictions_are_those_of_the_model_before_it_was_folded(finished):
    workdir, _ = finished
    meta, variables, _ = _load(workdir)
    rng = np.random.RandomState(0)
    photos = rng.randint(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    mean, std = (np.array(meta["normalization"][name]) for name in ("mean", "std"))
    image = ((photos / 255 - mean) / std).astype(np.float32)
    model = _build(meta)
    outputs = jax.jit(lambda x: model.apply(variables, x, train=False))(image)
    expected = jax.nn.softmax(outputs.logits)
    probs = Predictor(workdir)._probs(photos, 1)
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_no_prediction_depends_on_its_batch_and_each_size_is_compiled_once(finished):
    workdir, _ = finished
    predictor = Predictor(workdir, batch_size=4)
    rng = np.random.RandomState(0)
    photos = [
        rng.randint(0, 256, (height, 80, 3)).astype(np.uint8)
        for height in (90, 64, 30, 64, 120)
    ]
    with CompilationCount() as count:
        together = predictor(photos)
        assert count.take() == 2
        alone = [predictor(photo) for photo in photos]
        assert count.take() == 0
    differ = sum(np.sum(a != b) for a, b in zip(together, alone, strict=True))
    assert differ <= 1e-5 * sum(label.size for label in alone)
    small = np.stack([photo[:30] for photo in photos[:3]])
    one_by_one = np.concatenate([predictor._probs(small[[i]], 1) for i in range(3)])
    np.testing.assert_allclose(predictor._probs(small, 4), one_by_one, atol=1e-5)


def test_a_type_of_computation_can_be_asked_for(finished):
    workdir, _ = finished
    photos = np.random.RandomState(0).randint(0, 256, (1, 64, 64, 3)).astype(np.uint8)
    exact = Predictor(workdir)._probs(photos, 1)
    rough = Predictor(workdir, dtype="bfloat16")._probs(photos, 1)
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.05
    with pytest.raises(ValueError, match="bfloat8"):
        Predictor(workdir, dtype="bfloat8")


def test_predictions_in_strips_are_those_of_one_device(finished):
    workdir, _ = finished
    photo = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    whole = Predictor(workdir)._probs([photo], 1)
    strips = Predictor(workdir, spatial_shards=4)._probs([photo], 1)
    np.testing.assert_allclose(strips, whole, atol=1e-5)
    with pytest.raises(ValueError, match="spatial_shards=3"):
        Predictor(workdir, spatial_shards=3)


def test_results_never_overwrite_photos(finished, tmp_path):
    workdir, _ = finished
    photo = tmp_path / "a.png"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(photo)
    before = photo.read_bytes()
    with pytest.raises(ValueError, match="would overwrite a photo"):
        list(predict_files(Predictor(workdir), [photo], tmp_path))
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (ClassPrior(absent=("gown",)), "unknown class 'gown'; allowed are top"),
        (ClassPrior(present=("top",), absent=("top",)), "leaves background only"),
        (ClassPrior(certain=("gown",)), "unknown class 'gown'; allowed are top"),
        (
            ClassPrior(absent=("top",), certain=("top",)),
            "'top' is certain, and cannot occur",
        ),
    ],
)
def test_a_wrong_prior_is_refused(prior, message):
    with pytest.raises(ValueError, match=message):
        prior.allowed(("background", "top", "dress"))


def test_photos_whose_results_would_collide_are_refused(tmp_path):
    for name in ("a.jpg", "a.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    with pytest.raises(ValueError, match=r"both be written to a\.png"):
        find_images(str(tmp_path))


def test_a_folder_without_checkpoints_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="name the workdir of a run"):
        Predictor(tmp_path)


@pytest.mark.slow
def test_a_value_that_is_not_finite_stops_before_the_update(small_config, tmp_path):
    config = small_config(checkpoint_every_steps=1)
    # The first update is finite and enormous, the loss of the second step is not.
    config.schedule.name = "constant"
    config.schedule.learning_rate = 1e30
    with pytest.raises(NonFiniteError, match=r"step 2: .*max_skipped_steps"):
        loop.train_and_evaluate(config, tmp_path)
    step, state = _final_state(config, tmp_path)
    assert step == 1
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state.params))
    folder = tmp_path / "nonfinite/step-00000002"
    examples = json.loads((folder / "examples.json").read_text())["examples"]
    assert len(examples) == 8
    row = examples[3]
    picture = folder / f"003-example-{row['example_index']}.png"
    expected = open_run(config, tmp_path).dataset.sources["train"][row["example_index"]]
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), expected["image"])
    assert row["image_id"] == expected["image_id"]


def test_an_unknown_way_of_the_data_is_refused(small_config, tmp_path):
    config = small_config()
    config.data.input = "ram"
    with pytest.raises(ValueError, match=r"config\.data\.input='ram'; allowed are"):
        open_run(config, tmp_path)


def test_an_unknown_best_metric_is_refused_before_anything_is_trained(
    small_config, tmp_path
):
    message = r"config\.best_metric='miou' is no metric of this run; allowed are loss,"
    with pytest.raises(ValueError, match=message):
        open_run(small_config(best_metric="miou"), tmp_path)
    config = small_config(best_metric="f1")
    assert open_run(config, tmp_path).config.best_metric == "f1"
    config.model.variant = "plain"
    with pytest.raises(ValueError, match=r"config\.best_metric='f1' is no metric"):
        open_run(config, tmp_path)


def test_patience_does_not_run_out_before_the_encoder_is_thawed(small_config, tmp_path):
    config = small_config(num_epochs=2.0)
    config.freeze.num_epochs = 1.0
    config.early_stopping.patience = 2
    run = open_run(config, tmp_path)
    history = {2: 0.5, 3: 0.4, 4: 0.3, 5: 0.2, 6: 0.1}
    # Four steps an epoch: the last phase begins after step 4.
    ended = []
    for last in history:
        scored = [
            Scored(step, {config.best_metric: value})
            for step, value in history.items()
            if step <= last
        ]
        checkpoints = Checkpoints(tmp_path / "none", best_metric=config.best_metric)
        checkpoints._history = scored
        ended.append(run.is_out_of_patience(checkpoints))
    assert ended == [False, False, False, False, True]


@pytest.mark.slow
def test_patience_ends_a_run_that_does_not_improve(small_config, tmp_path, capsys):
    config = small_config(best_metric="loss", num_epochs=4.0)
    # Parameters hardly move, so that the loss cannot improve by so much.
    config.schedule.learning_rate = 1e-9
    config.early_stopping.patience = 2
    config.early_stopping.min_delta = 10.0
    result = loop.train_and_evaluate(config, tmp_path)
    assert "has not improved in 2 evaluations since step 2" in capsys.readouterr().out
    lines = [
        json.loads(x) for x in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert [x["step"] for x in lines if x["split"] == "val"] == [2, 4, 6]
    assert result.step == 2
    assert loop.train_and_evaluate(config, tmp_path) is None
    assert "finished: 6 steps" in capsys.readouterr().out


def test_one_program_is_compiled_a_run(finished):
    workdir, _ = finished
    lines = [
        json.loads(x) for x in (workdir / "metrics.jsonl").read_text().splitlines()
    ]
    compilations = [
        x["metrics"]["compilations"] for x in lines if x["split"] == "train"
    ]
    assert compilations == [0, 0, 0, 0]


@pytest.mark.slow
def test_a_run_that_goes_on_compiles_its_step_once(
    small_config, tmp_path, capsys, monkeypatch
):
    """With evaluations and checkpoints, and stopped on the way."""
    built = []

    def hear(event, seconds, *, fun_name="", **rest):
        del seconds, rest
        if event == "/jax/core/compile/backend_compile_duration":
            built.append(fun_name)

    original = loop.Checkpoints.save

    def save(self, state, meta):
        if self.latest_step is None:
            signal.raise_signal(signal.SIGTERM)
        return original(self, state, meta)

    config = small_config(checkpoint_every_steps=1, num_panels=0)
    monkeypatch.setattr(loop.Checkpoints, "save", save)
    jax.monitoring.register_event_duration_secs_listener(hear)
    try:
        with empty_cache():
            with pytest.raises(loop.StoppedError):
                loop.train_and_evaluate(config, tmp_path)
            assert loop.train_and_evaluate(config, tmp_path).step > 0
    finally:
        jax.monitoring.unregister_event_duration_listener(hear)
    told = capsys.readouterr().out
    assert told.count("Compiled the training step") == 1
    assert told.count("Read the training step") == 1
    # Each of the two made it ready once; all three evaluations were in the second.
    assert [sum(name in x for x in built) for name in ("train_step", "eval_step")] == [
        2,
        1,
    ]


@pytest.mark.slow
def test_a_run_in_two_phases_thaws_its_encoder(small_config, tmp_path, monkeypatch):
    config = small_config(num_epochs=2.0, checkpoint_every_steps=1)
    config.freeze.num_epochs = 1.0
    config.freeze.batch_norm = "eval"
    states = []
    original = loop.Checkpoints.save

    def save(self, state, meta):
        states.append(jax.device_get(state))
        return original(self, state, meta)

    monkeypatch.setattr(loop.Checkpoints, "save", save)
    loop.train_and_evaluate(config, tmp_path)
    first, frozen, thawed = states[0], states[3], states[4]
    assert (first.step, frozen.step, thawed.step) == (1, 4, 5)

    def same(a, b):
        return all(jax.tree.leaves(jax.tree.map(np.array_equal, a, b)))

    def encoder(state):
        return state.params["encoder"], state.batch_stats["encoder"]

    assert same(encoder(first), encoder(frozen))
    assert not same(encoder(frozen), encoder(thawed))
    # Adam counts its own steps: a new state at the turn.
    counts = [int(_adam_count(state)) for state in states]
    assert counts == [1, 2, 3, 4, 1, 2, 3, 4]


def _adam_count(state):
    leaves = jax.tree.leaves_with_path(state.opt_state)
    return next(x for path, x in leaves if "count" in jax.tree_util.keystr(path))
