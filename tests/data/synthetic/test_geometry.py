import math

import numpy as np
import pytest

from fashionjax.data.synthetic.geometry import (
    box,
    direction,
    ellipse,
    rotated,
    sine,
    smooth,
    tube,
)


def area(outline):
    points = np.array(outline)
    following = np.roll(points, -1)
    return abs((points.conj() * following).imag.sum()) / 2


@pytest.mark.parametrize(
    "degrees", [-725.0, -90.0, -30.0, 0.0, 45.0, 90.0, 179.0, 300.0]
)
def test_sine_agrees_with_the_math_library(degrees):
    assert sine(degrees) == pytest.approx(math.sin(math.radians(degrees)), abs=1e-6)


def test_direction_zero_points_down_and_ninety_right():
    assert direction(0.0) == pytest.approx(1j, abs=1e-6)
    assert direction(90.0) == pytest.approx(1.0, abs=1e-6)


def test_straight_tube_without_cap_is_a_rectangle():
    outline = tube((0j, 10j), (2.0, 2.0), round_end=False)
    assert area(outline) == pytest.approx(40.0)


def test_round_end_reaches_one_radius_further():
    outline = tube((0j, 10j), (2.0, 2.0))
    assert max(p.imag for p in outline) == pytest.approx(12.0)


def test_smooth_cuts_corners_of_a_square():
    square = box(0.0, 0.0, 4.0, 4.0)
    assert len(smooth(square)) == 8
    assert area(smooth(square)) == pytest.approx(14.0)


def test_ellipse_touches_its_half_axes():
    outline = ellipse(5 + 5j, 3.0, 2.0)
    assert max(p.real for p in outline) == pytest.approx(8.0, abs=1e-5)
    assert min(p.imag for p in outline) == pytest.approx(3.0, abs=1e-5)


def test_a_quarter_turn_is_counterclockwise_on_the_photo():
    (point,) = rotated([1 + 0j], 0j, 90.0)
    assert point == pytest.approx(-1j, abs=1e-6)
