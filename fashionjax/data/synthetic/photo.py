"""A rendered photo with its instances."""

from typing import NamedTuple

import numpy as np

from fashionjax.data.synthetic.appearance import plain_look
from fashionjax.data.synthetic.background import Backdrop
from fashionjax.data.synthetic.body import draw_body
from fashionjax.data.synthetic.canvas import Canvas
from fashionjax.data.synthetic.cuts import Outfit
from fashionjax.data.synthetic.develop import develop
from fashionjax.data.synthetic.geometry import CANONICAL_HEIGHT, ellipse
from fashionjax.data.synthetic.outfit import draw_outfit
from fashionjax.data.synthetic.person import Person
from fashionjax.data.synthetic.streams import Stream

_CAMERA = 0xCA3E
_PASSER_BY = 0.06
MIN_SIDE = 64


class Photo(NamedTuple):
    """A photo and what is on it.

    Attributes:
        image: RGB, uint8 [height, width, 3].
        masks: Visible extent of every instance, bool [n, height, width]; a part
            lies inside the mask of its garment.
        category_ids: Fashionpedia ids 0..45, int64 [n].
        skin: Visible skin of the annotated figure, bool [height, width].
        hair: Its visible hair, bool [height, width].
    """

    image: np.ndarray
    masks: np.ndarray
    category_ids: np.ndarray
    skin: np.ndarray
    hair: np.ndarray


def photo_categories(seed: int) -> frozenset[int]:
    """Tells what a photo may show, without rendering it.

    Args:
        seed: The photo's seed, as for `render_photo`.

    Returns:
        Fashionpedia ids: exactly the main garments (0..12) of the photo, and all
        accessories and parts that are not hidden or outside of the frame.
    """
    return draw_outfit(seed).categories


def has_passer_by(seed: int) -> bool:
    """Tells whether a second figure, without annotations, is in the photo."""
    return Stream(_CAMERA, seed, 1).chance(_PASSER_BY)


def render_photo(seed: int, size: tuple[int, int] = (288, 192)) -> Photo:
    """Renders a photo.

    Args:
        seed: Any integer; the same seed gives the same bytes on every machine, and
            the same scene at every size.
        size: Height and width in pixels, each at least 64. The scene is stretched
            to it, as photos are when a dataset is resized.

    Returns:
        The photo.

    Raises:
        ValueError: A side is shorter than 64.
    """
    if min(size) < MIN_SIDE:
        raise ValueError(f"size {size}: both sides must be at least {MIN_SIDE}")
    stream = Stream(_CAMERA, seed, 0)
    canvas = Canvas(size, stream.uniform(-1.0, 1.0))
    Backdrop(canvas, seed).paint()
    outfit = draw_outfit(seed)
    top, unit = _framing(stream, outfit)
    if has_passer_by(seed):
        _passer_by(canvas, seed, top, unit)
    first = len(canvas.categories)
    body = draw_body(seed, 0, unit, top, outfit.back)
    _ground_shadow(canvas, seed, [*body.ankles], unit)
    painter = Person(canvas, seed, 0, body, outfit)
    painter.paint_all()
    masks, ids = [], []
    for node, category in enumerate(canvas.categories):
        if category >= 0:
            mask = canvas.shows(node)
            if mask.any():
                masks.append(mask)
                ids.append(category)
    return Photo(
        image=develop(canvas, stream, first),
        masks=np.array(masks, bool).reshape(-1, *size),
        category_ids=np.array(ids, np.int64),
        skin=canvas.shows(painter.skin),
        hair=canvas.shows(painter.hair),
    )


def _framing(stream: Stream, outfit: Outfit) -> tuple[complex, float]:
    """Draws where the crown of the head is and how large a head is.

    Feet and crown may lie outside of the frame, but something of every main garment
    stays inside.
    """
    # Most street photographs centre the whole figure; the rest are nearer or farther.
    unit, x = stream.uniform(34.8, 36.2), stream.uniform(91.0, 101.0)
    y = stream.uniform(0.03, 0.15) * unit
    if stream.chance(0.1):
        unit, x = stream.uniform(26.0, 48.0), stream.uniform(66.0, 126.0)
        y = stream.uniform(-0.25, 0.7) * unit
    if unit < 33.0:
        y += stream.uniform(0.0, CANONICAL_HEIGHT - 7.6 * unit)
    if outfit.bottom is not None or outfit.outer is not None:
        hems = [cut.hem for cut in (outfit.inner, outfit.outer) if cut is not None]
        level = max([1.2, *(hem for hem in hems if hem < 3.5)]) + 0.35
        heads = 1.52 + 1.3 * min(level, 1.0) + 0.95 * min(level - 1.0, 1.0)
        heads += 1.9 * max(level - 2.0, 0.0)
        unit = min(unit, (CANONICAL_HEIGHT - y) / heads)
    return complex(x, y), unit


def _ground_shadow(canvas: Canvas, seed: int, feet: list[complex], unit: float) -> None:
    look = plain_look(seed, 0, (40, 38, 40))
    node = canvas.node(look)
    middle = (feet[0] + feet[1]) * 0.5 + 0.4j * unit
    canvas.paint([ellipse(middle, 1.1 * unit, 0.16 * unit)], node, look, 0, 10)


def _passer_by(canvas: Canvas, seed: int, top: complex, unit: float) -> None:
    stream = Stream(_CAMERA, seed, 2)
    own = unit * stream.uniform(0.55, 0.95)
    aside = stream.uniform(1.6, 3.2) * unit * stream.choice((-1.0, 1.0))
    crown = complex(
        top.real + aside, top.imag + (unit - own) * stream.uniform(1.0, 6.0)
    )
    outfit = draw_outfit(seed, 1)
    body = draw_body(seed, 1, own, crown, outfit.back)
    Person(canvas, seed, 1, body, outfit).paint_all()
