import jax.numpy as jnp
import pytest

from fashionjax.bench import timing
from fashionjax.bench.peer import take_turns
from fashionjax.bench.timing import in_milliseconds, time_windows


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    return now


def test_windows_are_waited_for_at_their_ends_alone(clock, monkeypatch):
    waits = []
    monkeypatch.setattr(timing.jax, "block_until_ready", waits.append)
    calls = []

    def dispatch():
        clock[0] += 1 + len(calls) // 3
        calls.append(None)
        return jnp.float32(len(calls))

    # Two windows of three; a seventh step would be no whole window.
    assert time_windows(dispatch, num_steps=7, window=3) == [1.0, 2.0]
    assert [float(x) for x in waits] == [3.0, 6.0]


def test_a_window_is_no_longer_than_all_steps(clock):
    def dispatch():
        clock[0] += 1

    assert time_windows(dispatch, num_steps=2, window=50) == [1.0]


def test_tenths_at_both_ends():
    seconds = [i / 1000 for i in range(11)]
    assert in_milliseconds("step", seconds) == pytest.approx(
        {"step_ms": 5.0, "step_ms_p10": 1.0, "step_ms_p90": 9.0}
    )


def test_a_turn_begins_with_a_step_that_does_not_count():
    made = []

    def side(name):
        def time_steps(count):
            made.append((name, count))
            return float(len(made))

        return time_steps

    turns = take_turns(side("ours"), side("theirs"), 2, window=3)
    turn = [("ours", 1), ("ours", 3), ("theirs", 1), ("theirs", 3)]
    assert made == turn * 2
    assert turns == [(2.0, 4.0), (6.0, 8.0)]
