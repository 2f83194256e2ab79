"""From masks to polygons."""

import numpy as np

Point = tuple[int, int]
"""x and y, of a corner of pixels or of a step between two."""


def outlines_of(mask: np.ndarray) -> list[list[int]] | None:
    """Traces the outlines of a mask along the borders of its pixels.

    Args:
        mask: bool `[height, width]`.

    Returns:
        A polygon `[x1, y1, x2, y2, …]` for each connected area (pixels that touch at a
        corner are two), whose union is the mask; None if an area has a hole, which a
        union of polygons cannot have.
    """
    steps = _steps(mask)
    polygons = []
    while steps:
        corners = _trace(steps)
        x, y = np.array(corners).T
        # Clockwise, as the mask is to the right of its outline; around a hole it is
        # the other way.
        if (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() < 0:
            return None
        polygons.append([number for corner in corners for number in corner])
    return polygons


def _steps(mask: np.ndarray) -> dict[Point, list[Point]]:
    """The steps along pixels' borders, mask to the right, by where they start."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (0, 1)),
        (padded[2:, 1:-1], (1, 1), (-1, 0)),
        (padded[1:-1, :-2], (0, 1), (0, -1)),
    )
    steps: dict[Point, list[Point]] = {}
    for neighbour, (x, y), step in sides:
        rows, columns = np.nonzero(inner & ~neighbour)
        for corner in zip((columns + x).tolist(), (rows + y).tolist(), strict=True):
            steps.setdefault(corner, []).append(step)
    return steps


def _trace(steps: dict[Point, list[Point]]) -> list[Point]:
    """Takes one closed outline out of the steps; returns where it turns."""
    start = point = next(iter(steps))
    corners: list[Point] = []
    heading: Point = (0, 0)
    while point in steps:
        ways = steps[point]
        right = (-heading[1], heading[0])
        # Where two pixels touch at a corner, a turn to the right stays with the first.
        step = right if right in ways else ways[0]
        ways.remove(step)
        if not ways:
            del steps[point]
        if step != heading:
            corners.append(point)
        heading = step
        point = (point[0] + step[0], point[1] + step[1])
        if point == start:
            break
    return corners
