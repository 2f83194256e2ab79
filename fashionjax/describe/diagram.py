"""A model's graph as an SVG picture, readable on light and dark pages."""

import itertools
import math
from html import escape

from fashionjax.describe.graph import INPUT, Graph, Part

_COLUMN, _ROW = 104, 66
_WIDTH, _HEIGHT = 84, 44
_MARGIN = 34

_STYLE = """
text { font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #18181b;
  text-anchor: middle; }
.level, .shape { fill: #5f5f6b; font-size: 10px; }
.level { text-anchor: start; }
rect { stroke: #8a8a96; fill: #1e3a8a; }
rect.paper { stroke: none; fill: #ffffff; }
path { fill: none; stroke: #8a8a96; stroke-width: 1.2; marker-end: url(#tip); }
marker path { fill: #8a8a96; stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #f4f4f5; } .level, .shape { fill: #a1a1aa; } rect { fill: #93b4ff; }
  rect.paper { fill: #18181b; }
}
"""


def draw_diagram(graph: Graph) -> str:
    """Draws parts from left to right, the finest maps at the top.

    Each box names its part, its channels and map size; the more of the model's
    arithmetic a part does, the darker it is.

    Args:
        graph: A model.

    Returns:
        The SVG file's text.
    """
    rows = {name: _row(part, graph.size) for name, part in graph.parts.items()}
    depth = 1 + max(rows.values())
    # Values without place stand below all maps, one in a row.
    below = itertools.count(depth)
    rows = {name: next(below) if row < 0 else row for name, row in rows.items()}
    columns = _columns(graph, rows)
    most = max(part.flops for part in graph.parts.values())
    width = _MARGIN * 2 + _COLUMN * (1 + max(columns.values())) - (_COLUMN - _WIDTH)
    height = _MARGIN * 2 + _ROW * (1 + max(rows.values())) - (_ROW - _HEIGHT)
    place = {
        name: (_MARGIN + _COLUMN * columns[name], _MARGIN + _ROW * rows[name])
        for name in graph.parts
    }
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6"'
        ' markerHeight="6" orient="auto"><path d="M0 0 6 3 0 6z"/></marker></defs>',
    ]
    for row in sorted(set(rows.values())):
        if row >= depth:
            break
        y = _MARGIN + _ROW * row - 8
        lines.append(f'<text class="level" x="2" y="{y}">1/{2**row}</text>')
    boxes = set(place.values())
    for name, part in graph.parts.items():
        for source in sorted(part.sources):
            lines.append(_edge(place[source], place[name], boxes))
    for name, part in graph.parts.items():
        lines.append(_box(part, place[name], part.flops / most))
    return "\n".join([*lines, "</svg>", ""])


def _row(part: Part, size: tuple[int, int]) -> int:
    """How often a map's size is halved; -1 for vectors and lists of vectors."""
    if len(part.shape) < 3 or 1 in part.shape[:2]:
        return -1
    return max(0, round(math.log2(size[0] / part.shape[0])))


def _columns(graph: Graph, rows: dict[str, int]) -> dict[str, int]:
    """Right of all sources, each place taken once."""
    columns: dict[str, int] = {}
    taken = set()
    for name, part in graph.parts.items():
        column = 1 + max((columns.get(s, -1) for s in part.sources), default=-1)
        while (column, rows[name]) in taken:
            column += 1
        taken.add((column, rows[name]))
        columns[name] = column
    return columns


def _edge(
    start: tuple[int, int], end: tuple[int, int], boxes: set[tuple[int, int]]
) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT // 2
    x2, y2 = end[0], end[1] + _HEIGHT // 2
    blocked = any(y == start[1] and start[0] < x < end[0] for x, y in boxes)
    if y1 == y2 and not blocked:
        return f'<path d="M{x1} {y1}H{x2}"/>'
    if y1 == y2:
        # Over the boxes between.
        top = start[1] - 10
        return (
            f'<path d="M{x1} {y1}C{x1 + 14} {top} {x1 + 8} {top} {x1 + 24} {top}'
            f'H{x2 - 24}C{x2 - 8} {top} {x2 - 14} {y2} {x2} {y2}"/>'
        )
    # Along the source's row, or above it where it is taken; then a bend.
    bend = max(x1, x2 - (_COLUMN - _WIDTH) - 14)
    middle = (bend + x2) // 2
    path = f"M{x1} {y1}"
    if blocked:
        y1 = start[1] - 10
        path += f"C{x1 + 14} {y1} {x1 + 8} {y1} {x1 + 24} {y1}"
    return f'<path d="{path}H{bend}C{middle} {y1} {middle} {y2} {x2} {y2}"/>'


def _box(part: Part, place: tuple[int, int], share: float) -> str:
    x, y = place
    centre = x + _WIDTH // 2
    *size, channels = part.shape
    shape = "×".join(map(str, size)) if len(size) == 2 else f"{math.prod(part.shape)}"
    detail = f"{channels} · {shape}" if len(size) == 2 else f"{shape} values"
    opacity = 0 if part.name == INPUT else 0.06 + 0.5 * share
    name = escape(part.name.removeprefix("encoder/"))
    title = f"{escape(part.name)}: {part.flops / 1e9:.3g} GFLOP"
    return (
        f"<g><title>{title}</title>"
        f'<rect class="paper" x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}"'
        ' rx="6"/>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"'
        f' fill-opacity="{opacity:.2f}"/>'
        f'<text x="{centre}" y="{y + 18}">{name}</text>'
        f'<text class="shape" x="{centre}" y="{y + 33}">{detail}</text></g>'
    )
