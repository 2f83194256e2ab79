"""Accessories and the face."""

from fashionjax.data.synthetic import garments
from fashionjax.data.synthetic.appearance import plain_look, shaded
from fashionjax.data.synthetic.cuts import (
    BAG,
    BELT,
    BUCKLE,
    DRESS,
    GLASSES,
    HAT,
    HEADBAND,
    JUMPSUIT,
    SCARF,
    TIE,
    UMBRELLA,
    WATCH,
)
from fashionjax.data.synthetic.geometry import (
    Outline,
    between,
    box,
    ellipse,
    rotated,
    smooth,
    tube,
)
from fashionjax.data.synthetic.painter import Painter


def face(painter: Painter) -> None:
    """Paints eyes, brows, nose and mouth in tones of the skin and the hair."""
    head, unit = painter.body.head, painter.body.unit
    skin = painter.skin_look.colours[0]
    dark = plain_look(painter.seed, 7, shaded(painter.hair_look.colours[0], -20))
    lips = plain_look(
        painter.seed, 8, (max(8, skin[0] - 40), skin[1] // 2, skin[2] // 2)
    )
    eyes: list[Outline] = []
    for sign in (-1.0, 1.0):
        eyes.append(
            ellipse(head + complex(sign * 0.16, -0.02) * unit, 0.07 * unit, 0.04 * unit)
        )
        brow = head + complex(sign * 0.16, -0.12) * unit
        eyes.append(
            garments.band([brow - 0.09 * unit, brow + 0.09 * unit], 0.04 * unit)
        )
    node = painter.node(dark, parent=painter.skin)
    painter.canvas.paint(eyes, node, dark)
    node = painter.node(lips, parent=painter.skin)
    mouth = ellipse(head + 0.29j * unit, 0.11 * unit, 0.045 * unit)
    painter.canvas.paint([mouth], node, lips)
    nose = garments.band([head, head + complex(0.03, 0.15) * unit], 0.06 * unit)
    painter.canvas.paint([nose], painter.skin, painter.skin_look, 0, 18)


def umbrella(painter: Painter) -> None:
    """Paints an open umbrella behind the head."""
    if UMBRELLA not in painter.outfit.extras:
        return
    head, unit = painter.body.head, painter.body.unit
    look = painter.new_look()
    node = painter.node(look, UMBRELLA, height=5)
    centre = head + complex(painter.stream.uniform(-0.5, 0.5), -0.1) * unit
    canopy = [
        centre + complex(x, y) * unit
        for x, y in (
            (-1.9, 0.1),
            (-1.6, -0.6),
            (-0.9, -1.05),
            (0.0, -1.2),
            (0.9, -1.05),
            (1.6, -0.6),
            (1.9, 0.1),
            (1.2, -0.1),
            (0.6, 0.1),
            (0.0, -0.1),
            (-0.6, 0.1),
            (-1.2, -0.1),
        )
    ]
    pole = garments.band([centre - 0.2j * unit, centre + 2.4j * unit], 0.08 * unit)
    painter.canvas.paint([canopy, pole], node, look, 1)


def belt(painter: Painter) -> None:
    """Paints a belt and its buckle."""
    extras, body = painter.outfit.extras, painter.body
    if BELT not in extras:
        return
    look = painter.new_look()
    node = painter.node(look, BELT, height=10)
    inner = painter.outfit.inner
    one_piece = inner is not None and inner.category in (DRESS, JUMPSUIT)
    level = 1.0 if one_piece else 1.12
    wide = painter.stream.uniform(0.12, 0.24) * body.unit
    ease = 0.04 + (inner.ease if one_piece and inner else 0.02)
    path = [body.side(level, 0, ease), body.side(level, 1, ease)]
    painter.canvas.paint([garments.band(path, wide)], node, look, 1)
    if BUCKLE in extras:
        own = painter.new_look()
        buckle = painter.node(own, BUCKLE, node, height=11)
        centre = between(path[0], path[1], 0.5)
        half, x, y = wide * 0.7, centre.real, centre.imag
        square = box(x - half, y - half, x + half, y + half)
        painter.canvas.paint([square], buckle, own)


def tie(painter: Painter) -> None:
    """Paints a tie."""
    if TIE not in painter.outfit.extras:
        return
    body, unit = painter.body, painter.body.unit
    look = painter.new_look()
    node = painter.node(look, TIE, height=10)
    top, low = body.centre(0.1), body.centre(1.0)
    knot = tube((top - 0.08j * unit, top + 0.14j * unit), [0.1 * unit, 0.07 * unit])
    blade = tube((top + 0.1j * unit, low), [0.06 * unit, 0.14 * unit])
    painter.canvas.paint([knot, blade], node, look)


def scarf(painter: Painter) -> None:
    """Paints a scarf around the neck with its ends hanging down."""
    if SCARF not in painter.outfit.extras:
        return
    body, unit = painter.body, painter.body.unit
    look = painter.new_look()
    node = painter.node(look, SCARF, height=14)
    centre = body.centre(0.0) - 0.16j * unit
    wrap = ellipse(centre, 0.5 * unit, 0.28 * unit)
    side = painter.stream.choice((-0.18, 0.18))
    end = centre + complex(side * 1.5, painter.stream.uniform(1.0, 2.2)) * unit
    hanging = tube((centre + side * unit, end), [0.16 * unit, 0.22 * unit], False)
    painter.canvas.paint([wrap, hanging], node, look, 1)


def _bag_side(painter: Painter) -> int:
    return painter.body.front_leg


def carried_strap(painter: Painter) -> None:
    """Makes the bag and paints its strap, which lies under the arms."""
    if BAG not in painter.outfit.extras:
        return
    body, unit = painter.body, painter.body.unit
    painter.bag_node = painter.node(painter.bag_look, BAG, height=14)
    kind, side = painter.outfit.bag, _bag_side(painter)
    if kind == "hand":
        return
    sign = 1.0 if side else -1.0
    start = body.shoulders[1 - side if kind == "cross" else side]
    if kind == "shoulder":
        start -= sign * 0.15 * unit
    else:
        start += sign * 0.2 * unit
    path = [start - 0.2j * unit, body.side(1.9, side, 0.15)]
    strap = garments.band(path, 0.1 * unit)
    painter.canvas.paint([strap], painter.bag_node, painter.bag_look)


def bag(painter: Painter) -> None:
    """Paints the bag itself, in a hand or at the hip."""
    if BAG not in painter.outfit.extras:
        return
    body, unit, stream = painter.body, painter.body.unit, painter.stream
    side = _bag_side(painter)
    sign = 1.0 if side else -1.0
    half = stream.uniform(0.45, 0.7) * unit
    high = half * stream.uniform(0.7, 1.2)
    shapes: list[Outline] = []
    if painter.outfit.bag == "hand":
        grip = body.wrists[side] + 0.25j * unit
        centre = grip + 1j * (high * 0.5 + 0.45 * unit)
        for shift in (-0.5, 0.5):
            foot = centre + complex(half * shift, -high * 0.8)
            shapes.append(garments.band([grip, foot], 0.08 * unit))
    else:
        centre = body.side(2.0, side, 0.12) + complex(sign * 0.12 * unit, high * 0.4)
    x, y = centre.real, centre.imag
    body_shape = box(x - half, y - high * 0.8, x + half, y + high * 0.8)
    body_shape[0] += half * 0.22
    body_shape[1] -= half * 0.22
    if stream.chance(0.4):
        body_shape = smooth(body_shape)
    shapes.append(rotated(body_shape, centre, stream.uniform(-9.0, 9.0)))
    look = painter.bag_look
    painter.canvas.paint(shapes, painter.bag_node, look, 1)
    flap = box(x - half, y - high * 0.45, x + half, y - high * 0.35)
    painter.canvas.paint([flap], painter.bag_node, look, 0, 30, painter.bag_node)


def watch(painter: Painter) -> None:
    """Paints a watch on the right wrist of the photo."""
    body, unit = painter.body, painter.body.unit
    look = painter.new_look()
    node = painter.node(look, WATCH, height=13)
    elbow, wrist = body.elbows[1], body.wrists[1]
    path = [between(elbow, wrist, 0.9), between(elbow, wrist, 1.02)]
    painter.canvas.paint([garments.band(path, 0.3 * unit)], node, look)


def headwear(painter: Painter) -> None:
    """Paints glasses, hat and headband."""
    extras, body = painter.outfit.extras, painter.body
    head, unit = body.head, body.unit
    if GLASSES in extras and not body.back:
        look = painter.new_look()
        node = painter.node(look, GLASSES, height=15)
        lenses = [
            ellipse(head + complex(sign * 0.17, -0.02) * unit, 0.14 * unit, 0.1 * unit)
            for sign in (-1.0, 1.0)
        ]
        left, right = head - 0.37 * unit, head + 0.37 * unit
        bridge = garments.band([left - 0.05j * unit, right - 0.05j * unit], 0.05 * unit)
        painter.canvas.paint([*lenses, bridge], node, look)
    if HEADBAND in extras:
        look = painter.new_look()
        node = painter.node(look, HEADBAND, height=15)
        path = [head + complex(x, y) * unit for x, y in _BAND]
        painter.canvas.paint([garments.band(path, 0.15 * unit)], node, look, 1)
    if HAT in extras:
        _hat(painter)


def _hat(painter: Painter) -> None:
    head, unit = painter.body.head, painter.body.unit
    look = painter.new_look()
    node = painter.node(look, HAT, height=16)
    kind = painter.stream.below(3)
    crown = [head + complex(x, y) * unit for x, y in _CROWN]
    shapes = [smooth(crown)]
    if kind == 0:
        shapes.append(ellipse(head - 0.26j * unit, 0.82 * unit, 0.13 * unit))
    elif kind == 1:
        side = painter.stream.choice((-0.25, 0.25))
        shapes.append(
            ellipse(head + complex(side, -0.24) * unit, 0.46 * unit, 0.1 * unit)
        )
    painter.canvas.paint(shapes, node, look, 1)
    path = [head + complex(x, -0.34) * unit for x in (-0.46, 0.46)]
    painter.canvas.paint([garments.band(path, 0.1 * unit)], node, look, 0, 30, node)


_BAND = ((-0.44, -0.16), (-0.3, -0.4), (0.0, -0.49), (0.3, -0.4), (0.44, -0.16))
_CROWN = ((-0.46, -0.2), (-0.44, -0.55), (-0.25, -0.8), (0.25, -0.8), (0.44, -0.55))
_CROWN = (*_CROWN, (0.46, -0.2))
