"""The painter of one figure: what it paints on, whom, and with which colours."""

from collections.abc import Sequence

from fashionjax.data.synthetic.appearance import Colour, Look, draw_look, plain_look
from fashionjax.data.synthetic.body import Body
from fashionjax.data.synthetic.canvas import Canvas
from fashionjax.data.synthetic.cuts import Garment, Outfit
from fashionjax.data.synthetic.streams import Stream

_TRAITS = 0x7A17
SKIN_TONES: tuple[Colour, ...] = (
    (244, 212, 190),
    (236, 194, 164),
    (222, 172, 138),
    (200, 148, 112),
    (164, 112, 78),
    (122, 80, 56),
    (86, 56, 42),
)
HAIR_TONES: tuple[Colour, ...] = (
    (22, 18, 18),
    (46, 32, 26),
    (78, 52, 36),
    (120, 82, 52),
    (172, 128, 78),
    (214, 180, 128),
    (140, 62, 34),
    (150, 148, 146),
    (190, 90, 120),
)
HAIR_STYLES = ("long", "long", "bob", "bun", "short", "short", "wavy", "tail", "afro")


class Painter:
    """What all strokes on a figure share: its canvas, pose, outfit and colours.

    Args:
        canvas: Where to paint.
        seed: The photo's seed.
        person: 0 for the main figure, 1 for a passer-by, who gets no instances.
        body: The figure's pose.
        outfit: What it wears.
    """

    def __init__(
        self, canvas: Canvas, seed: int, person: int, body: Body, outfit: Outfit
    ) -> None:
        self.canvas = canvas
        self.body = body
        self.outfit = outfit
        self.annotated = person == 0
        self.seed = seed
        self.stream = Stream(_TRAITS, seed, person)
        self._slot = 1000 * (person + 1)
        self._level = 8
        self.skin_look = self._plain(SKIN_TONES)
        # Wall and ground are a canvas's first nodes.
        self._beside = [colours[0] for colours in canvas.palette[:2]]
        self._beside.append(self.skin_look.colours[0])
        self.glove_look = self.new_look()
        self.bag_look = self.new_look()
        self.bag_node = -1
        self.hair_look = self._plain(HAIR_TONES)
        self.hair_style = self.stream.choice(HAIR_STYLES)
        self.skin = self.node(self.skin_look)
        self.hair = self.node(self.hair_look, height=14)

    def _plain(self, tones: Sequence[Colour]) -> Look:
        tone = self.stream.choice(tones)
        change = self.stream.below(21) - 10
        red, green, blue = (min(250, max(8, c + change)) for c in tone)
        self._slot += 1
        return plain_look(self.seed, self._slot, (red, green, blue))

    def new_look(self) -> Look:
        """Draws the look of the next thing, apart from the figure's main colours."""
        self._slot += 1
        return draw_look(self.seed, self._slot, self._beside)

    def node(
        self, look: Look, category: int = -1, parent: int = -1, height: int = 8
    ) -> int:
        """Adds a thing; on a passer-by it has no category."""
        category = category if self.annotated else -1
        return self.canvas.node(look, category, parent, height)

    def new_garment(self, cut: Garment | None, height: int) -> tuple[Look, int]:
        """Draws the look of a garment, and adds it; -1 where there is none."""
        look = self.new_look()
        if cut is None:
            return look, -1
        self._beside.append(look.colours[0])
        return look, self.node(look, cut.category, height=height)
