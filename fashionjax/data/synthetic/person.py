"""Paints a dressed figure, back to front."""

from collections.abc import Sequence

from fashionjax.data.synthetic import extras, garments, parts
from fashionjax.data.synthetic.appearance import Look
from fashionjax.data.synthetic.body import SIDES
from fashionjax.data.synthetic.cuts import (
    CAPE,
    CARDIGAN,
    COAT,
    DRESS,
    GLOVE,
    JUMPSUIT,
    LEG_WARMER,
    PANTS,
    SHOE,
    SHORTS,
    SKIRT,
    SLEEVE,
    SOCK,
    TIGHTS,
    WATCH,
    Garment,
)
from fashionjax.data.synthetic.geometry import Outline, between, ellipse, smooth, tube
from fashionjax.data.synthetic.painter import Painter

Layer = tuple[Garment | None, int, Look]


class Person(Painter):
    """Puts one figure on the canvas; see `Painter`."""

    def paint_all(self) -> None:
        """Paints the figure."""
        outfit = self.outfit
        coat_look, coat = self.new_garment(outfit.outer, 11)
        inner_look, inner = self.new_garment(outfit.inner, 9)
        bottom_look, bottom = self.new_garment(outfit.bottom, 9)
        extras.umbrella(self)
        self._back_hair()
        self._lining(coat, coat_look)
        layers = ((outfit.inner, inner, inner_look), (outfit.outer, coat, coat_look))
        self._arms(True, layers)
        self._bare()
        self._hosiery_and_shoes()
        tucked = outfit.inner is not None and outfit.inner.tucked
        order = [
            (outfit.inner, inner, inner_look),
            (outfit.bottom, bottom, bottom_look),
        ]
        for cut, node, look in order if tucked else order[::-1]:
            if cut is not None:
                self._garment(cut, node, look)
        extras.belt(self)
        extras.tie(self)
        if outfit.outer is not None:
            self._outer(outfit.outer, coat, coat_look)
        extras.scarf(self)
        extras.carried_strap(self)
        self._arms(False, layers)
        extras.bag(self)
        if outfit.outer is not None and outfit.outer.category == CAPE:
            self._cape(outfit.outer, coat, coat_look)
        self._head()
        extras.headwear(self)

    def _lining(self, node: int, look: Look) -> None:
        """The inside of an open coat, seen behind the legs."""
        cut = self.outfit.outer
        if cut is None or cut.category not in (COAT, CARDIGAN) or cut.hem < 2.2:
            return
        shape = garments.bodice(self.body, cut._replace(neck="round"))
        self.canvas.paint(shape, node, look, darker=46)

    def _bare(self) -> None:
        body, canvas = self.body, self.canvas
        for side in (1 - body.front_leg, body.front_leg):
            bare = [garments.leg(body, side), *garments.shoe(body, side, 0.0)]
            canvas.paint(bare, self.skin, self.skin_look, 2)
        neck = [between(body.head, body.centre(0.0), 0.3), body.centre(0.1)]
        shapes = [garments.torso(body), tube(neck, [0.25 * body.unit] * 2)]
        canvas.paint(shapes, self.skin, self.skin_look, 1)

    def _hosiery_and_shoes(self) -> None:
        body, extras_worn = self.body, self.outfit.extras
        kinds = [k for k in (TIGHTS, SOCK, LEG_WARMER) if k in extras_worn]
        for kind in kinds:
            look = self.new_look()
            both = self.node(look, kind if kind == TIGHTS else -1)
            for side in (1 - body.front_leg, body.front_leg):
                start = 0.0 if kind == TIGHTS else self.outfit.hosiery - 2.0
                node = both if kind == TIGHTS else self.node(look, kind)
                ease = 0.07 if kind == LEG_WARMER else 0.012
                self.canvas.paint(
                    [garments.leg(body, side, ease, start)], node, look, 2
                )
        if SHOE not in extras_worn:
            return
        look = self.new_look()
        lowest = self.outfit.bottom or self.outfit.inner
        wide = lowest is not None and lowest.category in (PANTS, JUMPSUIT)
        boot = 0.0 if wide else self.outfit.boot
        for side in (1 - body.front_leg, body.front_leg):
            node = self.node(look, SHOE, height=9)
            self.canvas.paint(garments.shoe(body, side, boot), node, look, 1)

    def _garment(self, cut: Garment, node: int, look: Look) -> None:
        body, canvas = self.body, self.canvas
        if cut.category == SKIRT:
            canvas.paint([garments.skirt(body, cut)], node, look, 1)
        elif cut.category in (PANTS, SHORTS):
            self._trousers(cut, node, look)
        else:
            if cut.category == JUMPSUIT:
                self._trousers(cut, node, look)
            trunk = (
                cut if cut.category == DRESS else cut._replace(hem=min(cut.hem, 2.3))
            )
            canvas.paint(garments.bodice(body, trunk), node, look, 1)
        parts.finish(self, cut, node, look)

    def _trousers(self, cut: Garment, node: int, look: Look) -> None:
        body = self.body
        far, near = 1 - body.front_leg, body.front_leg
        self.canvas.paint([garments.trouser(body, cut, far)], node, look, 2)
        self.canvas.paint([garments.hips(body, cut.ease)], node, look, 1)
        self.canvas.paint([garments.trouser(body, cut, near)], node, look, 2)

    def _outer(self, cut: Garment, node: int, look: Look) -> None:
        body = self.body
        if cut.category == CAPE:
            return
        if cut.gap == 0.0 or body.back:
            self.canvas.paint(garments.bodice(body, cut), node, look, 1)
        else:
            for side in SIDES:
                self.canvas.paint([garments.panel(body, cut, side)], node, look, 1)
        parts.finish(self, cut, node, look)

    def _cape(self, cut: Garment, node: int, look: Look) -> None:
        body = self.body
        sides = []
        for side in SIDES:
            sign = 1.0 if side else -1.0
            neck = body.centre(0.0) + complex(sign * 0.3, -0.16) * body.unit
            low = body.side(cut.hem, side, 0.5 + cut.flare)
            reach = body.shoulders[side] + complex(sign * 0.34, 0.06) * body.unit
            sides.append([neck, reach, low])
        dip = body.centre(cut.hem) + 0.2j * body.unit
        shape = [*sides[1], dip, *sides[0][::-1]]
        self.canvas.paint([shape], node, look, 1)
        parts.finish(self, cut, node, look)

    def _arms(self, behind: bool, layers: Sequence[Layer]) -> None:
        for side in SIDES:
            if self.body.behind[side] == behind:
                self._arm(side, layers)

    def _arm(self, side: int, layers: Sequence[Layer]) -> None:
        body, canvas, outfit = self.body, self.canvas, self.outfit
        canvas.paint(garments.arm(body, side), self.skin, self.skin_look, 2)
        for cut, parent, look in layers:
            if cut is None or cut.sleeve == 0.0:
                continue
            node = self.node(look, SLEEVE, parent, height=12)
            canvas.paint([garments.sleeve(body, cut, side)], node, look, 2)
            parts.cuff(self, cut, side, node, look)
        if GLOVE in outfit.extras:
            look = self.glove_look
            node = self.node(look, GLOVE, height=12)
            canvas.paint([garments.hand(body, side)], node, look, 1)
        elif WATCH in outfit.extras and side == 1:
            extras.watch(self)

    def _back_hair(self) -> None:
        body, unit = self.body, self.body.unit
        self.hair_length = {"long": 1.5, "wavy": 1.25, "bob": 0.62}.get(
            self.hair_style, 0.0
        ) * self.stream.uniform(0.75, 1.25)
        if self.hair_length == 0.0 or body.back:
            return
        low = body.head + complex(0.0, self.hair_length) * unit
        wide = 0.56 if self.hair_style == "wavy" else 0.47
        shape = [
            body.head + complex(-0.42, -0.2) * unit,
            body.head + complex(0.42, -0.2) * unit,
            low + complex(wide, 0.0) * unit,
            low + complex(0.0, 0.1) * unit,
            low + complex(-wide, 0.0) * unit,
        ]
        self.canvas.paint([smooth(shape)], self.hair, self.hair_look, 1)

    def _head(self) -> None:
        body, unit, canvas = self.body, self.body.unit, self.canvas
        head, wide = body.head, 0.37 * unit
        face = [ellipse(head - 0.05j * unit, wide, 0.44 * unit)]
        jaw = [head + complex(x, y) * unit for x, y in _JAW]
        canvas.paint([*face, smooth(jaw)], self.skin, self.skin_look, 1)
        if not body.back:
            extras.face(self)
        canvas.paint(self._front_hair(), self.hair, self.hair_look, 1)

    def _front_hair(self) -> list[Outline]:
        body, unit, style = self.body, self.body.unit, self.hair_style
        head = body.head
        if body.back:
            shapes = [ellipse(head - 0.08j * unit, 0.42 * unit, 0.48 * unit)]
            if self.hair_length > 0.0:
                low = head + complex(0.0, self.hair_length) * unit
                shapes.append(tube((head, low), [0.42 * unit, 0.46 * unit]))
            return shapes
        part = self.stream.uniform(-0.2, 0.2)
        cap = [head + complex(x, y) * unit for x, y in _CAP]
        cap += [head + complex(0.3, -0.12) * unit, head + complex(part, -0.3) * unit]
        cap += [head + complex(-0.3, -0.12) * unit]
        shapes = [smooth(cap)]
        if style == "bun":
            shapes.append(ellipse(head - 0.6j * unit, 0.2 * unit, 0.18 * unit))
        if style == "afro":
            for x in (-0.4, -0.2, 0.0, 0.2, 0.4):
                lift = 0.42 - 0.5 * x * x * 2.0
                spot = head + complex(x, -lift) * unit
                shapes.append(ellipse(spot, 0.25 * unit, 0.24 * unit))
        if self.hair_length > 0.0:
            long = 0.45 + self.stream.uniform(0.0, 0.6) * self.hair_length
            for sign in (-1.0, 1.0):
                top = head + complex(sign * 0.37, -0.2) * unit
                low = head + complex(sign * 0.46, long) * unit
                shapes.append(tube((top, low), [0.08 * unit, 0.1 * unit]))
        return shapes


_JAW = ((-0.36, -0.05), (0.36, -0.05), (0.33, 0.24), (0.13, 0.48), (-0.13, 0.48))
_JAW = (*_JAW, (-0.33, 0.24))
_CAP = ((-0.4, 0.06), (-0.44, -0.2), (-0.3, -0.5), (0.0, -0.58), (0.3, -0.5))
_CAP = (*_CAP, (0.44, -0.2), (0.4, 0.06))
