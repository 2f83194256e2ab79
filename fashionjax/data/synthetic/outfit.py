"""Draws what a figure wears: the cut of every garment, without any colour.

The draw is cheap, so that the categories of a photo are known before rendering.
Shares of categories follow the instance counts of Fashionpedia's training set.
"""

from fashionjax.data.synthetic.cuts import (
    APPLIQUE,
    BAG,
    BEAD,
    BELT,
    BOW,
    BUCKLE,
    CAPE,
    CARDIGAN,
    COAT,
    DRESS,
    EPAULETTE,
    FLOWER,
    FRINGE,
    GLASSES,
    GLOVE,
    HAT,
    HEADBAND,
    JACKET,
    JUMPSUIT,
    LEG_WARMER,
    PANTS,
    POCKET,
    RIBBON,
    RIVET,
    RUFFLE,
    SCARF,
    SEQUIN,
    SHIRT,
    SHOE,
    SHORTS,
    SKIRT,
    SOCK,
    SWEATER,
    TASSEL,
    TIE,
    TIGHTS,
    TOP,
    UMBRELLA,
    VEST,
    WATCH,
    ZIPPER,
    Garment,
    Outfit,
)
from fashionjax.data.synthetic.streams import Stream

_OUTFIT = 0x0F17
_TRIMMED = 0.2
# How often a trim is the one chosen, in relation to the others.
_TRIMS = {
    APPLIQUE: 0.045,
    BEAD: 0.028,
    BOW: 0.016,
    FLOWER: 0.036,
    FRINGE: 0.012,
    RIBBON: 0.01,
    RIVET: 0.032,
    RUFFLE: 0.045,
    SEQUIN: 0.018,
    TASSEL: 0.006,
}


def _trims(stream: Stream, pocket: float) -> tuple[int, ...]:
    found = (stream.weighted(_TRIMS),) if stream.chance(_TRIMMED) else ()
    if stream.chance(pocket):
        found += (POCKET,)
    return found


def _sleeve(stream: Stream, bare: float, short: float) -> float:
    kind = stream.uniform()
    if kind < bare:
        return 0.0
    if kind < bare + short:
        return stream.uniform(0.2, 0.45)
    return stream.uniform(0.62, 0.97)


def _dress(stream: Stream, category: int) -> Garment:
    sleeve = _sleeve(stream, 0.6, 0.33)
    necks = {"round": 5, "crew": 4, "v": 4, "deep": 2, "boat": 2, "square": 1.5}
    if sleeve == 0.0:
        necks |= {"straight": 2.0, "straps": 4.0}
    hem = stream.weighted({2.55: 1.5, 2.85: 4.0, 3.15: 3.0, 3.6: 1.3, 3.95: 1.2})
    hem += stream.uniform(-0.12, 0.1)
    shape = stream.weighted({"pencil": 0.4, "a": 2.0, "flared": 2.0})
    flare = {"pencil": -0.02, "a": 0.2, "flared": 0.5}[shape]
    flare = flare * (0.4 + hem - 2.0) + stream.uniform(0.0, 0.08)
    return Garment(
        category=category,
        sleeve=sleeve,
        neck=stream.weighted(necks),
        hem=hem,
        ease=stream.uniform(0.0, 0.06),
        flare=flare,
        collar="shirt" if sleeve and stream.chance(0.12) else "none",
        parts=_trims(stream, 0.1),
    )


def _jumpsuit(stream: Stream) -> Garment:
    dress = _dress(stream, JUMPSUIT)
    return dress._replace(
        hem=stream.choice((2.75, 3.9, 3.9, 3.9)),
        flare=stream.uniform(0.02, 0.25),
        collar="none",
    )


def _top(stream: Stream, covered: bool) -> Garment:
    kind = stream.weighted({SHIRT: 0.25, TOP: 0.66, SWEATER: 0.03 if covered else 0.1})
    tucked = stream.chance(0.15)
    if kind == SHIRT:
        return Garment(
            SHIRT,
            sleeve=_sleeve(stream, 0.08, 0.77),
            neck="v",
            hem=stream.uniform(1.55, 2.1),
            ease=stream.uniform(0.12, 0.24),
            collar="shirt",
            parts=_trims(stream, 0.25),
            tucked=tucked,
        )
    if kind == SWEATER:
        return Garment(
            SWEATER,
            sleeve=stream.uniform(0.88, 0.98),
            neck=stream.weighted({"high": 2.0, "crew": 1.0}),
            hem=stream.uniform(1.7, 2.1),
            ease=stream.uniform(0.16, 0.26),
            parts=_trims(stream, 0.03),
        )
    sleeve = _sleeve(stream, 0.35, 0.6)
    necks = {"crew": 4.0, "round": 5.0, "v": 3.0, "boat": 1.5, "square": 1.0}
    if sleeve == 0.0:
        necks |= {"straps": 3.0, "straight": 0.8}
    hood = sleeve > 0.5 and not covered and stream.chance(0.2)
    return Garment(
        TOP,
        sleeve=sleeve,
        neck=stream.weighted(necks),
        hem=stream.uniform(1.3, 1.95),
        ease=stream.uniform(0.08, 0.2),
        collar="hood" if hood else "none",
        parts=_trims(stream, 0.06),
        tucked=tucked,
    )


def _bottom(stream: Stream) -> Garment:
    kind = stream.weighted({PANTS: 0.56, SHORTS: 0.15, SKIRT: 0.29})
    pocket = (POCKET,) if kind != SKIRT and stream.chance(0.45) else ()
    if kind == PANTS:
        slim = stream.chance(0.6)
        return Garment(
            PANTS,
            hem=stream.uniform(3.6, 4.05),
            ease=stream.uniform(0.0, 0.05) if slim else stream.uniform(0.06, 0.16),
            flare=0.0 if slim else stream.uniform(0.0, 0.22),
            parts=pocket,
        )
    if kind == SHORTS:
        return Garment(
            SHORTS,
            hem=stream.uniform(2.4, 2.8),
            ease=stream.uniform(0.03, 0.12),
            flare=stream.uniform(0.0, 0.1),
            parts=pocket,
        )
    hem = stream.weighted({2.5: 3.0, 2.8: 3.0, 3.2: 1.5, 3.85: 0.5})
    return Garment(
        SKIRT,
        hem=hem + stream.uniform(-0.1, 0.1),
        ease=stream.uniform(0.01, 0.06),
        flare=stream.weighted({0.0: 1.0, 0.22: 1.5, 0.5: 1.0}) * (hem - 1.6),
        parts=_trims(stream, 0.05),
    )


def _outer(stream: Stream) -> Garment:
    weights = {JACKET: 0.56, COAT: 0.24, CARDIGAN: 0.11, VEST: 0.075, CAPE: 0.015}
    kind = stream.weighted(weights)
    collar = "none"
    if kind == JACKET:
        collar = stream.weighted(
            {"lapel": 0.5, "shirt": 0.3, "hood": 0.12, "none": 0.1}
        )
    elif kind == COAT:
        collar = stream.weighted({"lapel": 0.75, "hood": 0.1, "shirt": 0.15})
    elif kind == VEST:
        collar = stream.weighted({"none": 0.8, "lapel": 0.2})
    closed = kind == CAPE or stream.chance(0.06)
    gap = 0.0 if closed else stream.uniform(0.26, 0.46)
    parts = [] if kind == CAPE else list(_trims(stream, 0.4))
    if kind in (JACKET, COAT) and stream.chance(0.35):
        parts.append(ZIPPER)
    if kind in (JACKET, COAT) and stream.chance(0.025):
        parts.append(EPAULETTE)
    low, high = {
        JACKET: (1.6, 2.3),
        COAT: (2.6, 3.4),
        CARDIGAN: (1.9, 2.9),
        VEST: (1.5, 2.1),
        CAPE: (1.5, 2.6),
    }[kind]
    return Garment(
        kind,
        sleeve=0.0 if kind in (VEST, CAPE) else stream.uniform(0.88, 0.98),
        neck="v",
        hem=stream.uniform(low, high),
        ease=stream.uniform(0.13, 0.25),
        flare=stream.uniform(0.0, 0.2) if kind != JACKET else 0.0,
        gap=gap,
        collar=collar,
        parts=tuple(parts),
    )


def _accessories(
    stream: Stream, outfit: Outfit, bare_legs: bool, buttoned: bool
) -> frozenset[int]:
    shares = {
        GLASSES: 0.1,
        HAT: 0.065,
        HEADBAND: 0.06,
        GLOVE: 0.02,
        WATCH: 0.08,
        BELT: 0.16,
        SHOE: 0.93,
        BAG: 0.2,
        SCARF: 0.035,
        UMBRELLA: 0.005,
        TIE: 0.18 if buttoned else 0.0,
    }
    found = {extra for extra, share in shares.items() if stream.chance(share)}
    if HAT in found:
        found.discard(HEADBAND)
    if BELT in found and stream.chance(0.6):
        found.add(BUCKLE)
    if bare_legs:
        legs = stream.weighted({-1: 0.8, TIGHTS: 0.12, SOCK: 0.08, LEG_WARMER: 0.012})
        found |= {legs} - {-1}
    if outfit.outer is None and stream.chance(0.06):
        found.add(ZIPPER)
    return frozenset(found)


def draw_outfit(seed: int, person: int = 0) -> Outfit:
    """Draws what a figure wears.

    Args:
        seed: The photo's seed.
        person: 0 for the main figure, 1 for a passer-by.

    Returns:
        The outfit.
    """
    stream = Stream(_OUTFIT, seed, person)
    kind = stream.weighted({"dress": 0.41, "jumpsuit": 0.02, "separates": 0.57})
    bottom = None
    with_outer = stream.chance(0.43 if kind == "separates" else 0.14)
    outer = _outer(stream) if with_outer else None
    if kind == "separates":
        inner = _top(stream, covered=with_outer)
        bottom = _bottom(stream)
    else:
        inner = _dress(stream, DRESS) if kind == "dress" else _jumpsuit(stream)
    back = stream.chance(0.05)
    if outer is not None:
        lowest = bottom or inner
        outer = outer._replace(hem=min(outer.hem, lowest.hem - 0.3))
        if bottom is not None and (outer.gap == 0.0 or back):
            inner = None  # nothing of it would be seen
    outfit = Outfit(
        inner=inner,
        bottom=bottom,
        outer=outer,
        extras=frozenset(),
        hosiery=stream.uniform(3.2, 3.7),
        boot=stream.weighted({0.0: 0.65, 0.45: 0.2, 1.1: 0.15}),
        bag=stream.weighted({"hand": 0.5, "shoulder": 0.3, "cross": 0.2}),
        back=back,
    )
    lowest = bottom if bottom is not None else inner
    trousers = lowest is not None and lowest.category in (PANTS, JUMPSUIT)
    shirt = inner is not None and inner.collar == "shirt"
    return outfit._replace(
        extras=_accessories(stream, outfit, not trousers, bool(shirt))
    )
