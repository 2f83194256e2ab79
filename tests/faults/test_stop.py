"""SIGTERM at the moments that matter: the run saves, leaves with 75, and goes on."""

import signal

import pytest

from fashionjax.train.interrupt import EXIT_STATUS
from tests.faults import tiny_run

pytestmark = pytest.mark.slow


def test_a_stopped_run_has_saved_its_last_step(tmp_path):
    workdir, log = tmp_path / "run", tmp_path / "log"
    # Nothing is saved between evaluations but for the signal.
    options = {"checkpoint_every_steps": 0, "num_epochs": 3.0}
    first = tiny_run.start(workdir, log, **options)
    # During compilation: noted, and obeyed after the first step.
    tiny_run.wait_for(first, lambda: "Compiling" in log.read_text())
    first.send_signal(signal.SIGTERM)
    assert first.wait(300) == EXIT_STATUS
    stopped_at = max(tiny_run.steps_logged(workdir))
    assert stopped_at <= 2
    assert (workdir / f"checkpoints/{stopped_at}").is_dir()
    text = log.read_text()
    assert "SIGTERM: saving after the steps under way" in text
    assert f"stopped at step {stopped_at}; the same command goes on from there" in text

    second = tiny_run.start(workdir, log, **options)
    tiny_run.wait_for(second, lambda: len(tiny_run.steps_logged(workdir)) >= 7)
    second.send_signal(signal.SIGINT)
    assert second.wait(300) == EXIT_STATUS
    assert f"Going on from step {stopped_at}" in log.read_text()
    stopped_at = max(tiny_run.steps_logged(workdir))
    assert 7 <= stopped_at <= 10
    assert (workdir / f"checkpoints/{stopped_at}").is_dir()
