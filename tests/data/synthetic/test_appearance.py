import inspect
from collections import defaultdict

import numpy as np
import pytest

from fashionjax.data.synthetic import appearance, render_photo
from fashionjax.data.synthetic.appearance import draw_look
from fashionjax.data.synthetic.cuts import DRESS, JACKET, PANTS, SHOE, SKIRT, TOP


def test_a_look_is_drawn_from_seed_slot_and_neighbours_alone():
    assert list(inspect.signature(draw_look).parameters) == ["seed", "slot", "beside"]
    source = inspect.getsource(appearance)
    assert "category" not in source.split('"""', 2)[2].replace('"""', "")
    assert "cuts" not in source
    assert draw_look(5, 9) == draw_look(5, 9)
    assert draw_look(5, 9) != draw_look(5, 10)
    assert draw_look(5, 9) != draw_look(6, 9)


def test_a_look_stands_out_from_its_neighbours():
    beside = [(20, 20, 20), (200, 200, 200)]
    near = {True: 0, False: 0}
    for slot in range(200):
        for apart in near:
            colour = draw_look(3, slot, beside if apart else ()).colours[0]
            near[apart] += any(
                sum(abs(c - o) for c, o in zip(colour, other, strict=True)) < 120
                for other in beside
            )
    assert near[False] > 60
    assert near[True] < 10


def test_colours_stay_within_bytes():
    looks = [draw_look(seed, slot) for seed in range(40) for slot in range(10)]
    colours = np.array([look.colours for look in looks])
    assert colours.min() >= 6
    assert colours.max() <= 250


@pytest.mark.slow
def test_mean_colour_of_every_category_is_that_of_all():
    means = defaultdict(list)
    for seed in range(900):
        photo = render_photo(seed, (96, 64))
        for mask, category in zip(photo.masks, photo.category_ids, strict=True):
            if mask.sum() >= 12:
                means[int(category)].append(photo.image[mask].mean(axis=0))
    chosen = (TOP, JACKET, PANTS, SKIRT, DRESS, SHOE)
    everything = np.concatenate([means[category] for category in chosen])
    centre, spread = everything.mean(axis=0), everything.std(axis=0)
    assert spread.min() > 30.0
    for category in chosen:
        colours = np.array(means[category])
        # Shoes and pairs come twice with one look: count half as many draws.
        error = spread / np.sqrt(len(colours) / 2)
        off = np.abs(colours.mean(axis=0) - centre) / error
        assert len(colours) > 60
        assert off.max() < 5.0, (category, off)
