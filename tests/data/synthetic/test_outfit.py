from collections import Counter

import pytest

from fashionjax.data.synthetic import cuts
from fashionjax.data.synthetic.outfit import draw_outfit

COUNT = 6000


@pytest.fixture(scope="module")
def shares():
    """Share of the outfits with each category, in percent."""
    found = Counter()
    for seed in range(COUNT):
        found.update(draw_outfit(seed).categories)
    return {category: 100.0 * n / COUNT for category, n in found.items()}


def test_all_46_categories_occur(shares):
    assert sorted(shares) == list(range(46))


@pytest.mark.parametrize(
    ("category", "low", "high"),
    [
        (cuts.DRESS, 35, 45),
        (cuts.NECKLINE, 65, 85),
        (cuts.SHOE, 70, 96),
        (cuts.SLEEVE, 60, 85),
        (cuts.TOP, 25, 40),
        (cuts.PANTS, 25, 40),
        (cuts.POCKET, 22, 45),
        (cuts.JUMPSUIT, 1, 3),
        (cuts.LEG_WARMER, 0.02, 1.5),
        (cuts.EPAULETTE, 0.02, 1),
        (cuts.UMBRELLA, 0.02, 1),
        (cuts.CAPE, 0.02, 1),
    ],
)
def test_share_is_like_in_the_real_dataset(shares, category, low, high):
    assert low < shares[category] < high


def test_a_closed_or_turned_jacket_leaves_no_top_to_annotate():
    hidden = 0
    for seed in range(COUNT):
        outfit = draw_outfit(seed)
        closed = outfit.outer is not None and (outfit.outer.gap == 0.0 or outfit.back)
        if closed and outfit.bottom is not None:
            hidden += 1
            assert outfit.inner is None
    assert hidden > 100


def test_an_outer_garment_never_reaches_the_hem_below_it():
    for seed in range(COUNT):
        outfit = draw_outfit(seed)
        lowest = outfit.bottom or outfit.inner
        assert lowest is not None
        if outfit.outer is not None:
            assert outfit.outer.hem < lowest.hem - 0.2


def test_the_passer_by_is_dressed_differently():
    differ = sum(draw_outfit(s, 0) != draw_outfit(s, 1) for s in range(50))
    assert differ == 50
