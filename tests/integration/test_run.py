"""A whole run at a tiny size: train, resume, evaluate, predict."""

import json
import re
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from fashionjax.predict import ClassPrior, Predictor, find_images, predict_files
from fashionjax.train import loop
from fashionjax.train.run import open_run


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
    predictor._probs = lambda _: probs[None]
    photo = np.zeros((8, 8, 3), np.uint8)
    assert np.all(predictor(photo) == 1)
    free = Predictor(workdir)
    free._probs = predictor._probs
    assert np.all(free(photo) == dress)


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
def test_a_resumed_run_ends_bit_for_bit_where_an_unbroken_one_does(
    finished, small_config, tmp_path, monkeypatch
):
    workdir, _ = finished

    class StoppedError(Exception):
        pass

    original = loop.Checkpoints.save

    def save_and_stop(self, state, **kwargs):
        original(self, state, **kwargs)
        self.wait()
        raise StoppedError

    monkeypatch.setattr(loop.Checkpoints, "save", save_and_stop)
    with pytest.raises(StoppedError):
        loop.train_and_evaluate(small_config(), tmp_path)
    monkeypatch.undo()
    loop.train_and_evaluate(small_config(), tmp_path)
    step, resumed = _final_state(small_config(), tmp_path)
    unbroken_step, unbroken = _final_state(small_config(), workdir)
    assert step == unbroken_step == 4
    for a, b in zip(jax.tree.leaves(resumed), jax.tree.leaves(unbroken), strict=True):
        np.testing.assert_array_equal(a, b)
    shutil.rmtree(tmp_path)
