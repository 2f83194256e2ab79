"""The script that takes all measurements of a GPU: what it runs, and skips."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

from fashionjax.bench.__main__ import _parser
from fashionjax.bench.models import MODELS

ROOT = pathlib.Path(__file__).parents[2]


def _run(*arguments, **variables):
    return subprocess.run(
        ["bash", str(ROOT / "launch/bench_gpu.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | variables,
    )


def _commands(*stages, **variables):
    done = _run("--dry-run", *stages, PYTHON="python", **variables)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("reduced", ["", "1"])
def test_every_command_is_one_that_the_benchmark_takes(reduced):
    commands = _commands("all", REDUCED=reduced, RAW_DIR="my photos")
    for words in commands:
        if words[2] == "fashionjax.bench":
            _parser().parse_args(words[3:])
        else:
            assert words[:3] == ["python", "-m", "fashionjax.main"]
    assert {words[3] for words in commands} >= {
        "ceilings", "train", "infer", "peer", "input", "e2e", "metrics", "scale",
        "curves", "profile", "crf",
    }  # fmt: skip


@pytest.mark.parametrize("stage", ["train", "infer", "peer-eager", "peer-compiled"])
def test_every_model_has_its_row(stage):
    text = "\n".join(map(" ".join, _commands(stage)))
    names = re.findall(r"--model=(\S+)", text)
    assert names[: len(MODELS)] == list(MODELS)
    assert set(names) == set(MODELS)


def test_unknown_stages_are_refused_before_any_runs():
    done = _run("ceilings", "nonsense")
    assert done.returncode == 2
    assert not done.stdout
    assert "unknown stage nonsense; allowed are ceilings" in done.stderr


@pytest.fixture
def stand_in(tmp_path):
    """A stand-in for Python that notes its commands, and does as the test says."""

    def write(code):
        file = tmp_path / "python"
        file.write_text(f'#!/usr/bin/env bash\necho "$*" >>{tmp_path}/log\n{code}\n')
        file.chmod(0o755)
        log = tmp_path / "log"
        log.write_text("")
        return {
            "PYTHON": str(file),
            "BENCH_OUT": str(tmp_path / "out"),
            "REDUCED": "1",
        }, lambda: log.read_text().splitlines()

    return write


def test_what_was_measured_is_skipped(stand_in):
    variables, log = stand_in("")
    assert _run("ceilings", **variables).returncode == 0
    assert len(log()) == 2
    assert _run("ceilings", "metrics", **variables).returncode == 0
    assert ["metrics" in line for line in log()[2:]] == [True]


def test_a_row_that_fails_leaves_the_others(stand_in):
    variables, log = stand_in("[[ $* != *bfloat16* ]] || exit 1")
    done = _run("ceilings", **variables)
    assert done.returncode == 1
    assert "ceilings: failed with status 1: " in done.stderr
    assert len(log()) == 2
    # The next call tries again what failed, and only that.
    _run("ceilings", **variables)
    assert ["bfloat16" in line for line in log()[2:]] == [True]


def test_a_row_that_takes_a_whole_stage_is_not_tried_forever(stand_in):
    variables, log = stand_in("[[ $* != *bfloat16* ]] || sleep 30")
    done = _run("ceilings", "metrics", STAGE_SECONDS="1", **variables)
    assert done.returncode == 1
    assert "failed with status 143" in done.stderr
    assert sum("bfloat16" in line for line in log()) == 1
    assert any("metrics" in line for line in log())


def test_a_stage_goes_on_where_its_time_ended(stand_in):
    variables, log = stand_in("sleep 1.2")
    done = _run("ceilings", STAGE_SECONDS="2", **variables)
    assert done.returncode == 75
    assert "the same command goes on" in done.stdout
    assert _run("ceilings", STAGE_SECONDS="30", **variables).returncode == 0
    assert "float32" in log()[-1]


def test_training_that_saved_itself_goes_on(stand_in):
    variables, log = stand_in("trap 'exit 75' TERM\nsleep 30 &\nwait")
    done = _run("extunet", STAGE_SECONDS="1", **variables)
    assert done.returncode == 75
    assert "extunet: out of time; the same command goes on" in done.stdout
    assert not done.stderr
    assert len(log()) == 1
