"""Tests of the W&B writer, against a stand-in and, where it is installed, wandb."""

import math
import sys
import types
import warnings

import numpy as np
import pytest

from fashionjax.writers import WandbWriter, open_writers, read_metrics


class _FakeRun:
    def __init__(self, arguments):
        self.arguments = arguments
        self.axes, self.hidden, self.logged, self.finished = {}, set(), [], 0
        self.error = None

    def define_metric(self, name, step_metric=None, hidden=False):
        self.axes[name] = step_metric
        if hidden:
            self.hidden.add(name)

    def log(self, values):
        if self.error is not None:
            raise self.error
        self.logged.append(values)

    def finish(self):
        self.finished += 1


class _FakeWandb(types.ModuleType):
    def __init__(self):
        super().__init__("wandb")
        self.runs, self.error = [], None

    def init(self, **arguments):
        if self.error is not None:
            raise self.error
        self.runs.append(_FakeRun(arguments))
        return self.runs[-1]


@pytest.fixture
def wandb(monkeypatch):
    module = _FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    return module


def test_a_run_is_named_after_its_folder_and_shows_its_config(tmp_path, wandb):
    workdir = tmp_path / "runs" / "belts"
    WandbWriter(workdir, {"seed": 3})
    arguments = wandb.runs[0].arguments
    assert arguments["name"] == "belts"
    assert arguments["dir"] == str(workdir)
    assert arguments["config"] == {"seed": 3}
    assert arguments["project"] == "fashionjax"


def test_the_project_is_the_argument_or_the_variable(tmp_path, wandb, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "ours")
    WandbWriter(tmp_path)
    WandbWriter(tmp_path, project="mine")
    projects = [run.arguments["project"] for run in wandb.runs]
    assert projects == ["ours", "mine"]


@pytest.mark.parametrize("resume_step", [20, None])
def test_a_resumed_run_goes_on_under_its_id(tmp_path, wandb, resume_step):
    WandbWriter(tmp_path, resume_step=0)
    WandbWriter(tmp_path, resume_step=resume_step)
    first, second = (run.arguments for run in wandb.runs)
    assert first["id"] == second["id"] != ""
    assert second["resume"] == "allow"


def test_a_run_from_the_start_gets_an_id_of_its_own(tmp_path, wandb):
    WandbWriter(tmp_path, resume_step=0)
    WandbWriter(tmp_path, resume_step=0)
    WandbWriter(tmp_path, resume_step=20)
    ids = [run.arguments["id"] for run in wandb.runs]
    assert ids[0] != ids[1] == ids[2]


def test_metrics_are_logged_by_split_over_our_own_step(tmp_path, wandb):
    writer = WandbWriter(tmp_path)
    writer.write(7, "train", {"loss": np.float32(0.5)}, epoch=1.5)
    writer.write(np.int64(7), "val", {"mean_iou": 0.25, "iou/hat": math.nan})
    run = wandb.runs[0]
    assert run.axes == {"step": None, "*": "step"}
    assert run.hidden == {"step"}
    assert run.logged == [
        {"step": 7, "train/loss": 0.5, "train/epoch": 1.5},
        {"step": 7, "val/mean_iou": 0.25},
    ]
    for values in run.logged:
        assert {type(value) for value in values.values()} == {int, float}


def test_a_run_is_finished_once(tmp_path, wandb):
    writer = WandbWriter(tmp_path)
    assert wandb.runs[0].finished == 0
    writer.close()
    writer.close()
    assert wandb.runs[0].finished == 1


def test_open_writers_tells_where_the_run_is_and_goes_on(tmp_path, wandb):
    names = ("tensorboard", "wandb")
    open_writers(tmp_path, 0, names, {"seed": 3}).close()
    group = open_writers(tmp_path, 20, names, {"seed": 3})
    group.write(30, "train", {"loss": 1.0})
    group.close()
    first, second = wandb.runs
    assert second.arguments["config"] == {"seed": 3}
    assert second.arguments["dir"] == str(tmp_path)
    assert first.arguments["id"] == second.arguments["id"]
    assert second.logged == [{"step": 30, "train/loss": 1.0}]
    assert second.finished == 1
    assert (tmp_path / "tensorboard").exists()


def test_a_run_without_wandb_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    message = r"'wandb': ImportError: .*pip install fashionjax\[wandb\]"
    with pytest.warns(UserWarning, match=message) as seen:
        group = open_writers(tmp_path, names=("wandb",))
    assert len(seen) == 1
    group.write(1, "train", {"loss": 2.0})
    group.close()
    assert [record.step for record in read_metrics(tmp_path / "metrics.jsonl")] == [1]


def test_a_run_goes_on_where_wandb_does_not_open(tmp_path, wandb):
    wandb.error = RuntimeError("no network")
    with pytest.warns(UserWarning, match="'wandb': RuntimeError: no network"):
        group = open_writers(tmp_path, names=("wandb",))
    group.close()


def test_an_interrupt_while_wandb_opens_ends_the_run(tmp_path, wandb):
    wandb.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        open_writers(tmp_path, names=("wandb",))


def test_a_run_goes_on_where_wandb_fails_later(tmp_path, wandb):
    group = open_writers(tmp_path, names=("wandb",))
    wandb.runs[0].error = RuntimeError("gone")
    with pytest.warns(UserWarning, match="WandbWriter failed.*gone"):
        group.write(1, "train", {"loss": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group.write(2, "train", {"loss": 1.0})
        wandb.runs[0].error = None
        group.write(3, "train", {"loss": 1.0})
        group.close()
    assert wandb.runs[0].logged == [{"step": 3, "train/loss": 1.0}]
    steps = [record.step for record in read_metrics(tmp_path / "metrics.jsonl")]
    assert steps == [1, 2, 3]


def test_wandb_itself_takes_repeated_steps_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for resume_step, steps in ((0, (10, 20)), (10, (20, 30))):
        config = {"seed": 3, "image_size": (64, 32), "model": {"name": "unet"}}
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            group = open_writers(tmp_path, resume_step, ("wandb",), config)
            for step in steps:
                group.write(step, "train", {"loss": 1 / step}, 0.5)
                group.write(step, "val", {"mean_iou": 0.5, "iou/hat": math.nan})
            group.close()
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    assert len(files) == 2
    assert files[0].name == files[1].name
    for file in files:
        content = file.read_bytes()
        assert b"train/loss" in content
        assert b"val/mean_iou" in content
        assert b"iou/hat" not in content
