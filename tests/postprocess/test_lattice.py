import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.postprocess import lattice
from fashionjax.postprocess.lattice import find_corners, make_lattice, plan_keys
from tests.postprocess.oracles import lattice_filter


@functools.partial(jax.jit, static_argnums=3)
def _filter(features, layout, values, spare):
    """Filters points; returns the values, and the number of corners."""
    corners = find_corners(features.T, *layout)
    made = make_lattice(corners, layout[1], features.size + len(features) + spare)
    return made.filter(values), corners.count


def _filtered(features, values, *, spare=1):
    layout = plan_keys(features.max(0))
    tables = (layout.lowest, layout.strides)
    return _filter(
        features.astype(np.float32), tables, values.astype(np.float32), spare
    )


def _points(count, d, *, spread, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((count, d)) * spread, rng.random((count, 3))


@pytest.mark.parametrize("spread", [0.5, 6.0])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_dictionary_of_corners_gives_the_same(d, spread):
    features, values = _points(150, d, spread=spread)
    filtered, _ = _filtered(features, values)
    expected = lattice_filter(features, values)
    np.testing.assert_allclose(filtered, expected, rtol=2e-4, atol=1e-5)


def test_keys_of_two_words_give_the_same(monkeypatch):
    features, values = _points(150, 5, spread=6.0)
    expected, count = _filtered(features, values)
    assert len(plan_keys(features.max(0)).strides) == 1
    monkeypatch.setattr(lattice, "_LARGEST_WORD", 2**17)
    assert len(plan_keys(features.max(0)).strides) == 2
    filtered, same_count = _filtered(features, values)
    assert same_count == count
    np.testing.assert_array_equal(filtered, expected)


def test_more_room_than_needed_changes_nothing():
    features, values = _points(150, 5, spread=6.0)
    expected, _ = _filtered(features, values)
    filtered, _ = _filtered(features, values, spare=100)
    np.testing.assert_array_equal(filtered, expected)


def test_points_that_coincide_are_all_counted():
    features = np.ones((5000, 2))
    filtered, count = _filtered(features, np.ones((5000, 1)))
    alone = lattice_filter(features[:1], np.ones((1, 1)))
    assert count == 3
    np.testing.assert_allclose(filtered, 5000 * alone[0, 0], rtol=1e-5)


def test_features_that_cannot_be_numbered_are_refused():
    plan_keys([1e4, 1e4, 255.0, 255.0, 255.0])
    with pytest.raises(ValueError, match="1000000, 1000000, 100000,"):
        plan_keys([1e6, 1e6, 1e5, 1e5, 1e5])


@jax.jit
def _grouped(start, stop, values):
    row, is_row, group, sums = lattice._plan_sums(start, stop, len(values))
    rows = sum(jnp.where(is_row[i], values[row[i], 0], 0) for i in range(len(row)))
    return lattice._total(rows, group, sums)


@pytest.mark.parametrize("degrees", [[], [1], [8, 9, 0, 3], [0, 700, 1, 64, 65, 0, 7]])
def test_sums_of_groups(degrees):
    degrees = np.asarray([*degrees, 0], np.int32)
    stop = np.cumsum(degrees, dtype=np.int32)
    size = max(1, int(stop[-1]))
    values = np.arange(1.0, size + 1, dtype=np.float32)[:, None]
    total = _grouped(stop - degrees, stop, values)
    expected = [values[b - n : b].sum() for n, b in zip(degrees, stop, strict=True)]
    np.testing.assert_array_equal(total, expected)


def test_filtering_adds_nothing_in_place():
    features, values = _points(150, 5, spread=6.0)
    layout = plan_keys(features.max(0))
    shape = jax.eval_shape(
        lambda features: make_lattice(
            find_corners(features.T, layout.lowest, layout.strides), layout.strides, 901
        ),
        features.astype(np.float32),
    )
    traced = jax.jit(lambda made, values: made.filter(values)).trace(shape, values)
    for platform in ("cpu", "cuda", "tpu"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert "gather" in text
        assert "scatter" not in text
