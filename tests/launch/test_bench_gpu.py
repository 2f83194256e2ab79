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


def _run(*arguments, cwd=None, **variables):
    return subprocess.run(
        ["bash", str(ROOT / "launch/bench_gpu.sh"), *arguments],
        cwd=cwd,
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


def test_what_was_tried_is_not_taken_for_measured():
    variables = {"PYTHON": "python", "BENCH_OUT": ""}
    outs = []
    for reduced in ("", "1"):
        done = _run("--dry-run", "ceilings", REDUCED=reduced, **variables)
        outs.append(re.findall(r"--out=(\S+)/results.jsonl", done.stdout)[0])
    assert outs == [str(ROOT / "runs/bench"), str(ROOT / "runs/bench-reduced")]


def test_relative_paths_are_those_of_the_caller(tmp_path):
    done = _run(
        "--dry-run", "input", "peer-eager", "crf", "extunet", cwd=tmp_path,
        PYTHON="venv/bin/python", TORCH_PYTHON="../torch/python", CRF_PYTHON="python3",
        RAW_DIR="photos", BENCH_OUT="out", REDUCED="",
    )  # fmt: skip
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    assert {words[0] for words in commands} == {f"{tmp_path}/venv/bin/python"}
    options = {word for words in commands for word in words}
    assert {
        f"--torch_python={tmp_path}/../torch/python",
        "--peer_python=python3",
        f"--config.data.raw_dir={tmp_path}/photos",
        f"--out={tmp_path}/out/results.jsonl",
        f"--workdir={tmp_path}/out/extunet",
    } <= options


def test_reduced_runs_have_no_photos():
    done = _run("--dry-run", "all", PYTHON="python", RAW_DIR="photos", REDUCED="1")
    assert "raw_dir" not in done.stdout


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


def test_no_gpu_is_no_measurement(stand_in):
    variables, log = stand_in("echo cpu")
    done = _run("ceilings", **variables | {"REDUCED": ""})
    assert done.returncode == 2
    assert "error: JAX sees no GPU, its devices are 'cpu'" in done.stderr
    (asked,) = log()
    assert "jax.default_backend()" in asked


def test_with_a_gpu_all_is_measured(stand_in):
    variables, log = stand_in("echo gpu")
    assert _run("ceilings", **variables | {"REDUCED": ""}).returncode == 0
    assert len(log()) == 3


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
