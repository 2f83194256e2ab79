"""Plane geometry of the scenes, in exactly reproducible arithmetic.

Points are complex numbers: the real part runs right, the imaginary part down, in
canonical pixels (a photo is 192 wide and 288 high, whatever its real size). Only
+, -, *, / and sqrt are used, which IEEE 754 rounds alike everywhere; the sine is a
polynomial, because the last bit of a C library's sine is not the same everywhere.
"""

import math
from collections.abc import Sequence

CANONICAL_HEIGHT = 288.0
CANONICAL_WIDTH = 192.0

Outline = list[complex]

_RADIANS = 0.017453292519943295


def sine(degrees: float) -> float:
    """Returns the sine of an angle in degrees, to about 1e-7."""
    angle = degrees % 360.0
    if angle > 180.0:
        angle -= 360.0
    if angle > 90.0:
        angle = 180.0 - angle
    elif angle < -90.0:
        angle = -180.0 - angle
    x = angle * _RADIANS
    square = x * x
    series = 1.0 - square / 110.0
    for step in (72.0, 42.0, 20.0, 6.0):
        series = 1.0 - square / step * series
    return x * series


def direction(degrees: float) -> complex:
    """Returns the unit vector `degrees` away from straight down, towards the right."""
    return complex(sine(degrees), sine(degrees + 90.0))


def unit(vector: complex) -> complex:
    """Returns the vector scaled to length 1 (a zero vector points down)."""
    x, y = vector.real, vector.imag
    length = math.sqrt(x * x + y * y)
    return complex(x / length, y / length) if length > 0.0 else 1j


def between(start: complex, end: complex, share: float) -> complex:
    """Returns the point `share` of the way from `start` to `end`."""
    return start + (end - start) * share


def tube(
    path: Sequence[complex], radii: Sequence[float], round_end: bool = True
) -> Outline:
    """Outlines a limb: a path with a radius at each of its points.

    Args:
        path: At least two points.
        radii: One radius for each point, in canonical pixels.
        round_end: Whether the last point gets a round cap.

    Returns:
        The closed outline.
    """
    ways = [unit(path[k + 1] - path[k]) for k in range(len(path) - 1)]
    left, right = [], []
    last = len(path) - 1
    for index, radius in enumerate(radii):
        way = ways[min(index, last - 1)]
        if 0 < index < last:
            way = unit(way + ways[index - 1])
        across = complex(way.imag * radius, -way.real * radius)
        left.append(path[index] + across)
        right.append(path[index] - across)
    if round_end:
        ahead = ways[-1] * radii[last]
        half = (left[-1] - path[last]) * 0.72
        tip = path[last] + ahead
        left += [path[last] + half + ahead * 0.7, tip, path[last] - half + ahead * 0.7]
    return left + right[::-1]


def smooth(outline: Outline) -> Outline:
    """Cuts the corners of a closed outline once (Chaikin)."""
    following = outline[1:] + outline[:1]
    result = []
    for point, after in zip(outline, following, strict=True):
        result.append(point * 0.75 + after * 0.25)
        result.append(point * 0.25 + after * 0.75)
    return result


_ROUND = tuple(direction(30.0 * step) for step in range(12))


def ellipse(centre: complex, half_width: float, half_height: float) -> Outline:
    """Outlines an upright ellipse."""
    return [
        centre + complex(point.real * half_width, point.imag * half_height)
        for point in _ROUND
    ]


def rotated(outline: Outline, centre: complex, degrees: float) -> Outline:
    """Turns an outline around a point; positive angles turn counterclockwise."""
    cos, sin = sine(degrees + 90.0), sine(degrees)
    result = []
    for point in outline:
        x, y = point.real - centre.real, point.imag - centre.imag
        result.append(centre + complex(cos * x + sin * y, cos * y - sin * x))
    return result


def box(left: float, top: float, right: float, bottom: float) -> Outline:
    """Outlines an upright rectangle."""
    return [
        complex(left, top),
        complex(right, top),
        complex(right, bottom),
        complex(left, bottom),
    ]
