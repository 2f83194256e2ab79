"""Tests of the schedules against their formulas in float64."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.optim import schedules

LENGTHS = [1, 2, 3, 10, 97, 2000]


def _assert_is(schedule, expected, *, beyond=None):
    """Compares every step: one by one, as an array, and traced."""
    steps = np.arange(len(expected))
    values = schedule(steps)
    assert values.dtype == jnp.float32
    assert values.shape == steps.shape
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(schedule)(steps), expected, rtol=1e-6)
    for step in {0, len(expected) // 3, len(expected) - 1}:
        one = schedule(step)
        assert (one.dtype, one.shape) == (jnp.float32, ())
        np.testing.assert_allclose(one, expected[step], rtol=1e-6)
    if beyond is not None:
        later = schedule(len(expected) + np.array([0, 1, 10**6]))
        np.testing.assert_allclose(later, beyond, rtol=1e-6)


def _cosine(a, b, u):
    return b + (a - b) / 2 * (1 + math.cos(math.pi * u))


def test_constant_is_constant():
    _assert_is(schedules.constant(0.3), [0.3] * 5, beyond=0.3)


@pytest.mark.parametrize("num_steps", [*LENGTHS, 20000])
@pytest.mark.parametrize("end_value", [1e-4, 0.0])
def test_poly_is_mmsegmentations(num_steps, end_value):
    expected = [
        (0.01 - end_value) * (1 - t / num_steps) ** 0.9 + end_value
        for t in range(num_steps)
    ]
    schedule = schedules.poly(0.01, num_steps, end_value=end_value)
    _assert_is(schedule, expected, beyond=end_value)


def test_the_power_of_poly_counts():
    schedule = schedules.poly(2.0, 10, end_value=1.0, power=2.0)
    np.testing.assert_allclose(schedule(5), 1.25, rtol=1e-6)


@pytest.mark.parametrize("step_size", [1, 2, 3, 7, 500])
@pytest.mark.parametrize(("base", "top"), [(1e-4, 1e-3), (0.95, 0.85)])
def test_triangular_is_smiths(step_size, base, top):
    expected = []
    for t in range(2000):
        cycle = math.floor(1 + t / (2 * step_size))
        x = abs(t / step_size - 2 * cycle + 1)
        expected.append(base + (top - base) * max(0, 1 - x))
    _assert_is(schedules.triangular(base, top, step_size=step_size), expected)


def test_triangular_is_exact_at_late_steps():
    schedule = schedules.triangular(0.0, 1.0, step_size=7)
    np.testing.assert_allclose(schedule(14 * 10**7 + 3), 3 / 7, rtol=1e-6)


def _one_cycle(top, start, end, num_steps, fraction=0.3):
    """A turn at step 0 leaves no way up: the run begins at the top."""
    up = int(fraction * num_steps)
    down = num_steps - up
    return [
        _cosine(start, top, t / up)
        if up and t <= up
        else _cosine(top, end, (t - up) / down)
        for t in range(num_steps)
    ]


@pytest.mark.parametrize("num_steps", [*LENGTHS, 7500])
def test_one_cycle_is_fastais(num_steps):
    expected = _one_cycle(1e-4, 1e-4 / 25, 1e-4 / 25e4, num_steps)
    schedule = schedules.one_cycle(1e-4, num_steps)
    _assert_is(schedule, expected, beyond=1e-4 / 25e4)


@pytest.mark.parametrize("num_steps", LENGTHS)
def test_one_cycle_takes_momentum_down_and_back(num_steps):
    expected = _one_cycle(0.85, 0.95, 0.95, num_steps)
    ratio = 0.85 / 0.95
    schedule = schedules.one_cycle(0.85, num_steps, div=ratio, final_div=ratio)
    _assert_is(schedule, expected, beyond=0.95)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_the_turn_of_one_cycle_can_be_anywhere(fraction):
    expected = _one_cycle(1.0, 1 / 25, 1 / 25e4, 10, fraction)
    _assert_is(schedules.one_cycle(1.0, 10, warmup_fraction=fraction), expected)


@pytest.mark.parametrize("num_steps", LENGTHS)
@pytest.mark.parametrize("warmup", [0, 1, "third", "all"])
@pytest.mark.parametrize(("start", "end"), [(0.0, 0.0), (1e-6, 1e-5)])
def test_warmup_cosine_is_a_line_and_half_a_cosine(num_steps, warmup, start, end):
    steps = {"third": num_steps // 3, "all": num_steps}.get(warmup, warmup)
    expected = [
        start + (1e-3 - start) * t / steps
        if t < steps
        else _cosine(1e-3, end, (t - steps) / (num_steps - steps))
        for t in range(num_steps)
    ]
    schedule = schedules.warmup_cosine(
        1e-3, num_steps, warmup_steps=steps, start_value=start, end_value=end
    )
    _assert_is(schedule, expected, beyond=end)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: schedules.constant(-0.1), "value is -0.1; allowed .* from 0"),
        (lambda: schedules.constant(math.nan), "value is nan"),
        (lambda: schedules.poly(math.inf, 3), "initial_value is inf"),
        (lambda: schedules.poly(0.1, 3, end_value=-1), "end_value is -1"),
        (lambda: schedules.poly(0.1, 0), "num_steps is 0; .* whole .* from 1"),
        (lambda: schedules.poly(0.1, 2.5), "num_steps is 2.5"),
        (lambda: schedules.poly(0.1, 3, power=0), "power is 0; .* above 0"),
        (lambda: schedules.triangular(-1, 1, step_size=1), "base_value is -1"),
        (lambda: schedules.triangular(1, -1, step_size=1), "max_value is -1"),
        (lambda: schedules.triangular(0, 1, step_size=0), "step_size is 0"),
        (lambda: schedules.one_cycle(-1, 3), "max_value is -1"),
        (lambda: schedules.one_cycle(1, 0), "num_steps is 0"),
        (lambda: schedules.one_cycle(1, 3, div=0), r"\bdiv is 0"),
        (lambda: schedules.one_cycle(1, 3, final_div=-2), "final_div is -2"),
        (lambda: schedules.one_cycle(1, 3, warmup_fraction=1.1), r"1.1; .* \[0, 1\]"),
        (lambda: schedules.one_cycle(1, 3, warmup_fraction=-0.1), "fraction is -0.1"),
        (lambda: schedules.warmup_cosine(-1, 3, warmup_steps=1), "peak_value is -1"),
        (lambda: schedules.warmup_cosine(1, 0, warmup_steps=0), "num_steps is 0"),
        (lambda: schedules.warmup_cosine(1, 3, warmup_steps=-1), "warmup_steps is -1"),
        (
            lambda: schedules.warmup_cosine(1, 3, warmup_steps=4),
            "warmup_steps is 4; allowed is at most num_steps, 3",
        ),
        (
            lambda: schedules.warmup_cosine(1, 3, warmup_steps=1, start_value=-1),
            "start_value is -1",
        ),
        (
            lambda: schedules.warmup_cosine(1, 3, warmup_steps=1, end_value=-1),
            "end_value is -1",
        ),
    ],
)
def test_arguments_out_of_range_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
