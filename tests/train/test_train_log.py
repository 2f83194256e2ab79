import jax
import jax.numpy as jnp
import pytest

from fashionjax.train.guards import CompilationCount
from fashionjax.train.interrupt import StoppedError
from fashionjax.train.progress import Progress
from fashionjax.train.train_log import TrainLog, average


class _Writer:
    def __init__(self):
        self.lines = []

    def write(self, step, split, metrics, epoch=None):
        self.lines.append((step, split, metrics, epoch))

    def close(self):
        pass


def test_means_are_those_of_the_finite_values():
    steps = [
        {"loss": 1.0, "learning_rate": 0.1, "skipped": 0.0},
        {"loss": float("nan"), "learning_rate": 0.2, "skipped": 1.0},
        {"loss": 4.0, "learning_rate": 0.3, "skipped": 1.0},
    ]
    assert average(steps) == {"loss": 2.5, "learning_rate": 0.3, "skipped": 2.0}


def test_steps_since_the_last_line_are_told_where_a_run_stops():
    writer = _Writer()
    progress = Progress(10, batch_size=4, num_examples=8, emit=lambda _: None)
    log = TrainLog(progress, writer, CompilationCount(), every=5)
    log.step(1, {"loss": jnp.float32(1)})
    log.step(2, {"loss": jnp.float32(3)})
    with pytest.raises(StoppedError), log.flushing(StoppedError):
        raise StoppedError
    with log.flushing():
        log.step(3, {"loss": jnp.float32(7)})
    with log.flushing():
        pass
    assert [(line[0], line[2]["loss"]) for line in writer.lines] == [(2, 2.0), (3, 7.0)]


def test_a_line_comes_at_its_time_and_tells_what_compiled_again(capsys, monkeypatch):
    writer = _Writer()
    progress = Progress(10, batch_size=4, num_examples=8, emit=lambda _: None)
    monkeypatch.setattr("fashionjax.train.train_log.peak_memory", lambda: 7_000)
    with CompilationCount() as compilations:
        log = TrainLog(
            progress, writer, compilations, every=2, host_metrics=lambda: {"host": 3.0}
        )
        with log.pause():
            jax.jit(lambda x: x - 1)(jnp.ones(11))
        log.step(1, {"loss": jnp.float32(1)})
        with log.dispatching():
            metrics = {"loss": jnp.float32(3)}
        log.step(2, metrics)
        assert "compiled again" not in capsys.readouterr().out
        jax.jit(lambda x: x * 3)(jnp.ones(13))
        log.step(3, {"loss": jnp.float32(5)}, last=True)
    assert "compiled again before step 3" in capsys.readouterr().out
    (first, second) = writer.lines
    assert first[:2] == (2, "train")
    assert first[2]["loss"] == 2
    assert first[2]["compilations"] == 0
    assert first[2]["device_images_per_second"] > 0
    assert first[2]["peak_memory_bytes"] == 7_000
    assert first[2]["host"] == 3
    assert first[3] == pytest.approx(1.0)
    assert second[0] == 3
    assert second[2]["compilations"] >= 1
    assert {"images_per_second", "data_wait"} <= set(second[2])
