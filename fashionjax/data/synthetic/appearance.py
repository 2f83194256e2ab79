"""Colour and cloth, drawn without any knowledge of what they are for.

The one way to a look is `draw_look`: its slot counts the things of a photo in an
order of no meaning, and garments, accessories and the things in the background share
the function. So no colour and no texture tells a category. What is worn usually
stands out from wall, ground, skin and the clothes beside it, as on photos that people
choose to show, whatever each of them is.
"""

from collections.abc import Sequence
from typing import NamedTuple

from fashionjax.data.synthetic.geometry import sine
from fashionjax.data.synthetic.streams import Stream
from fashionjax.data.synthetic.texture import FOLD, pattern_tiles

Colour = tuple[int, int, int]

_LOOK = 0x100C
_TRIES = 4
_APART = 120  # sum of the differences of red, green and blue
_PLAIN = -1
_PLAIN_TURN = (1.0, 0.0, 0.0, 1.0)
# Muted cloth and paint colours; the rest of the draws fill the colour solid.
_USUAL: tuple[Colour, ...] = (
    (24, 24, 28),
    (48, 48, 52),
    (96, 96, 100),
    (150, 150, 150),
    (205, 205, 205),
    (240, 240, 238),
    (34, 44, 74),
    (62, 84, 124),
    (118, 142, 176),
    (214, 196, 168),
    (178, 148, 114),
    (128, 92, 64),
    (86, 60, 44),
    (232, 190, 160),
    (110, 112, 78),
    (62, 74, 54),
    (134, 36, 44),
    (206, 176, 178),
)


class Look(NamedTuple):
    """How a surface looks.

    Attributes:
        colours: Four RGB colours, 0..255.
        tile: Index into `pattern_tiles()`, or -1 for a plain surface.
        turn: Pattern cells per canonical pixel: (right by x, right by y, down by x,
            down by y).
        shift: Pattern offset in cells.
        fold: Index into `fold_tiles()`.
        fold_depth: Strength of the folds in 1/8.
        fold_at: Offset into the fold table (row, column).
    """

    colours: tuple[Colour, Colour, Colour, Colour]
    tile: int
    turn: tuple[float, float, float, float]
    shift: tuple[int, int]
    fold: int
    fold_depth: int
    fold_at: tuple[int, int]


def draw_colour(stream: Stream) -> Colour:
    """Draws an RGB colour: mostly muted, now and then vivid."""
    bits = stream.raw()
    if bits % 10 < 8:
        base = _USUAL[(bits >> 8) % len(_USUAL)]
        change = ((bits >> shift) % 25 - 12 for shift in (16, 32, 48))
        red, green, blue = (c + d for c, d in zip(base, change, strict=True))
    else:
        red, green, blue = (18 + (bits >> shift) % 228 for shift in (16, 32, 48))
    return _limited(red, green, blue)


def _distinct_colour(stream: Stream, beside: Sequence[Colour]) -> Colour:
    """Draws a colour apart from others, or the one of four tries that is most so."""
    best, distance = draw_colour(stream), 0
    if not beside:
        return best
    for attempt in range(_TRIES):
        colour = draw_colour(stream) if attempt else best
        nearest = min(
            abs(colour[0] - r) + abs(colour[1] - g) + abs(colour[2] - b)
            for r, g, b in beside
        )
        if nearest > distance:
            best, distance = colour, nearest
        if nearest >= _APART:
            break
    return best


def shaded(colour: Colour, change: int) -> Colour:
    """Returns the colour with `change` added to each channel."""
    return _limited(colour[0] + change, colour[1] + change, colour[2] + change)


def _limited(red: int, green: int, blue: int) -> Colour:
    return (
        min(250, max(6, red)),
        min(250, max(6, green)),
        min(250, max(6, blue)),
    )


def draw_look(seed: int, slot: int, beside: Sequence[Colour] = ()) -> Look:
    """Draws a look from the seed of the photo and a running number.

    Args:
        seed: The photo's seed.
        slot: The running number of the thing in the photo.
        beside: Colours of things that it should stand out from; it may still come
            close to one of several.

    Returns:
        The look; the same for the same arguments.
    """
    stream = Stream(_LOOK, seed, slot)
    base = _distinct_colour(stream, beside)
    tile = _PLAIN
    if stream.chance(0.15):
        tile = stream.below(len(pattern_tiles()))
    if tile in (_PLAIN, 0, 1):  # plain, or a weave of one colour
        step = 6 + stream.below(14)
        colours = (
            base,
            shaded(base, step),
            shaded(base, -step),
            shaded(base, 2 * step),
        )
    else:
        colours = (base, draw_colour(stream), draw_colour(stream), draw_colour(stream))
    turn = _PLAIN_TURN if tile == _PLAIN else _draw_turn(stream)
    bits = stream.raw()
    return Look(
        colours=colours,
        tile=tile,
        turn=turn,
        shift=(bits % 64, (bits >> 6) % 64),
        fold=(bits >> 12) % 3,
        fold_depth=7 + (bits >> 20) % 8,
        fold_at=((bits >> 30) % FOLD, (bits >> 40) % FOLD),
    )


def _draw_turn(stream: Stream) -> tuple[float, float, float, float]:
    """Draws how a pattern is turned and scaled."""
    angle = stream.choice((0.0, 0.0, 90.0, 90.0, 45.0, -30.0, 8.0))
    angle += stream.uniform(-6.0, 6.0)
    cells = 1.0 / stream.uniform(0.22, 0.85)
    cos, sin = cells * sine(angle + 90.0), cells * sine(angle)
    return (cos, sin, -sin, cos)


def plain_look(seed: int, slot: int, colour: Colour) -> Look:
    """Makes the look of a surface whose colour is known: skin and hair.

    Args:
        seed: The photo's seed.
        slot: The running number of the thing in the photo.
        colour: RGB, 0..255.

    Returns:
        A plain look with faint folds.
    """
    bits = Stream(_LOOK, seed, slot).raw()
    return Look(
        colours=(colour, shaded(colour, 8), shaded(colour, -8), shaded(colour, 14)),
        tile=_PLAIN,
        turn=_PLAIN_TURN,
        shift=(0, 0),
        fold=bits % 3,
        fold_depth=2,
        fold_at=((bits >> 8) % FOLD, (bits >> 20) % FOLD),
    )
