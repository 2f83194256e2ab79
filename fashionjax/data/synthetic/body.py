"""A standing or walking figure: joints, widths and pose.

Lengths count in heads (`Body.unit` canonical pixels); a figure is about 7.5 heads
high. Side 0 is the left of the photo, side 1 its right.
"""

from typing import NamedTuple

from fashionjax.data.synthetic.geometry import between, direction
from fashionjax.data.synthetic.streams import Stream

_POSE = 0xB0D7
SIDES = (0, 1)

# Upper arm and forearm: degrees from straight down, positive away from the body;
# the forearm's apparent length; whether the arm goes behind the back.
_ARMS: dict[str, tuple[tuple[float, float], tuple[float, float], float, bool]] = {
    "down": ((6.0, 18.0), (-4.0, 12.0), 1.0, False),
    "away": ((20.0, 38.0), (8.0, 34.0), 1.0, False),
    "akimbo": ((36.0, 50.0), (-62.0, -44.0), 0.92, False),
    "pocket": ((20.0, 30.0), (-26.0, -14.0), 0.9, False),
    "belly": ((10.0, 22.0), (-105.0, -78.0), 0.75, False),
    "chest": ((12.0, 24.0), (-150.0, -128.0), 0.9, False),
    "behind": ((14.0, 24.0), (-40.0, -22.0), 0.85, True),
    "hair": ((80.0, 125.0), (190.0, 215.0), 0.95, False),
    "wave": ((30.0, 60.0), (150.0, 178.0), 1.0, False),
}
_ARM_WEIGHTS = {
    "down": 0.5,
    "away": 0.2,
    "akimbo": 0.11,
    "pocket": 0.06,
    "belly": 0.04,
    "chest": 0.02,
    "behind": 0.03,
    "hair": 0.02,
    "wave": 0.02,
}
_LEGS = {"stand": 0.45, "walk": 0.25, "wide": 0.16, "crossed": 0.14}


class Body(NamedTuple):
    """Joints in canonical pixels; pairs are (side 0, side 1).

    Attributes:
        unit: One head in canonical pixels.
        back: Whether the figure is seen from behind.
        head: Centre of the head.
        spine: Centres of the body at level 0 (shoulders), 1 (waist), 2 (hips),
            3 (knees) and 4 (ankles).
        halves: Half widths in heads at level 0, 0.4 (chest), 1, 2.
        shoulders: The shoulder joints; elbows, wrists, hips, knees and ankles alike.
        behind: Whether the arm passes behind the back.
        front_leg: The side whose leg is nearer.
        limb: Thickness of limbs, about 1.
    """

    unit: float
    back: bool
    head: complex
    spine: tuple[complex, ...]
    halves: tuple[float, float, float, float]
    shoulders: tuple[complex, complex]
    elbows: tuple[complex, complex]
    wrists: tuple[complex, complex]
    hips: tuple[complex, complex]
    knees: tuple[complex, complex]
    ankles: tuple[complex, complex]
    behind: tuple[bool, bool]
    front_leg: int
    limb: float

    def centre(self, level: float) -> complex:
        """Returns the middle of the body at a level between 0 and 4."""
        step = min(int(level), 3)
        return between(self.spine[step], self.spine[step + 1], level - step)

    def half(self, level: float) -> float:
        """Returns the half width of the body at a level, in canonical pixels."""
        stops = (0.0, 0.4, 1.0, 2.0)
        for left in range(3):
            if level < stops[left + 1]:
                share = (level - stops[left]) / (stops[left + 1] - stops[left])
                low, high = self.halves[left], self.halves[left + 1]
                return self.unit * (low + (high - low) * share)
        return self.unit * self.halves[3]

    def across(self, level: float) -> complex:
        """Returns the unit vector from side 0 to side 1 at a level."""
        tilt_top = self.shoulders[1] - self.shoulders[0]
        tilt_low = self.hips[1] - self.hips[0]
        share = min(level, 2.0) / 2.0
        top, low = tilt_top.imag / tilt_top.real, tilt_low.imag / tilt_low.real
        return complex(1.0, top + (low - top) * share if level < 2.6 else 0.0)

    def side(self, level: float, side: int, ease: float = 0.0) -> complex:
        """Returns a point on the silhouette.

        Args:
            level: 0 (shoulders) to 4 (ankles).
            side: 0 for the left of the photo, 1 for its right.
            ease: Heads that cloth stands off the body.
        """
        sign = 1.0 if side else -1.0
        width = self.half(level) + ease * self.unit
        return self.centre(level) + self.across(level) * (sign * width)


def _legs(
    stream: Stream, hips: tuple[complex, complex], unit: float
) -> tuple[tuple[complex, complex], tuple[complex, complex]]:
    stance = stream.weighted(_LEGS)
    spread = {"stand": 5.0, "walk": 2.0, "wide": 13.0, "crossed": -5.0}[stance]
    bent = stream.below(2)
    knees, ankles = [], []
    for side in SIDES:
        sign = 1.0 if side else -1.0
        thigh = spread + stream.uniform(-2.5, 4.0)
        shin = thigh * 0.4 + stream.uniform(-4.0, 2.0)
        long = 1.55
        if stance == "walk":
            thigh += 9.0 if side == bent else -2.0
            shin += -16.0 if side == bent else 2.0
            long *= 0.84 if side == bent else 1.02
        elif stance == "crossed" and side == bent:
            shin -= 9.0
        knee = hips[side] + direction(sign * thigh) * (1.9 * unit)
        knees.append(knee)
        ankles.append(knee + direction(sign * shin) * (long * unit))
    return (knees[0], knees[1]), (ankles[0], ankles[1])


def _arm(
    stream: Stream, shoulder: complex, sign: float, unit: float
) -> tuple[complex, complex, bool]:
    upper, lower, length, behind = _ARMS[stream.weighted(_ARM_WEIGHTS)]
    elbow = shoulder + direction(sign * stream.uniform(*upper)) * (1.42 * unit)
    forearm = direction(sign * stream.uniform(*lower)) * (1.2 * length * unit)
    return elbow, elbow + forearm, behind


def draw_body(seed: int, person: int, unit: float, top: complex, back: bool) -> Body:
    """Draws the pose and the proportions of a figure.

    Args:
        seed: The photo's seed.
        person: 0 for the main figure, 1 for a passer-by.
        unit: One head in canonical pixels.
        top: The crown of the head.
        back: Whether it is seen from behind.

    Returns:
        The body.
    """
    stream = Stream(_POSE, seed, person)
    wide = stream.uniform(1.1, 1.35)
    turned = stream.uniform(0.84, 1.0)
    lean, sway = stream.uniform(-0.16, 0.16), stream.uniform(-0.14, 0.14)
    tilt = stream.uniform(-0.07, 0.07)
    head = top + complex(stream.uniform(-0.08, 0.08), 0.52) * unit
    shoulder = top + complex(lean, 1.52) * unit
    waist = shoulder + complex(-sway * 0.6, 1.3) * unit
    hip = waist + complex(sway, 0.95) * unit
    halves = (
        stream.uniform(0.7, 0.86) * wide * turned,
        stream.uniform(0.57, 0.67) * wide * turned,
        stream.uniform(0.48, 0.6) * wide * turned,
        stream.uniform(0.66, 0.78) * wide * turned,
    )
    reach = complex(halves[0] - 0.1, tilt) * unit
    spread = complex(halves[3] * 0.52, -tilt) * unit
    shoulders = (shoulder - reach, shoulder + reach)
    hips = (hip - spread, hip + spread)
    knees, ankles = _legs(stream, hips, unit)
    left = _arm(stream, shoulders[0], -1.0, unit)
    right = _arm(stream, shoulders[1], 1.0, unit)
    below = [between(pair[0], pair[1], 0.5) for pair in (knees, ankles)]
    return Body(
        unit=unit,
        back=back,
        head=head,
        spine=(shoulder, waist, hip, *below),
        halves=halves,
        shoulders=shoulders,
        elbows=(left[0], right[0]),
        wrists=(left[1], right[1]),
        hips=hips,
        knees=knees,
        ankles=ankles,
        behind=(left[2], right[2]),
        front_leg=stream.below(2),
        limb=stream.uniform(1.0, 1.2),
    )
