"""A run through the command line that is over in seconds and has everything in it."""

import json
import os
import pathlib
import subprocess
import sys
import time

import jax
import numpy as np

from fashionjax.train.run import open_run
from fashionjax.train.run_config import read_config

ROOT = pathlib.Path(__file__).parents[2]
STEPS_PER_EPOCH = 5

CONFIG = {
    "data.num_examples.train": 8 * STEPS_PER_EPOCH + 3,
    "data.num_examples.val": 9,
    "data.num_examples.test": 10,
    "data.image_size": (64, 64),
    "data.num_threads": 1,
    "model.encoder": "resnet18",
    "model.encoder_options.features": 4,
    "model.decoder_features": (8, 8, 8, 4),
    "model.branch_features": 8,
    "model.dropout_rate": 0.5,
    "ema_decay": 0.9,
    "augment.rotation": 10.0,
    "augment.lighting_brightness": 0.2,
    "batch_size": 8,
    "eval_batch_size": 8,
    "num_epochs": 3.0,
    "freeze.num_epochs": 1.0,
    "eval_every_epochs": 1.0,
    "checkpoint_every_steps": 2,
    "log_every_steps": 1,
    "num_panels": 0,
}


def flags(workdir, **changes):
    """The flags of a tiny run; changes are keys of the config with __ for dots."""
    config = CONFIG | {name.replace("__", "."): v for name, v in changes.items()}
    return [
        "--config=configs/unet_ext.py",
        f"--workdir={workdir}",
        *(f"--config.{name}={value}" for name, value in config.items()),
    ]


def environment(num_devices=1):
    """The environment of a run on CPUs that compiles fast, and nothing twice."""
    cache = ROOT / ".pytest_cache/compilations"
    return os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(num_devices),
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
    }


def start(
    workdir,
    log,
    *,
    processes=1,
    num_devices=1,
    mode="train",
    before=(),
    **changes,
):
    """Starts the run; its output goes on at the end of the file `log`.

    Args:
        workdir: Folder of the run.
        log: File of the output.
        processes: Above 1: `launch/local.sh` starts so many.
        num_devices: Of each process.
        mode: As main's.
        before: Words in front of the command.
        **changes: See `flags`.
    """
    command = [sys.executable, "-m", "fashionjax.main"]
    if processes > 1:
        sizes = [f"--processes={processes}", f"--devices_per_process={num_devices}"]
        command = ["bash", "launch/local.sh", *sizes, "--"]
    with pathlib.Path(log).open("ab") as file:
        return subprocess.Popen(
            [*before, *command, f"--mode={mode}", *flags(workdir, **changes)],
            cwd=ROOT,
            env=environment(num_devices),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def finish(workdir, log, *, timeout=600, **changes):
    """Runs it to its end; returns the exit status."""
    return start(workdir, log, **changes).wait(timeout)


def wait_for(process, condition, seconds=300):
    """Waits for something that a run is about to do."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < end
        time.sleep(0.01)


def steps_logged(workdir):
    """Steps of the training lines in `metrics.jsonl`, in order."""
    return [line["step"] for line in _lines(workdir) if line["split"] == "train"]


def everything(workdir):
    """All that an unbroken run and a broken one must have in common, as NumPy arrays.

    The latest state, the best variables, and each step's loss and each evaluation.
    """
    # The run's own devices: the tests' eight would not matter, but take longer.
    run = open_run(read_config(workdir), workdir)
    with run.open_checkpoints(read_only=True) as checkpoints:
        latest, best = checkpoints.latest_step, checkpoints.best_step
        abstract = run.abstract_state
        state = checkpoints.restore(latest, abstract)
        variables = checkpoints.restore_variables(
            best, {"params": abstract.params, "batch_stats": abstract.batch_stats}
        )
        selection = checkpoints.selection
    values = {"latest": latest, "best": best, "state": state, "variables": variables}
    values["selection"] = [selection.best_step, selection.best_value]
    values["selection"].append(selection.num_stale)
    values["losses"] = {
        f"{line['split']} {line['step']}": line["metrics"]["loss"]
        for line in _lines(workdir)
    }
    values["result"] = json.loads((workdir / "eval-test/metrics.json").read_text())
    return jax.tree.map(np.asarray, jax.device_get(values))


def differences(one, other):
    """Names what is not the same to the last bit."""
    paths = [jax.tree.leaves_with_path(tree) for tree in (one, other)]
    names = [[jax.tree_util.keystr(path) for path, _ in leaves] for leaves in paths]
    if names[0] != names[1]:
        return sorted(set(names[0]) ^ set(names[1])) or ["order of leaves"]
    return [
        name
        for name, (_, a), (_, b) in zip(names[0], *paths, strict=True)
        if a.dtype != b.dtype or a.tobytes() != b.tobytes()
    ]


def _lines(workdir):
    path = workdir / "metrics.jsonl"
    if not path.is_file():
        return []
    # A process that was killed may leave the last line torn.
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]
