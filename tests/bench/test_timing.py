import jax.numpy as jnp
import pytest

from fashionjax.bench import timing
from fashionjax.bench.peer import take_turns
from fashionjax.bench.timing import (
    in_milliseconds,
    plan_windows,
    time_step,
    time_windows,
)


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


def _steps_of(clock, seconds):
    def dispatch():
        clock[0] += seconds

    return dispatch


@pytest.mark.parametrize(
    ("seconds", "num_steps", "window", "num_windows"),
    [
        # Four take a tenth of a second, and ten windows are more than 20 steps.
        (0.03, 20, 4, 10),
        (0.03, 400, 4, 100),
        (0.2, 20, 1, 20),
    ],
)
def test_windows_are_long_enough(clock, seconds, num_steps, window, num_windows):
    timing = time_step(_steps_of(clock, seconds), num_steps=num_steps)
    assert timing.window == window
    assert timing.seconds == pytest.approx([seconds] * num_windows)
    assert timing.record("step") == pytest.approx(
        {
            "step_ms": 1e3 * seconds,
            "step_ms_p10": 1e3 * seconds,
            "step_ms_p90": 1e3 * seconds,
            "steps": window * num_windows,
            "window": window,
        }
    )


def test_windows_are_as_long_as_asked(clock):
    timing = time_step(_steps_of(clock, 0.001), num_steps=7, window=3)
    assert (timing.window, len(timing.seconds)) == (3, 2)
    assert plan_windows(lambda count: count, 2, 50) == (1, 2)


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
