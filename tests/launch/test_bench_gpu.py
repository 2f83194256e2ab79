"""The script that takes all measurements of a GPU: what it runs, and skips."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

import pytest

from fashionjax.bench.__main__ import _parser
from fashionjax.bench.commands import COMMANDS
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
            assert words[2] in ("fashionjax.main", "fashionjax.data")
    assert {words[3] for words in commands} >= {*COMMANDS}


@pytest.mark.parametrize(
    ("stage", "batches"),
    [
        ("train", (8, 16, 64)),
        ("infer", (1, 8, 16, 64)),
        ("peer-eager", (16,)),
        ("peer-compiled", (16,)),
        ("peer-graphs", (16,)),
        ("float32", (16,)),
    ],
)
def test_every_model_has_its_row_of_each_batch(stage, batches):
    text = "\n".join(map(" ".join, _commands(stage)))
    found = re.findall(r"--model=(\S+) --batch=(\S+)", text)
    wanted = [(model, str(batch)) for model in MODELS for batch in batches]
    assert found[: len(wanted)] == wanted
    assert {model for model, _ in found} == set(MODELS)


def test_torch_runs_eager_compiled_and_in_graphs():
    stages = ("peer-eager", "peer-compiled", "peer-graphs")
    modes = [
        {word for words in _commands(stage) for word in words if "--compile" in word}
        for stage in stages
    ]
    assert modes == [set(), {"--compile"}, {"--compile=reduce-overhead"}]


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
        f"--raw={tmp_path}/photos",
        f"--out={tmp_path}/out/results.jsonl",
        f"--workdir={tmp_path}/out/extunet",
    } <= options


def test_reduced_runs_have_no_photos():
    done = _run("--dry-run", "all", PYTHON="python", RAW_DIR="photos", REDUCED="1")
    assert "--raw" not in done.stdout


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


def test_rows_share_what_was_compiled_and_may_use_the_whole_gpu(stand_in, tmp_path):
    names = ("JAX_COMPILATION_CACHE_DIR", "XLA_CLIENT_MEM_FRACTION")
    code = "; ".join(f'echo "${name}" >>{tmp_path}/log' for name in names)
    variables, log = stand_in(code)
    unset = dict.fromkeys(names, "")
    assert _run("ceilings", **variables | unset).returncode == 0
    assert log()[1:3] == [f"{tmp_path}/out/cache", ".92"]


@pytest.mark.parametrize(
    ("asked", "stages", "message"),
    [
        ("import torch", ("peer-eager", "peer-infer"), "has no torch for this"),
        ("prepare ccp", ("e2e", "extunet"), "no Clothing Co-Parsing; RAW_DIR names"),
    ],
)
def test_what_lacks_is_asked_for_once_and_told_once_a_stage(
    stand_in, asked, stages, message
):
    variables, log = stand_in(
        f'[[ $* != *default_backend* ]] || echo gpu\n[[ $* != *"{asked}"* ]]'
    )
    done = _run(*stages, "ceilings", **variables | {"REDUCED": ""})
    assert done.returncode == 1
    assert sum(asked in line for line in log()) == 1
    told = [line for line in done.stderr.splitlines() if "skipped" in line]
    assert [line.split(":")[0] for line in told] == list(stages)
    assert all(message in line for line in told)
    assert "ceilings" in log()[-1]


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_the_row_and_then_the_script(stand_in, tmp_path, name, status):
    note = f"echo saved >>{tmp_path}/log"
    ready = tmp_path / "ready"
    variables, log = stand_in(
        f"trap '{note}; exit 75' TERM\ntouch {ready}\nsleep 30 &\nwait"
    )
    script = str(ROOT / "launch/bench_gpu.sh")
    # pytest may have been started where Ctrl-C is not heard.
    command = ["env", "--default-signal=INT", "bash", script, "ceilings", "metrics"]
    with subprocess.Popen(command, env=os.environ | variables) as process:
        deadline = time.monotonic() + 20
        while not ready.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(getattr(signal, name))
        assert process.wait(timeout=20) == status
    assert len(log()) == 2
    assert log()[-1] == "saved"


def test_what_was_measured_is_skipped(stand_in):
    variables, log = stand_in("")
    assert _run("ceilings", **variables).returncode == 0
    assert len(log()) == 2
    assert _run("ceilings", "augment", **variables).returncode == 0
    assert ["augment" in line for line in log()[2:]] == [True]


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
