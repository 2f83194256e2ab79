"""The cuts of garments and what a figure wears, without any colour."""

from typing import NamedTuple

SHIRT, TOP, SWEATER, CARDIGAN, JACKET, VEST, PANTS, SHORTS = range(8)
SKIRT, COAT, DRESS, JUMPSUIT, CAPE, GLASSES, HAT, HEADBAND = range(8, 16)
TIE, GLOVE, WATCH, BELT, LEG_WARMER, TIGHTS, SOCK, SHOE = range(16, 24)
BAG, SCARF, UMBRELLA, HOOD, COLLAR, LAPEL, EPAULETTE, SLEEVE = range(24, 32)
POCKET, NECKLINE, BUCKLE, ZIPPER, APPLIQUE, BEAD, BOW, FLOWER = range(32, 40)
FRINGE, RIBBON, RIVET, RUFFLE, SEQUIN, TASSEL = range(40, 46)


class Garment(NamedTuple):
    """The cut of a garment.

    Attributes:
        category: Fashionpedia id.
        sleeve: Share of the arm that the sleeve covers; 0 for none.
        neck: Shape of the opening: crew, round, v, deep, boat, square, straight
            (no straps), straps, high (turtleneck).
        hem: Level of the lower edge (see `Body.spine`).
        ease: Heads that the cloth stands off the body.
        flare: Heads that the hem is wider than the hips on each side.
        gap: Half width of an open front in heads; 0 for a closed one.
        collar: none, shirt, lapel or hood.
        parts: Ids of trims and pockets on it.
        tucked: Whether the lower edge lies under the bottoms.
    """

    category: int
    sleeve: float = 0.0
    neck: str = "round"
    hem: float = 2.0
    ease: float = 0.05
    flare: float = 0.0
    gap: float = 0.0
    collar: str = "none"
    parts: tuple[int, ...] = ()
    tucked: bool = False

    @property
    def categories(self) -> set[int]:
        """The garment's own id and those of its parts."""
        found = {self.category, *self.parts}
        if self.sleeve > 0.0:
            found.add(SLEEVE)
        if self.collar == "none":
            if self.category not in (SKIRT, PANTS, SHORTS, CAPE):
                found.add(NECKLINE)
        else:
            found |= {
                "shirt": {COLLAR},
                "lapel": {COLLAR, LAPEL},
                "hood": {HOOD},
            }[self.collar]
        return found


class Outfit(NamedTuple):
    """Everything that a figure wears and carries.

    Attributes:
        inner: Dress, jumpsuit or top; None under a closed jacket.
        bottom: Pants, shorts or skirt, or None.
        outer: Jacket, coat, cardigan, vest or cape, or None.
        extras: Ids of accessories.
        hosiery: Level where tights, socks or leg warmers end at the top.
        boot: Heads that the shoe's shaft rises above the ankle.
        bag: hand, shoulder or cross.
        back: Whether the figure is seen from behind.
    """

    inner: Garment | None
    bottom: Garment | None
    outer: Garment | None
    extras: frozenset[int]
    hosiery: float
    boot: float
    bag: str
    back: bool

    @property
    def categories(self) -> frozenset[int]:
        """The ids of everything worn, parts included."""
        found = set(self.extras)
        for garment in (self.inner, self.bottom, self.outer):
            if garment is not None:
                found |= garment.categories
        return frozenset(found)
