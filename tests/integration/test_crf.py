"""A run whose predictions the dense CRF refines: evaluation, search, prediction."""

import json

import numpy as np
import pytest

from fashionjax import crf_search
from fashionjax.data.synthetic import render_photo
from fashionjax.postprocess import dense_crf
from fashionjax.predict import ClassPrior, Predictor
from fashionjax.train import loop
from fashionjax.train.crf import evaluate_with_crf, predict_split, read_options
from fashionjax.train.run import open_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(small_config, tmp_path_factory):
    """Work directory and `Run` of a finished run."""
    config = small_config(num_panels=1)
    workdir = tmp_path_factory.mktemp("crf")
    loop.train_and_evaluate(config, workdir)
    return workdir, open_run(config, workdir)


def test_evaluation_stands_beside_that_without(trained):
    workdir, run = trained
    with run.open_checkpoints(read_only=True) as checkpoints:
        record = evaluate_with_crf(run, checkpoints, "test")
    plain = json.loads((workdir / "eval-test/metrics.json").read_text())
    written = json.loads((workdir / "eval-test-crf/metrics.json").read_text())
    assert written == record
    assert record["num_images"] == plain["num_images"]
    # The same model, its pixels counted another way.
    for name in ("pixel_accuracy", "mean_iou"):
        found = record["without_crf"][name]
        assert found == pytest.approx(plain["metrics"][name], abs=1e-4)
    speed = record["images_per_second"]
    assert 0 < speed["with_crf"] < speed["without_crf"]
    confusion = np.load(workdir / "eval-test-crf/confusion.npy")
    assert confusion.sum() == 10 * 64 * 64
    accuracy = np.trace(confusion) / confusion.sum()
    assert record["metrics"]["pixel_accuracy"] == pytest.approx(accuracy)
    assert "| with CRF |" in (workdir / "eval-test-crf/table.md").read_text()


def test_a_search_goes_on_where_it_was_stopped(trained, capsys):
    workdir, run = trained
    folder = workdir / "crf-search"
    assert crf_search.main([f"--workdir={workdir}", "--num_settings=1"]) == 0
    with (folder / "settings.jsonl").open("a") as log:
        log.write('{"options": half a li')
    assert crf_search.main([f"--workdir={workdir}", "--num_settings=2"]) == 0
    assert "2/2 " in capsys.readouterr().out
    result = json.loads((folder / "result.json").read_text())
    assert len(result["settings"]) == 2
    assert result["num_images"] == 9
    best = max(result["settings"], key=lambda tried: tried["pixel_accuracy"])
    assert result["best"] == best
    assert read_options(run.config.crf, workdir) == best["options"]
    assert crf_search.main([f"--workdir={workdir}", "--seed=1"]) == 1
    assert "holds the search" in capsys.readouterr().err


def test_predictions_are_refined_at_the_models_size(trained):
    workdir, run = trained
    options = read_options(run.config.crf, workdir)
    photo = render_photo(5, (64, 64)).image
    prior = ClassPrior(absent=("dress",))
    refined = Predictor(workdir, prior=prior, crf=options)
    plain = Predictor(workdir, prior=prior)
    probs = np.where(plain._allowed, plain._probs([photo], 1), 0)
    expected = np.asarray(dense_crf(probs[0], photo, **options)).argmax(-1)
    label = refined(photo)
    np.testing.assert_array_equal(label, expected)
    assert (label != refined.class_names.index("dress")).all()


def test_each_image_is_predicted_once(trained):
    _, run = trained
    with run.open_checkpoints(read_only=True) as checkpoints:
        _, variables = loop.best_variables(run, checkpoints)
    batches = list(predict_split(run, variables, "val"))
    assert [len(batch.image) for batch in batches] == [8, 1]
