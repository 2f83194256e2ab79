import numpy as np
import pytest

from fashionjax.data.synthetic.streams import Stream, random_bits

PINNED = [16613338946343043936, 5167718485781182436, 139405959784801653]
PINNED_BITS = [
    3798942431507431666,
    9098563821330842174,
    17496761902140886356,
    10534842848829490753,
]


def test_first_draws_are_pinned():
    stream = Stream(1, 2)
    assert [stream.raw() for _ in range(3)] == PINNED


def test_keys_are_ordered_and_independent():
    firsts = {Stream(*keys).raw() for keys in ((1, 2), (2, 1), (1,), (1, 2, 0), (0,))}
    assert len(firsts) == 5


def test_uniform_stays_in_its_range_and_fills_it():
    stream = Stream(3)
    draws = [stream.uniform(-2.0, 4.0) for _ in range(4000)]
    assert -2.0 <= min(draws) < -1.98
    assert 3.98 < max(draws) < 4.0
    assert np.mean(draws) == pytest.approx(1.0, abs=0.1)


def test_below_takes_every_value_about_equally_often():
    stream = Stream(4)
    counts = np.bincount([stream.below(5) for _ in range(5000)], minlength=5)
    assert len(counts) == 5
    assert counts.min() > 900


def test_weighted_follows_the_weights():
    stream = Stream(5)
    draws = [stream.weighted({"a": 1.0, "b": 3.0, "c": 0.0}) for _ in range(4000)]
    assert draws.count("b") / 4000 == pytest.approx(0.75, abs=0.03)
    assert draws.count("c") == 0


def test_chance_of_zero_and_one_are_certain():
    stream = Stream(6)
    assert not any(stream.chance(0.0) for _ in range(100))
    assert all(stream.chance(1.0) for _ in range(100))


def test_random_bits_are_pinned():
    bits = random_bits(9, 4)
    assert bits.dtype == np.uint64
    assert [int(b) for b in bits] == PINNED_BITS
