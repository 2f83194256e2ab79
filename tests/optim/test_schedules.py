import math

import numpy as np
import pytest

from fashionjax.optim import schedules


@pytest.mark.parametrize("num_steps", [1, 10, 97])
def test_one_cycle_is_fastais_at_every_step(num_steps):
    schedule = schedules.one_cycle(1e-3, num_steps)
    up = int(0.3 * num_steps)

    def cosine(a, b, u):
        return b + (a - b) / 2 * (1 + math.cos(math.pi * u))

    for t in range(num_steps):
        expected = (
            cosine(1e-3 / 25, 1e-3, t / up)
            if t < up
            else cosine(1e-3, 1e-3 / 25e4, (t - up) / (num_steps - up))
        )
        np.testing.assert_allclose(schedule(t), expected, rtol=1e-4, atol=1e-10)


def test_one_cycle_momentum_dips_to_its_minimum_and_returns():
    schedule = schedules.one_cycle(0.85, 100, div=0.85 / 0.95, final_div=0.85 / 0.95)
    np.testing.assert_allclose(
        [schedule(0), schedule(30), schedule(100)], [0.95, 0.85, 0.95], rtol=1e-6
    )


def test_triangular_is_smiths_at_every_step():
    schedule = schedules.triangular(1e-4, 1e-3, step_size=7)
    for t in range(50):
        cycle = math.floor(1 + t / 14)
        x = abs(t / 7 - 2 * cycle + 1)
        expected = 1e-4 + 9e-4 * max(0, 1 - x)
        np.testing.assert_allclose(schedule(t), expected, rtol=1e-4)


def test_constant_is_constant():
    schedule = schedules.constant(0.3)
    assert schedule(0) == schedule(1000) == 0.3
