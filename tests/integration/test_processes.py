"""Two processes with two devices each do what one process with four does."""

import os
import pathlib
import shutil
import signal
import time

import jax
import numpy as np
import pytest

from fashionjax.train.interrupt import EXIT_STATUS
from tests.faults import tiny_run

# Twenty steps. The branches' BatchNorm over 16 rows would amplify the rounding of sums
# over devices by more than the bounds below.
COMMON = {
    "model__variant": "plain",
    "batch_size": 16,
    "freeze__num_epochs": 0.0,
    "num_epochs": 10.0,
    "eval_every_epochs": 10.0,
    "checkpoint_every_steps": 0,
    "schedule__learning_rate": 1e-4,
}
SGD = COMMON | {"optimizer__name": "sgd", "schedule__name": "constant"}


def _run(folder, name, **options):
    log = folder / f"{name}.log"
    status = tiny_run.finish(folder / name, log, timeout=900, **options)
    assert status == 0, log.read_text()[-3000:]
    return tiny_run.everything(folder / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def two(folder):
    return _run(folder, "two", processes=2, num_devices=2, **SGD)


@pytest.mark.slow
def test_parameters_agree_under_sgd(folder, two):
    one = _run(folder, "one", num_devices=4, **SGD)
    assert one["latest"] == two["latest"] == 20
    for a, b in zip(
        jax.tree.leaves(one["state"].params),
        jax.tree.leaves(two["state"].params),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert one["result"]["num_images"] == two["result"]["num_images"] == 10


@pytest.mark.long
def test_data_that_lies_on_the_devices_trains_the_same(folder, two):
    options = SGD | {"processes": 2, "num_devices": 2, "data__input": "resident"}
    assert tiny_run.differences(two, _run(folder, "resident", **options)) == []


@pytest.mark.slow
@pytest.mark.usefixtures("two")
def test_the_same_parameters_count_the_same_pixels(folder):
    # 10 images over batches of 8: of the last batch process 1 has nothing but padding.
    expected = np.load(folder / "two/eval-test/confusion.npy")
    shutil.copytree(folder / "two", folder / "copy")
    (folder / "copy/eval-test/confusion.npy").unlink()
    log = folder / "copy.log"
    status = tiny_run.finish(folder / "copy", log, num_devices=4, mode="eval", **SGD)
    assert status == 0, log.read_text()[-3000:]
    assert expected.sum() == 10 * 64 * 64
    np.testing.assert_array_equal(
        np.load(folder / "copy/eval-test/confusion.npy"), expected
    )


@pytest.mark.long
def test_losses_agree_under_adamw(folder):
    one = _run(folder, "one-adamw", num_devices=4, **COMMON)
    two = _run(folder, "two-adamw", processes=2, num_devices=2, **COMMON)
    steps = [name for name in one["losses"] if name.startswith("train")]
    assert len(steps) == 20
    for name in steps:
        np.testing.assert_allclose(one["losses"][name], two["losses"][name], rtol=1e-4)


@pytest.mark.slow
def test_sigterm_to_one_process_stops_both_at_the_same_step(folder, two):
    workdir, log = folder / "stopped", folder / "stopped.log"
    launcher = tiny_run.start(workdir, log, processes=2, num_devices=2, **SGD)
    end = time.monotonic() + 600
    while not tiny_run.steps_logged(workdir):
        assert launcher.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(_process(1, launcher.pid), signal.SIGTERM)
    assert launcher.wait(300) == EXIT_STATUS, log.read_text()[-3000:]
    stopped_at = max(tiny_run.steps_logged(workdir))
    assert stopped_at < 20
    assert (workdir / f"checkpoints/{stopped_at}").is_dir()
    text = log.read_text()
    assert "[1] SIGTERM: saving after the steps under way" in text
    assert f"[0] stopped at step {stopped_at}" in text

    resumed = _run(folder, "stopped", processes=2, num_devices=2, **SGD)
    assert tiny_run.differences(two, resumed) == []


def _process(index, launcher):
    """The process of this index among the launcher's children."""
    wanted = f"FASHIONJAX_PROCESS_ID={index}".encode()
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
            parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if wanted in environment and int(parent) == launcher:
            return int(path.name)
    raise AssertionError(f"no process {index}")
