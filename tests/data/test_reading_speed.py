import math

import pytest

from fashionjax.data.reading_speed import ReadingSpeed


class Clock:
    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_time_in_which_nobody_reads_does_not_count(clock):
    speed = ReadingSpeed(clock)

    def read(items):
        clock.now += 0.5
        return sum(items)

    measured = speed.measuring(read)
    clock.now += 100
    assert measured([1, 2, 3]) == 6
    clock.now += 100
    assert measured([4]) == 4
    clock.now += 100
    assert speed.take() == pytest.approx(4 / 1.0)
    assert math.isnan(speed.take())


def test_threads_that_read_at_once_share_the_time(clock):
    speed = ReadingSpeed(clock)

    def inner(items):
        clock.now += 1
        return items

    def outer(items):
        clock.now += 1
        speed.measuring(inner)([1, 2])  # what another thread does meanwhile
        clock.now += 1
        return items

    speed.measuring(outer)([1, 2, 3, 4])
    assert speed.take() == pytest.approx(6 / 3)


def test_reading_under_way_counts_its_time_where_it_passes(clock):
    speed = ReadingSpeed(clock)
    taken = []

    def read(items):
        clock.now += 4
        taken.append(speed.take())
        clock.now += 1
        return items

    speed.measuring(read)([1, 2])
    assert math.isnan(taken[0])
    assert speed.take() == pytest.approx(2)


def test_an_error_ends_the_reading(clock):
    speed = ReadingSpeed(clock)

    def read(items):
        clock.now += 1
        raise OSError(f"cannot read {items}")

    with pytest.raises(OSError, match="cannot read"):
        speed.measuring(read)([1, 2])
    clock.now += 100
    assert speed.take() == pytest.approx(2)
