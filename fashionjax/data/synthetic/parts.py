"""Parts and trims of garments: necklines, collars, pockets, zippers and the like."""

from collections.abc import Callable

from fashionjax.data.synthetic import garments
from fashionjax.data.synthetic.appearance import Look
from fashionjax.data.synthetic.body import SIDES
from fashionjax.data.synthetic.cuts import (
    APPLIQUE,
    BEAD,
    BOW,
    CAPE,
    COAT,
    COLLAR,
    EPAULETTE,
    FLOWER,
    FRINGE,
    HOOD,
    JACKET,
    LAPEL,
    NECKLINE,
    PANTS,
    POCKET,
    RIBBON,
    RIVET,
    RUFFLE,
    SEQUIN,
    SHORTS,
    SKIRT,
    SWEATER,
    TASSEL,
    VEST,
    ZIPPER,
    Garment,
)
from fashionjax.data.synthetic.geometry import Outline, between, box, ellipse, tube
from fashionjax.data.synthetic.painter import Painter

_BOTTOMS = (PANTS, SHORTS, SKIRT)


def finish(painter: Painter, cut: Garment, node: int, look: Look) -> None:
    """Adds everything that lies on a garment once its cloth is painted."""
    if cut.category not in _BOTTOMS:
        _opening(painter, cut, node, look)
    else:
        waistband(painter, node, look)
    if cut.category == SWEATER:
        _hem(painter, cut, node, look)
    for part in cut.parts:
        trim(painter, part, cut, node, look)


def _part(
    painter: Painter,
    category: int,
    shapes: list[Outline],
    node: int,
    look: Look,
    darker: int = 0,
) -> None:
    """Paints a part of a garment inside the garment's visible area."""
    part = painter.node(look, category, node, height=10)
    painter.canvas.paint(shapes, part, look, 0, darker, inside=node)


def waistband(painter: Painter, node: int, look: Look) -> None:
    """Marks the band at the top of pants and skirts."""
    body = painter.body
    path = [body.side(1.1, 0, 0.02), body.side(1.1, 1, 0.02)]
    shape = [garments.band(path, 0.12 * body.unit)]
    painter.canvas.paint(shape, node, look, 0, darker=22, inside=node)


def _hem(painter: Painter, cut: Garment, node: int, look: Look) -> None:
    body = painter.body
    level = cut.hem - 0.07
    path = [body.side(level, 0, 0.5), body.side(level, 1, 0.5)]
    shape = [garments.band(path, 0.26 * body.unit)]
    painter.canvas.paint(shape, node, look, 0, darker=20, inside=node)


def cuff(painter: Painter, cut: Garment, side: int, node: int, look: Look) -> None:
    """Marks the end of a long sleeve."""
    if cut.sleeve < 0.6:
        return
    body = painter.body
    elbow, wrist = body.elbows[side], body.wrists[side]
    reach = cut.sleeve * 2.0 - 1.0
    path = [between(elbow, wrist, reach - 0.1), between(elbow, wrist, reach + 0.02)]
    shape = [garments.band(path, 0.9 * body.unit)]
    painter.canvas.paint(shape, node, look, 0, darker=18, inside=node)


def _opening(painter: Painter, cut: Garment, node: int, look: Look) -> None:
    body, unit = painter.body, painter.body.unit
    if cut.collar == "none":
        if cut.category != CAPE:
            if cut.gap > 0.0 and not body.back:
                paths = [_edge(painter, cut, side) for side in SIDES]
            else:
                paths = [garments.neckline(body, cut.neck)]
            shapes = [garments.band(path, 0.2 * unit) for path in paths]
            _part(painter, NECKLINE, shapes, node, look, 16)
        return
    if cut.category not in (VEST,) and cut.gap == 0.0 and not body.back:
        placket(painter, cut, node, look)
    if cut.collar == "hood":
        _hood(painter, node, look)
        return
    for side in SIDES:
        if cut.collar == "lapel" and not body.back:
            shape = garments.lapel(body, cut, side)
            lapel = painter.node(look, LAPEL, node, height=12)
            painter.canvas.paint([shape], lapel, look, 0, -8)
    shapes = [garments.collar(body, side) for side in SIDES]
    collar = painter.node(look, COLLAR, node, height=13)
    painter.canvas.paint(shapes, collar, look, 0, 6)


def _edge(painter: Painter, cut: Garment, side: int) -> Outline:
    shape = garments.panel(painter.body, cut, side)
    return [shape[0], shape[-1]]


def _hood(painter: Painter, node: int, look: Look) -> None:
    body, unit = painter.body, painter.body.unit
    centre = body.centre(0.0) - 0.22j * unit
    hood = painter.node(look, HOOD, node, height=13)
    if body.back:
        shape = [ellipse(centre + 0.5j * unit, 0.42 * unit, 0.5 * unit)]
        painter.canvas.paint(shape, hood, look, 1, 10)
        return
    for sign in (-1.0, 1.0):
        path = [
            centre + complex(sign * 0.3, -0.22) * unit,
            centre + complex(sign * 0.46, 0.12) * unit,
            centre + complex(sign * 0.2, 0.5) * unit,
        ]
        shape = [tube(path, [0.1 * unit, 0.2 * unit, 0.06 * unit])]
        painter.canvas.paint(shape, hood, look, 1, 10)


def placket(painter: Painter, cut: Garment, node: int, look: Look) -> None:
    """Marks the closed front of a shirt or jacket with its buttons."""
    body, unit = painter.body, painter.body.unit
    path = [body.centre(0.12), body.centre(1.0), body.centre(max(1.1, cut.hem))]
    shape = [garments.band(path, 0.09 * unit)]
    painter.canvas.paint(shape, node, look, 0, 24, inside=node)
    dots = [
        ellipse(body.centre(level), 0.045 * unit, 0.045 * unit)
        for level in (0.3, 0.65, 1.0, 1.35)
        if level < cut.hem
    ]
    painter.canvas.paint(dots, node, look, 0, -40, inside=node)


def trim(painter: Painter, part: int, cut: Garment, node: int, look: Look) -> None:
    """Paints one trim or the pockets of a garment."""
    if part == POCKET:
        _pockets(painter, cut, node, look)
    elif part == EPAULETTE:
        for side in SIDES:
            shape = garments.shoulder_strap(painter.body, side)
            strap = painter.node(look, EPAULETTE, node, height=13)
            painter.canvas.paint([shape], strap, look, 0, 22)
    else:
        own = painter.new_look()
        shapes = _SHAPES[part](painter, cut)
        inside = part not in (BOW, FLOWER)
        if inside:
            _part(painter, part, shapes, node, own)
        else:
            thing = painter.node(own, part, node, height=13)
            painter.canvas.paint(shapes, thing, own, 1)


def _pockets(painter: Painter, cut: Garment, node: int, look: Look) -> None:
    body = painter.body
    level = 1.6 if cut.category in (*_BOTTOMS, COAT, JACKET) else 0.55
    level = min(level, cut.hem - 0.25)
    for side in SIDES:
        if level == 0.55 and side == 0:
            continue
        out = body.half(level) / body.unit * 0.6
        _part(
            painter, POCKET, [garments.pocket(body, level, side, out)], node, look, 20
        )


def _spot(painter: Painter, cut: Garment, low: float, high: float) -> complex:
    """A random point on the front of a garment."""
    body, stream = painter.body, painter.stream
    start = 1.25 if cut.category in _BOTTOMS else 0.5
    end = min(cut.hem, 2.6) - 0.2
    level = start + (end - start) * stream.uniform(low, high)
    across = stream.uniform(-0.6, 0.6) * body.half(level)
    if cut.gap > 0.0:
        side = stream.choice((-0.75, 0.75))
        across = side * body.half(level)
    return body.centre(level) + across


def _cloud(painter: Painter, cut: Garment) -> list[Outline]:
    unit = painter.body.unit
    middle = _spot(painter, cut, 0.0, 0.6)
    shapes = []
    for _ in range(7):
        x, y = painter.stream.uniform(-0.3, 0.3), painter.stream.uniform(-0.3, 0.3)
        shapes.append(
            ellipse(middle + complex(x, y) * unit, 0.075 * unit, 0.075 * unit)
        )
    return shapes


def _applique(painter: Painter, cut: Garment) -> list[Outline]:
    unit = painter.body.unit
    middle = _spot(painter, cut, 0.0, 0.5)
    if painter.stream.chance(0.5):
        return [ellipse(middle, 0.3 * unit, 0.22 * unit)]
    x, y = middle.real, middle.imag
    return [box(x - 0.3 * unit, y - 0.16 * unit, x + 0.3 * unit, y + 0.2 * unit)]


def _bow(painter: Painter, cut: Garment) -> list[Outline]:
    unit, body = painter.body.unit, painter.body
    middle = body.centre(1.1 if cut.category in _BOTTOMS else 0.25)
    left = [middle, middle + complex(-0.28, -0.15) * unit]
    left.append(middle + complex(-0.28, 0.15) * unit)
    right = [middle, middle + complex(0.28, -0.15) * unit]
    right.append(middle + complex(0.28, 0.15) * unit)
    tail = garments.band([middle, middle + complex(0.1, 0.42) * unit], 0.1 * unit)
    return [left, right, tail]


def _flower(painter: Painter, cut: Garment) -> list[Outline]:
    unit = painter.body.unit
    middle = _spot(painter, cut, 0.0, 0.7)
    petals = ((0.13, 0.0), (-0.13, 0.0), (0.0, 0.13), (0.0, -0.13))
    return [
        ellipse(middle + complex(x, y) * unit, 0.11 * unit, 0.11 * unit)
        for x, y in petals
    ]


def _comb(painter: Painter, cut: Garment) -> list[Outline]:
    body, unit = painter.body, painter.body.unit
    level = cut.hem - 0.05
    left, right = body.side(level, 0, cut.flare), body.side(level, 1, cut.flare)
    shapes = []
    for step in range(9):
        top = between(left, right, (step + 0.5) / 9.0) - 0.3j * unit
        shapes.append(garments.band([top, top + 0.5j * unit], 0.07 * unit))
    return shapes


def _ruffle(painter: Painter, cut: Garment) -> list[Outline]:
    body, unit = painter.body, painter.body.unit
    level = cut.hem - 0.12
    spread = cut.flare + 0.3
    path = [body.side(level, 0, spread), body.centre(level) + 0.05j * unit]
    path.append(body.side(level, 1, spread))
    return [garments.band(path, 0.28 * unit)]


def _ribbon(painter: Painter, cut: Garment) -> list[Outline]:
    body = painter.body
    level = 1.2 if cut.category in _BOTTOMS else 0.95
    path = [body.side(level, 0, 0.3), body.side(level, 1, 0.3)]
    return [garments.band(path, 0.14 * body.unit)]


def _row(painter: Painter, cut: Garment) -> list[Outline]:
    unit, body = painter.body.unit, painter.body
    level = 1.3 if cut.category in _BOTTOMS else 0.5
    shapes = []
    for step in range(7):
        along = between(body.side(level, 0), body.side(level, 1), (step + 0.5) / 7.0)
        shapes.append(ellipse(along, 0.05 * unit, 0.05 * unit))
    return shapes


def _tassel(painter: Painter, cut: Garment) -> list[Outline]:
    unit = painter.body.unit
    top = _spot(painter, cut, 0.2, 0.8)
    tail = tube((top, top + 0.34j * unit), [0.03 * unit, 0.1 * unit], False)
    return [ellipse(top, 0.06 * unit, 0.06 * unit), tail]


def _zipper(painter: Painter, cut: Garment) -> list[Outline]:
    body, unit = painter.body, painter.body.unit
    if cut.gap > 0.0 and not body.back:
        shape = garments.panel(body, cut, 1)
        return [garments.band([shape[-1], shape[-2]], 0.16 * unit)]
    path = [body.centre(0.3), body.centre(1.0), body.centre(min(cut.hem, 1.9))]
    return [garments.band(path, 0.1 * unit)]


_SHAPES: dict[int, Callable[[Painter, Garment], list[Outline]]] = {
    APPLIQUE: _applique,
    BEAD: _cloud,
    BOW: _bow,
    FLOWER: _flower,
    FRINGE: _comb,
    RIBBON: _ribbon,
    RIVET: _row,
    RUFFLE: _ruffle,
    SEQUIN: _cloud,
    TASSEL: _tassel,
    ZIPPER: _zipper,
}
