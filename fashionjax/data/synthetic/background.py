"""Streets, walls and rooms behind the figures."""

from fashionjax.data.synthetic.appearance import Look, draw_look
from fashionjax.data.synthetic.canvas import Canvas
from fashionjax.data.synthetic.geometry import (
    CANONICAL_HEIGHT,
    CANONICAL_WIDTH,
    Outline,
    box,
    ellipse,
    tube,
)
from fashionjax.data.synthetic.streams import Stream

_PLACE = 0xBAC6


class Backdrop:
    """Paints the surroundings of a photo.

    Args:
        canvas: An empty canvas.
        seed: The photo's seed.
    """

    def __init__(self, canvas: Canvas, seed: int) -> None:
        self.canvas = canvas
        self.seed = seed
        self.stream = Stream(_PLACE, seed)
        self.slot = 0

    def new_look(self) -> Look:
        """Draws the look of the next thing as for garments, but walls have no folds."""
        self.slot += 1
        return draw_look(self.seed, self.slot)._replace(fold_depth=0)

    def add(self, shapes: list[Outline], round_off: int = 0, darker: int = 0) -> None:
        """Paints one thing with a look of its own."""
        look = self.new_look()
        node = self.canvas.node(look)
        self.canvas.paint(shapes, node, look, round_off, darker)

    def paint(self) -> None:
        """Paints wall, ground and the things on them."""
        stream, height = self.stream, self.canvas.size[0]
        wall, ground = self.new_look(), self.new_look()
        horizon = stream.uniform(0.5, 0.93)
        row = int(horizon * height)
        if stream.chance(0.12):  # a studio: one surface
            row = height
        self.canvas.fill_rows(0, row, self.canvas.node(wall), wall)
        self.canvas.fill_rows(row, height, self.canvas.node(ground), ground)
        floor = min(horizon, 1.0) * CANONICAL_HEIGHT
        kinds = (self._windows, self._tree, self._pole, self._car, self._blobs)
        kinds += (self._door, self._slab, self._slab)
        for _ in range(stream.choice((1, 2, 3, 4, 5))):
            stream.choice(kinds)(floor)

    def _x(self) -> float:
        return self.stream.uniform(-12.0, CANONICAL_WIDTH + 12.0)

    def _windows(self, floor: float) -> None:
        stream = self.stream
        left, top = self._x() - 30.0, stream.uniform(-10.0, 60.0)
        wide, high = stream.uniform(14.0, 40.0), stream.uniform(20.0, 60.0)
        shapes = []
        for row in range(1 + stream.below(3)):
            for column in range(1 + stream.below(3)):
                x, y = left + column * wide * 1.3, top + row * high * 1.25
                if y + high < floor:
                    shapes.append(box(x, y, x + wide, y + high))
        if shapes:
            frames = [
                box(s[0].real - 3, s[0].imag - 3, s[2].real + 3, s[2].imag + 3)
                for s in shapes
            ]
            self.add(frames)
            self.add(shapes, darker=stream.below(40))

    def _tree(self, floor: float) -> None:
        stream, x = self.stream, self._x()
        crown = stream.uniform(10.0, floor * 0.6)
        self.add([tube((complex(x, crown), complex(x, floor)), [3.5, 5.0], False)], 1)
        leaves = []
        for _ in range(6):
            dx, dy = stream.uniform(-26.0, 26.0), stream.uniform(-24.0, 20.0)
            size = stream.uniform(12.0, 24.0)
            leaves.append(ellipse(complex(x + dx, crown + dy), size, size * 0.85))
        self.add(leaves)

    def _pole(self, floor: float) -> None:
        x, wide = self._x(), self.stream.uniform(1.5, 9.0)
        self.add([box(x - wide, -5.0, x + wide, floor + 6.0)], 2)

    def _car(self, floor: float) -> None:
        stream, x = self.stream, self._x()
        long, high = stream.uniform(40.0, 80.0), stream.uniform(18.0, 34.0)
        roof = [
            complex(x - long * 0.6, floor - high * 0.9),
            complex(x - long * 0.3, floor - high * 1.7),
            complex(x + long * 0.35, floor - high * 1.7),
            complex(x + long * 0.65, floor - high * 0.9),
        ]
        self.add([roof])
        self.add([box(x - long, floor - high, x + long, floor)])
        wheels = [
            ellipse(complex(x + side * long * 0.6, floor), high * 0.4, high * 0.4)
            for side in (-1.0, 1.0)
        ]
        self.add(wheels, 1, 30)

    def _blobs(self, floor: float) -> None:
        stream = self.stream
        shapes = []
        for _ in range(2 + stream.below(8)):
            size = stream.uniform(3.0, 16.0)
            spot = complex(self._x(), stream.uniform(0.0, floor))
            shapes.append(ellipse(spot, size, size))
        self.add(shapes)

    def _door(self, floor: float) -> None:
        stream, x = self.stream, self._x()
        wide, high = stream.uniform(16.0, 34.0), stream.uniform(90.0, 190.0)
        self.add([box(x - wide - 4, floor - high - 4, x + wide + 4, floor)])
        self.add(
            [box(x - wide, floor - high, x + wide, floor)], darker=stream.below(30)
        )

    def _slab(self, floor: float) -> None:
        """A torn poster, a crate, a hedge: any four-cornered thing."""
        stream = self.stream
        x, y = self._x(), stream.uniform(10.0, CANONICAL_HEIGHT)
        wide, high = stream.uniform(8.0, 45.0), stream.uniform(8.0, 80.0)
        if stream.chance(0.5):
            y = floor - high * 0.8
        corners = box(x - wide, y - high, x + wide, y + high)
        loose = [
            c + complex(stream.uniform(-6.0, 6.0), stream.uniform(-6.0, 6.0))
            for c in corners
        ]
        self.add([loose], stream.below(2))
