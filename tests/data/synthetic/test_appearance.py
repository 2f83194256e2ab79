import inspect
from collections import defaultdict

import numpy as np
import pytest

from fashionjax.data.synthetic import appearance, render_photo
from fashionjax.data.synthetic.appearance import draw_look
from fashionjax.data.synthetic.cuts import DRESS, JACKET, PANTS, SHOE, SKIRT, TOP


def test_a_look_is_drawn_from_seed_and_slot_alone():
    assert list(inspect.signature(draw_look).parameters) == ["seed", "slot"]
    source = inspect.getsource(appearance)
    assert "category" not in source.split('"""', 2)[2].replace('"""', "")
    assert "cuts" not in source
    assert draw_look(5, 9) == draw_look(5, 9)
    assert draw_look(5, 9) != draw_look(5, 10)
    assert draw_look(5, 9) != draw_look(6, 9)


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
