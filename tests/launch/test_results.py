"""The script that compares recipes on photos: what it runs, and concludes."""

import importlib.util
import json
import pathlib
import sys

import pytest

from fashionjax.config_files import load_config
from fashionjax.reproduce.runs import CONFIGS, Outcome, Runner
from fashionjax.writers import JsonlWriter

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("results", ROOT / "launch/results.py")
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses look for the module that they are of.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def make_all(script, monkeypatch, tmp_path):
    """Runs the script; `iou(run, config)` is what each finds. Returns the plans."""

    def run(*words, iou, error=""):
        plans = []

        def make(self, plan):
            del self
            plans.append(plan)
            config = plan.resolved_config()
            found = iou(plan.run, config)
            writer = JsonlWriter(plan.workdir / "metrics.jsonl")
            # The better evaluation is not that of the checkpoint that test is of.
            for step, value in ((5, found), (10, 0.99)):
                writer.write(step, "val", {"mean_iou": value})
            writer.close()
            test = {
                "mean_iou": found + config.seed / 100,
                "pooled_iou_excl_bg": 0.5,
                "pixel_accuracy": 0.75,
            }
            folder = plan.workdir / "eval-test"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "metrics.json").write_text(
                json.dumps({"step": 5, "metrics": test})
            )
            return Outcome(plan, error)

        monkeypatch.setattr(Runner, "make", make)
        status = script.main([*words, f"--out={tmp_path}"])
        return status, plans

    return run


def _low_is_best(run, config):
    del run
    return 0.5 - config.schedule.learning_rate


def test_every_recipe_has_the_same_budget_and_three_seeds(script, make_all, tmp_path):
    status, plans = make_all("--config.data.raw_dir=photos", iou=_low_is_best)
    assert status == 0
    configs = [plan.resolved_config() for plan in plans]
    for row in script.ROWS:
        of_row = [c for p, c in zip(plans, configs, strict=True) if p.run == row]
        own = of_row[1].schedule.learning_rate
        rates = [c.schedule.learning_rate / own for c in of_row]
        assert rates == pytest.approx([1 / 3, 1, 3, 1 / 3, 1 / 3], rel=0.01)
        assert [c.seed for c in of_row] == [0, 0, 0, 1, 2]
    assert {c.data.raw_dir for c in configs} == {"photos"}
    assert len({plan.workdir for plan in plans}) == len(plans) == 30
    table = (tmp_path / "full/table.md").read_text()
    lowest = 0.5 - min(c.schedule.learning_rate for c in configs)
    assert f"{lowest + 0.01:.4f} ± 0.0100 | 0.5000 ± 0.0000 | 0.7500 ± 0.0000" in table


def test_the_reduced_runs_see_as_many_photos_of_a_size(make_all, tmp_path):
    status, plans = make_all("--reduced", iou=_low_is_best)
    assert status == 0
    configs = [plan.resolved_config() for plan in plans]
    assert [c.seed for c in configs] == [0] * 6
    for config in configs:
        assert (config.num_epochs, config.batch_size) == (10.0, 8)
        assert tuple(config.data.image_size) == (96, 64)
    begins = [(c.model.pretrained, c.freeze.num_epochs) for c in configs]
    assert begins == [("none", 0.0)] * 3 + [("efficientnet_lite0", 1.0)] * 3
    text = (tmp_path / "reduced/table.md").read_text()
    assert text.startswith(
        "Reduced, data.image_size=(96, 64), num_epochs=10.0, eval_every_epochs=1.0; "
        "1 seed, test split\n"
    )


def test_the_reduced_rows_are_reduced_in_size_and_length_alone(script, make_all):
    _, plans = make_all("--reduced", iou=_low_is_best)
    for row, own in zip(script.REDUCED, (script.S0_BEST, script.OURS), strict=True):
        rates = [p.resolved_config() for p in plans if p.run == row]
        document = load_config(f"{CONFIGS / own.config}.py:{own.dataset}")
        tried = [config.schedule.learning_rate for config in rates]
        rate = document.schedule.learning_rate
        assert tried == pytest.approx([rate / 3, rate, 3 * rate], rel=0.01)
        for config in rates:
            assert config.data.image_size == (96, 64)
            assert config.num_epochs == 10
            assert config.augment == document.augment
            model, whole = config.model.to_dict(), document.model.to_dict()
            assert model.pop("dtype") == "float32"
            del whole["dtype"]
            assert model == whole


def test_the_table_says_what_was_set_but_not_where_photos_lie(make_all, tmp_path):
    words = ["data.raw_dir=photos", "data.input=resident", "data.num_threads=2"]
    words += ["data.split=s0_90_10", "data.image_size=(64, 64)", "num_epochs=2.0"]
    make_all("--reduced", *(f"--config.{w}" for w in words), iou=_low_is_best)
    first, *_ = (tmp_path / "reduced/table.md").read_text().splitlines()
    assert first == (
        "Reduced, data.image_size=(64, 64), num_epochs=2.0, eval_every_epochs=1.0, "
        "data.split=s0_90_10; 1 seed, test split"
    )


def test_equal_pooled_iou_supports_nothing(make_all, tmp_path):
    def found(run, config):
        del config
        return 0.7 if run.config == "recommended" else 0.6

    make_all("--reduced", iou=found)
    table = (tmp_path / "reduced/table.md").read_text()
    assert "withdrawn (pooled IoU without background +0.0000" in table
    assert "mean IoU +0.1000; one seed" in table


def _result(script, run, pooled, mean):
    """Of a run whose seeds found `pooled` and `mean`."""
    metrics = [
        {"pooled_iou_excl_bg": p, "mean_iou": m, "pixel_accuracy": 0.9}
        for p, m in zip(pooled, mean, strict=True)
    ]
    return script.Result(run, 1e-3, {1e-3: mean[0]}, metrics)


def test_both_numbers_must_be_above_the_best_trial_of_four_classes(script):
    def result(run, pooled, mean):
        return _result(script, run, [pooled], [mean])

    trial59, trial2, trial3, *_ = script.ROWS
    others = [result(trial2, 0.7, 0.5), result(trial3, 0.6, 0.6)]
    assert "supported" in script.verdict([*others, result(script.OURS, 0.71, 0.61)])
    assert "withdrawn" in script.verdict([*others, result(script.OURS, 0.69, 0.61)])
    assert "withdrawn" in script.verdict([*others, result(script.OURS, 0.71, 0.59)])
    better = [*others, result(trial59, 0.9, 0.9), result(script.OURS, 0.71, 0.61)]
    assert "supported (pooled IoU without background +0.0100" in script.verdict(better)


@pytest.mark.parametrize(
    ("spread", "state"), [(0.02, "supported"), (0.03, "withdrawn")]
)
def test_of_several_seeds_the_lead_must_be_above_its_deviation(script, spread, state):
    def result(run, mean):
        ious = [mean - spread, mean, mean + spread]
        return _result(script, run, ious, [0.5 + mean] * 3)

    # A lead of 0.035 against √2 times the spread: 0.0283 or 0.0424.
    line = script.verdict([result(script.S0_BEST, 0.4), result(script.OURS, 0.435)])
    lead = f"+0.0350 ± {2**0.5 * spread:.4f}, mean IoU +0.0350 ± 0.0000"
    assert f"{state} (pooled IoU without background {lead}" in line
    assert "above the deviation of the difference of two runs" in line


def test_a_run_that_fails_ends_it_without_a_table(make_all, tmp_path, capsys):
    status, plans = make_all("--reduced", iou=_low_is_best, error="no photos")
    assert status == 1
    assert len(plans) == 1
    assert "no photos; the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "reduced/table.md").exists()
