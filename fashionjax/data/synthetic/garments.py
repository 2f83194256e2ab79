"""The outlines of garments and of the bare body, in canonical pixels."""

from fashionjax.data.synthetic.body import SIDES, Body
from fashionjax.data.synthetic.cuts import Garment
from fashionjax.data.synthetic.geometry import (
    Outline,
    between,
    smooth,
    tube,
)

# Half width and depth of the opening in heads, by shape of the neckline.
_NECKS = {
    "crew": (0.3, 0.1),
    "round": (0.36, 0.3),
    "v": (0.32, 0.55),
    "deep": (0.36, 0.95),
    "boat": (0.58, 0.08),
    "square": (0.42, 0.36),
    "high": (0.27, -0.3),
    "straps": (0.46, 0.52),
    "straight": (0.7, 0.6),
}


def limb(body: Body, joints: tuple[complex, ...], radii: tuple[float, ...]) -> Outline:
    """Outlines a limb whose radii count in heads."""
    return tube(joints, [r * body.unit * body.limb for r in radii])


def arm(body: Body, side: int) -> list[Outline]:
    """Outlines a bare arm with its hand."""
    shoulder, elbow = body.shoulders[side], body.elbows[side]
    wrist = body.wrists[side]
    near, far = between(elbow, shoulder, 0.16), between(elbow, wrist, 0.16)
    tip = wrist + (wrist - elbow) * 0.42
    return [
        limb(body, (wrist, far, near, shoulder), (0.1, 0.15, 0.16, 0.2)),
        limb(body, (wrist, between(wrist, tip, 0.5), tip), (0.1, 0.15, 0.07)),
    ]


def hand(body: Body, side: int) -> Outline:
    """Outlines a hand and the wrist, for gloves."""
    elbow, wrist = body.elbows[side], body.wrists[side]
    tip = wrist + (wrist - elbow) * 0.42
    start = between(elbow, wrist, 0.88)
    middle = between(wrist, tip, 0.5)
    return limb(body, (start, wrist, middle, tip), (0.15, 0.13, 0.17, 0.1))


def leg(body: Body, side: int, ease: float = 0.0, start: float = 0.0) -> Outline:
    """Outlines a leg from the hip, or from `start` (0..2: hip, knee, ankle) down."""
    joints = (body.hips[side], body.knees[side], body.ankles[side])
    radii = (0.36, 0.215, 0.125)
    path, width = list(joints), list(radii)
    calf = between(joints[1], joints[2], 0.32)
    path.insert(2, calf)
    width.insert(2, 0.205)
    if start > 0.0:
        whole = min(int(start), 1)
        first = between(joints[whole], joints[whole + 1], start - whole)
        low, high = radii[whole], radii[whole + 1]
        keep = 1 if whole == 0 else (2 if start < 1.3 else 3)
        path = [first, *path[keep:]]
        width = [low + (high - low) * (start - whole), *width[keep:]]
    return tube(path, [(r * body.limb + ease) * body.unit for r in width], False)


def torso(body: Body) -> Outline:
    """Outlines the bare trunk from the shoulders to the crotch."""
    points = [_neck_point(body, side, 0.24, 0.12) for side in SIDES]
    crotch = body.centre(2.0) + 0.34j * body.unit
    right = [body.side(level, 1, -0.02) for level in (0.1, 0.4, 1.0, 1.6, 2.0)]
    left = [body.side(level, 0, -0.02) for level in (2.0, 1.6, 1.0, 0.4, 0.1)]
    return smooth([*points, *right, crotch, *left])


def _neck_point(body: Body, side: int, width: float, up: float) -> complex:
    sign = 1.0 if side else -1.0
    return body.centre(0.0) + complex(sign * width, -up) * body.unit


def neckline(body: Body, neck: str) -> Outline:
    """Lays out the opening from the left neck point to the right one."""
    width, depth = _NECKS[neck]
    if body.back and neck != "high":
        depth = 0.06 if neck not in ("straight", "straps") else 0.5
    unit, centre = body.unit, body.centre(0.0)
    up = 0.16 - 0.22 * max(0.0, width - 0.3)
    low = centre + complex(0.0, depth) * unit
    left, right = (_neck_point(body, side, width, up) for side in SIDES)
    if neck == "straight":
        left, right = (body.side(0.42, side) for side in SIDES)
        return [left, centre + complex(0.0, depth + 0.06) * unit, right]
    if neck == "straps":
        side = 0.42 * unit
        return [low - side - 0.1j * unit, low + 0.08j * unit, low + side - 0.1j * unit]
    if neck in ("v", "deep"):
        return [left, low, right]
    if neck == "square":
        inner = width * 0.86 * unit
        return [left, low - inner, low + inner, right]
    if neck == "high":
        return [left + 0.04j * unit, low - 0.22 * unit, low + 0.22 * unit, right]
    curve = 0.72 * width * unit
    lift = -0.28j * (depth + 0.1) * unit
    return [left, low - curve + lift, low, low + curve + lift, right]


def _flank(body: Body, cut: Garment, side: int) -> Outline:
    """One edge of a garment, from the armpit down to the hem."""
    levels = [level for level in (0.75, 1.0, 1.5, 2.0) if level < cut.hem - 0.06]
    points = [body.side(0.36, side, cut.ease)]
    points += [body.side(level, side, cut.ease) for level in levels]
    spread = cut.ease + cut.flare * min(1.0, max(0.0, cut.hem - 1.2))
    if cut.hem > 2.3:
        middle = (2.0 + cut.hem) / 2.0
        half = (cut.ease + spread) / 2.0
        points.append(body.side(middle, side, half + 0.03))
    points.append(body.side(cut.hem, side, spread))
    return points


def _yoke(body: Body, cut: Garment, side: int) -> Outline:
    """The shoulder of a garment, from its outer end to the armpit."""
    if cut.neck in ("straight", "straps"):
        return [body.side(0.4, side, cut.ease)]
    sign = 1.0 if side else -1.0
    unit, joint = body.unit, body.shoulders[side]
    if cut.sleeve == 0.0:
        inner = joint + complex(-sign * 0.06, -0.16) * unit
        return [inner, body.side(0.22, side, -0.06), body.side(0.36, side, cut.ease)]
    rise = joint + complex(-sign * 0.04, -0.2 - 0.4 * cut.ease) * unit
    tip = joint + complex(sign * (0.13 + 0.5 * cut.ease), -0.03) * unit
    return [rise, tip, body.side(0.34, side, cut.ease)]


def bodice(body: Body, cut: Garment) -> list[Outline]:
    """Outlines the trunk of a top, dress or closed jacket, without the sleeves."""
    opening = neckline(body, cut.neck)
    right = _yoke(body, cut, 1) + _flank(body, cut, 1)
    left = _yoke(body, cut, 0) + _flank(body, cut, 0)
    dip = (right[-1] + left[-1]) * 0.5 + 0.07j * body.unit
    outline = [*right, dip, *left[::-1], *opening]
    if cut.neck != "straps":
        return [outline]
    straps = []
    for side, point in ((0, opening[0]), (1, opening[-1])):
        top = _neck_point(body, side, 0.5, 0.08)
        straps.append(tube((top, point + 0.1j * body.unit), [0.06 * body.unit] * 2))
    return [outline, *straps]


def panel(body: Body, cut: Garment, side: int) -> Outline:
    """Outlines one half of an open jacket."""
    sign = 1.0 if side else -1.0
    unit = body.unit
    neck = _neck_point(body, side, 0.3, 0.17)
    flank = _yoke(body, cut, side) + _flank(body, cut, side)
    inner = body.centre(cut.hem) + complex(sign * cut.gap * 1.3, 0.05) * unit
    chest = body.centre(0.55) + sign * max(cut.gap, 0.03) * unit
    return [neck, *flank, inner, chest]


def lapel(body: Body, cut: Garment, side: int) -> Outline:
    """Outlines a turned-back lapel on the inner edge of a half."""
    sign = 1.0 if side else -1.0
    unit = body.unit
    top = _neck_point(body, side, 0.26, 0.1)
    low = body.centre(0.75) + sign * max(cut.gap, 0.03) * unit
    peak = between(top, low, 0.38) + complex(sign * 0.38, -0.06) * unit
    notch = between(top, low, 0.2) + complex(sign * 0.22, 0.0) * unit
    return [top, notch, peak, low]


def collar(body: Body, side: int) -> Outline:
    """Outlines one half of a turned-down collar."""
    sign = 1.0 if side else -1.0
    unit = body.unit
    back = _neck_point(body, side, 0.25, 0.3)
    outer = _neck_point(body, side, 0.42, 0.06)
    tip = body.centre(0.0) + complex(sign * 0.24, 0.3) * unit
    front = body.centre(0.0) + complex(sign * 0.03, 0.12) * unit
    return [back, outer, tip, front]


def sleeve(body: Body, cut: Garment, side: int) -> Outline:
    """Outlines a sleeve."""
    shoulder, elbow = body.shoulders[side], body.elbows[side]
    wrist = body.wrists[side]
    sign = 1.0 if side else -1.0
    start = shoulder + complex(-sign * 0.05, 0.06) * body.unit
    loose = 0.03 + cut.ease * 0.55
    radii = [0.2 + loose, 0.155 + loose, 0.115 + loose]
    reach = cut.sleeve * 2.0
    if reach <= 1.0:
        end = between(shoulder, elbow, max(reach, 0.3))
        path, widths = [end, start], [radii[0] * 1.02, radii[0]]
    else:
        end = between(elbow, wrist, reach - 1.0)
        near, far = between(elbow, start, 0.2), between(elbow, end, 0.2)
        path = [end, far, near, start]
        widths = [radii[2], radii[1], radii[1] + 0.01, radii[0]]
    return tube(path, [w * body.limb * body.unit for w in widths])


def skirt(body: Body, cut: Garment) -> Outline:
    """Outlines a skirt from the waist to its hem."""
    top = 1.02
    sides = []
    for side in SIDES:
        spread = cut.ease + cut.flare
        middle = (2.0 + cut.hem) / 2.0
        sides.append(
            [
                body.side(top, side, 0.03),
                body.side(1.5, side, cut.ease * 0.8 + 0.02),
                body.side(2.0, side, cut.ease + 0.3 * cut.flare),
                body.side(middle, side, (cut.ease + spread) / 2.0 + 0.1 * cut.flare),
                body.side(cut.hem, side, spread),
            ]
        )
    dip = (sides[0][-1] + sides[1][-1]) * 0.5 + 0.08j * body.unit
    return [*sides[1], dip, *sides[0][::-1]]


def hips(body: Body, ease: float) -> Outline:
    """Outlines the upper part of pants and shorts, from the waist to the crotch."""
    crotch = body.centre(2.0) + 0.42j * body.unit
    right = [body.side(level, 1, ease + 0.02) for level in (1.04, 1.5, 2.0)]
    left = [body.side(level, 0, ease + 0.02) for level in (2.0, 1.5, 1.04)]
    low = 0.3j * body.unit
    return [*right, right[-1] + low, crotch, left[0] + low, *left]


def trouser(body: Body, cut: Garment, side: int) -> Outline:
    """Outlines one leg of pants or shorts."""
    hip, knee, ankle = body.hips[side], body.knees[side], body.ankles[side]
    unit, thick = body.unit, body.limb
    if cut.hem <= 3.0:
        end = between(hip, knee, cut.hem - 2.0)
        widths = (0.4 * thick + cut.ease, 0.33 * thick + cut.ease + cut.flare)
        return tube((hip, end), [w * unit for w in widths], False)
    end = between(knee, ankle, min(cut.hem - 3.0, 1.0))
    widths = (
        0.39 * thick + cut.ease,
        0.26 * thick + cut.ease,
        0.17 * thick + cut.ease + cut.flare,
    )
    return tube((hip, knee, end), [w * unit for w in widths], False)


def shoe(body: Body, side: int, boot: float) -> list[Outline]:
    """Outlines a shoe seen from the front, with a shaft `boot` heads high."""
    unit, ankle, knee = body.unit, body.ankles[side], body.knees[side]
    sign = 1.0 if side else -1.0
    toe = ankle + complex(sign * 0.2, 0.42) * unit
    foot = tube((ankle + 0.02j * unit, toe), [0.17 * unit, 0.21 * unit])
    if boot <= 0.0:
        return [foot]
    shin = ankle - knee
    top = ankle - shin * (boot / 1.55)
    return [foot, tube((top, ankle), [0.23 * unit * body.limb, 0.17 * unit], False)]


def band(path: Outline, width: float) -> Outline:
    """Outlines a band of the given width, in canonical pixels, along a path."""
    return tube(path, [width / 2.0] * len(path), False)


def pocket(body: Body, level: float, side: int, out: float) -> Outline:
    """Outlines a patch pocket on the front of a garment."""
    sign = 1.0 if side else -1.0
    unit = body.unit
    centre = body.centre(level) + complex(sign * out, 0.0) * unit
    half = 0.15 * unit
    corners = (-half - 0.8j * half, half - 0.8j * half, half + 0.7j * half)
    return [*(centre + c for c in corners), centre + 1.1j * half, centre - half]


def shoulder_strap(body: Body, side: int) -> Outline:
    """Outlines an epaulette."""
    sign = 1.0 if side else -1.0
    start = body.shoulders[side] + complex(sign * 0.08, -0.2) * body.unit
    end = start + complex(-sign * 0.34, -0.02) * body.unit
    return band([start, end], 0.13 * body.unit)
