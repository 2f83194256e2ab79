import numpy as np

from fashionjax.data.synthetic.texture import (
    FOLD,
    TILE,
    fold_tiles,
    grain_tile,
    pattern_tiles,
    uneven_light,
)


def test_pattern_tiles_hold_the_four_colour_indices():
    tiles = pattern_tiles()
    assert tiles.dtype == np.uint8
    assert tiles.shape[1] == TILE * TILE
    assert tiles.max() == 3
    assert all(len(np.unique(tile)) > 1 for tile in tiles)


def test_fold_tiles_continue_over_their_borders():
    for tile in fold_tiles().astype(int):
        inner = np.abs(np.diff(tile, axis=1)).max()
        assert np.abs(tile[:, 0] - tile[:, -1]).max() <= inner + 1
        assert np.abs(tile).max() <= 40
        assert tile.shape == (FOLD, FOLD)


def test_grain_is_centred_with_a_spread_near_four():
    grain = grain_tile()
    assert abs(grain.mean()) < 0.6
    assert 3.0 < grain.std() < 5.0


def test_uneven_light_is_small_and_centred():
    light = uneven_light()
    assert np.abs(light).max() <= 22
    assert abs(light.mean()) < 4.0
