import hashlib

import numpy as np
import pytest

from fashionjax.data.synthetic import photo, photo_categories, render_photo
from fashionjax.data.synthetic.photo import has_passer_by

MAIN = range(13)
PARTS = range(27, 46)
GOLDEN = {
    (0, (288, 192)): "15b6829d01282cb6024b9e23381ef18cce795d42ad2a4f21084c87335cca0b94",
    (1, (128, 96)): "38581f837174de87e426794751f62a683446b731a0bc8565c958a97209a299f9",
    (
        170,
        (144, 96),
    ): "b8f54b4b73549cc9ad4959f41c966fbcf6594ddbd2038d227be0bcb3d3b2f777",
    (
        8589934597,
        (96, 128),
    ): "c265ff56b29c3764914080d905bfce5ccaa9ff6bda31cdd1cf795dbe8860046f",
}


def digest(shown):
    parts = (shown.image, shown.masks, shown.category_ids, shown.skin, shown.hair)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


@pytest.mark.parametrize(("seed", "size"), sorted(GOLDEN))
def test_bytes_are_the_same_everywhere(seed, size):
    assert digest(render_photo(seed, size)) == GOLDEN[seed, size]


def test_rendering_another_photo_between_changes_nothing():
    first = digest(render_photo(3, (96, 64)))
    render_photo(4, (128, 96))
    assert digest(render_photo(3, (96, 64))) == first
    assert digest(render_photo(4, (96, 64))) != first


@pytest.mark.parametrize("size", [(64, 64), (96, 144), (288, 192), (301, 77)])
def test_shapes_and_dtypes(size):
    shown = render_photo(8, size)
    count = len(shown.category_ids)
    assert shown.image.shape == (*size, 3)
    assert shown.image.dtype == np.uint8
    assert shown.masks.shape == (count, *size)
    assert shown.masks.dtype == bool
    assert shown.masks.any(axis=(1, 2)).all()
    assert set(shown.category_ids.tolist()) <= set(range(46))


def test_a_size_under_64_is_refused():
    with pytest.raises(ValueError, match=r"size \(63, 96\).*at least 64"):
        render_photo(0, (63, 96))


def test_main_garments_are_foretold_exactly_and_the_rest_at_least():
    for seed in range(250):
        shown = set(render_photo(seed, (144, 96)).category_ids.tolist())
        foretold = photo_categories(seed)
        assert shown <= foretold
        assert {c for c in foretold if c in MAIN} == {c for c in shown if c in MAIN}


def test_every_category_can_be_seen():
    missing = set(range(46))
    seed = 0
    while missing and seed < 8000:
        if missing & photo_categories(seed):
            missing -= set(render_photo(seed, (96, 64)).category_ids.tolist())
        seed += 1
    assert not missing


def test_parts_lie_inside_garments_and_garments_do_not_overlap():
    parts_seen = 0
    for seed in range(40):
        shown = render_photo(seed, (144, 96))
        is_part = np.isin(shown.category_ids, PARTS)
        worn = shown.masks[~is_part]
        assert (worn.sum(axis=0) <= 1).all()
        for mask in shown.masks[is_part]:
            parts_seen += 1
            assert any((mask <= garment).all() for garment in worn)
    assert parts_seen > 100


def test_skin_and_hair_are_not_clothes():
    seen = 0
    for seed in range(30):
        shown = render_photo(seed, (96, 64))
        body = shown.skin | shown.hair
        assert not (shown.masks.any(axis=0) & body).any()
        assert not (shown.skin & shown.hair).any()
        seen += body.sum()
    assert seen > 30 * 96 * 64 * 0.02


@pytest.mark.parametrize("seed", range(6))
def test_another_size_shows_the_same_scene(seed):
    large, small = render_photo(seed, (288, 192)), render_photo(seed, (144, 96))
    everything = large.masks.any(axis=0).reshape(144, 2, 96, 2).mean(axis=(1, 3)) > 0.5
    reduced = small.masks.any(axis=0)
    assert (everything & reduced).sum() > 0.9 * (everything | reduced).sum()
    mean = large.image.reshape(144, 2, 96, 2, 3).mean(axis=(1, 3))
    assert np.abs(mean - small.image).mean() < 16.0


def test_passers_by_come_now_and_then_without_annotations(monkeypatch):
    seeds = [seed for seed in range(1000) if has_passer_by(seed)]
    assert 40 < len(seeds) < 80
    seen = 0
    for seed in seeds[:12]:
        crowded = render_photo(seed, (96, 64))
        monkeypatch.setattr(photo, "_PASSER_BY", 0.0)
        alone = render_photo(seed, (96, 64))
        monkeypatch.undo()
        assert crowded.category_ids.tolist() == alone.category_ids.tolist()
        assert (crowded.masks == alone.masks).all()
        changed = (crowded.image != alone.image).any(axis=2)
        seen += (changed & ~crowded.masks.any(axis=0)).sum() > 100
    assert seen >= 8
