import dataclasses
import json
import os
import signal
import sys
import threading
import time

import pytest

from fashionjax.reproduce import runs, tables
from fashionjax.reproduce.runs import Outcome, Runner, make_plans
from fashionjax.reproduce.scale import make_scale
from fashionjax.reproduce.table import TEST
from tests.reproduce.fake import write_run

STUB = """#!{python}
import pathlib, signal, sys, time
print("main", *sys.argv[3:], flush=True)
{body}
"""


@pytest.fixture
def plan(tmp_path):
    scale = make_scale("smoke", "synthetic")
    return make_plans(tables.S3_TABLE5, scale, tmp_path)[tables.OURS]


@pytest.fixture
def main_is(tmp_path, monkeypatch):
    """Puts a few lines in the place of `fashionjax.main`."""

    def replace(body):
        stub = tmp_path / "python"
        stub.write_text(STUB.format(python=sys.executable, body=body))
        stub.chmod(0o755)
        monkeypatch.setattr(runs, "PYTHON", str(stub))

    return replace


def test_a_run_is_told_its_config_its_folder_and_what_is_changed(plan, main_is):
    main_is("")
    with Runner([].append) as runner:
        assert runner.make(plan) == Outcome(plan)
    told = (plan.workdir / "reproduce.log").read_text().split()
    assert told[:3] == [
        "main",
        f"--config={runs.CONFIGS / 'unet_ext.py'}:synthetic",
        f"--workdir={plan.workdir}",
    ]
    assert "--config.batch_size=8" in told


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("print('step 3'); sys.exit('error: disk full')", "disk full"),
        ("sys.exit('error: other keys:\\n  lr: 1 -> 2')", "other keys: lr: 1 -> 2"),
        ("sys.exit('error: late\\nTraceback (most recent call last):\\n x')", "late"),
        ("print('Killed'); sys.exit(137)", "Killed"),
        ("raise ValueError('three classes')", "ValueError: three classes"),
    ],
)
def test_a_run_that_fails_leaves_the_line_that_tells_why(plan, main_is, body, error):
    main_is(body)
    said = []
    with Runner(said.append) as runner:
        assert runner.make(plan) == Outcome(plan, error)
        assert not runner.stopped
    assert said == [f"  failed: {error}"]


def test_runs_that_come_to_the_same_are_made_once(tmp_path):
    for name in ("document", "small", "smoke"):
        scale = make_scale(name, "synthetic")
        plans = make_plans(tables.S3_TABLE1, scale, tmp_path)
        base, refined = plans[tables.BASE], plans[tables.PLAIN_UNET]
        assert dataclasses.replace(base, run=tables.PLAIN_UNET) == refined
        # Where the other tables have it.
        other = make_plans(tables.S3_TABLE2, scale, tmp_path)[tables.PLAIN_UNET]
        assert refined == other
    for folder, number in (("decisions", 2), ("", 1)):
        scale = make_scale(None, None, [("data.refined_dir", folder)])
        plans = make_plans(tables.S3_TABLE1, scale, tmp_path).values()
        assert len({plan.workdir for plan in plans}) == number


@pytest.mark.parametrize("name", ["s1-grid", "s3-table2", "s4-table2"])
def test_runs_that_differ_are_made_each(tmp_path, name):
    scale = make_scale("smoke", "synthetic")
    table = tables.TABLES[name]
    plans = make_plans(table, scale, tmp_path).values()
    configs = {run.config for run in table.runs}
    assert len({plan.workdir for plan in plans}) == len(configs)


def test_a_finished_run_is_not_made_again_unless_it_changed(plan, main_is):
    main_is("sys.exit('error: made again')")
    write_run(plan)
    with Runner([].append) as runner:
        assert runner.make(plan) == Outcome(plan)
        for key, value in (("num_epochs", "2.0"), ("batch_size", "4")):
            changed = dict(plan.changes) | {key: value}
            other = dataclasses.replace(plan, changes=tuple(changed.items()))
            assert runner.make(other).error == "made again"
        (plan.workdir / "finished").unlink()
        assert runner.make(plan).error == "made again"


def test_an_evaluation_is_made_once_for_each_checkpoint(plan, main_is):
    main_is("sys.exit(0 if '--mode=eval' in sys.argv else 1)")
    write_run(plan)
    made = Outcome(plan)
    log = plan.workdir / "reproduce.log"
    with Runner([].append) as runner:
        assert runner.evaluate(made, tables.ORACLE) == made
        assert log.read_text().split()[-2:] == ["--prior=oracle", "--prior_by=mask"]
        log.unlink()
        write_run(plan, folder=tables.ORACLE.folder)
        assert runner.evaluate(made, tables.ORACLE) == made
        assert not log.exists()
        write_run(plan, step=50)
        assert plan.is_evaluated(TEST)
        assert not plan.is_evaluated(tables.ORACLE)
        failed = Outcome(plan, "no data")
        assert runner.evaluate(failed, tables.ORACLE) == failed


@pytest.mark.parametrize(("scale", "number"), [("smoke", 3), ("small", 50)])
def test_options_of_a_crf_are_searched_before_it_is_evaluated(
    tmp_path, main_is, scale, number
):
    main_is("")
    made = make_scale(scale, "synthetic")
    plan = make_plans(tables.S4_TABLE2, made, tmp_path)[tables.FPN_CFPD]
    write_run(plan)
    with Runner([].append) as runner:
        runner.evaluate(Outcome(plan), tables.WITH_CRF)
    told = (plan.workdir / "reproduce.log").read_text().split()
    assert told[-3:] == ["--mode=eval", "--crf", f"--crf_settings={number}"]


def test_an_evaluation_with_crf_is_of_the_options_that_hold_now(tmp_path):
    def plan(*wanted):
        scale = make_scale("smoke", "synthetic", wanted)
        return make_plans(tables.S4_TABLE2, scale, tmp_path)[tables.FPN_CFPD]

    found = {"bilateral_sxy": 7, "bilateral_srgb": 13, "bilateral_compat": 4}
    fixed = {"gaussian_sxy": 1.0, "gaussian_compat": 1.0, "num_iterations": 10}
    evaluation = tables.WITH_CRF
    write_run(plan())
    write_run(plan(), folder=evaluation.folder, options=found | fixed)
    # No search has found these.
    assert not plan().is_evaluated(evaluation)
    result = plan().workdir / "crf-search/result.json"
    result.parent.mkdir()
    result.write_text(json.dumps({"best": {"options": found | fixed}}))
    assert plan().is_evaluated(evaluation)
    assert plan(("batch_size", "4")).is_evaluated(evaluation)
    for key in ("gaussian_sxy", "bilateral_sxy"):
        assert not plan((f"crf.{key}", "3")).is_evaluated(evaluation)


def test_a_signal_reaches_the_run_and_nothing_is_started_after_it(plan, main_is):
    main_is(
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\n"
        "pathlib.Path(sys.argv[4].partition('=')[2], 'started').touch()\n"
        "time.sleep(60)"
    )

    def stop():
        while not (plan.workdir / "started").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop, daemon=True).start()
    with Runner([].append) as runner:
        assert runner.make(plan).stopped
        assert runner.stopped
        again = runner.make(plan)
        assert again.stopped
        assert again.error == "not started: asked to stop"
    assert signal.getsignal(signal.SIGTERM) is before
