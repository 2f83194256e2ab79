"""One look for all figures, light and dark; matplotlib without global state."""

import dataclasses
import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Theme:
    """Colours of a figure, the same as the page's.

    Attributes:
        suffix: What the files of this theme carry in their names.
        surface: Background of the figure.
        ink: Titles and numbers.
        muted: Axis labels and ticks.
        grid: Lines of the grid and frames.
        accent: End of the colour scale of matrices.
        series: Colours of curves, in order.
    """

    suffix: str
    surface: str
    ink: str
    muted: str
    grid: str
    accent: str
    series: tuple[str, ...]


LIGHT = Theme(
    suffix="",
    surface="#ffffff",
    ink="#18181b",
    muted="#5f5f6b",
    grid="#e7e7ea",
    accent="#1e3a8a",
    series=(
        "#2563eb",
        "#d97706",
        "#0d9488",
        "#9333ea",
        "#e11d48",
        "#65a30d",
        "#78716c",
    ),
)
DARK = Theme(
    suffix="-dark",
    surface="#1b1b1f",
    ink="#f4f4f5",
    muted="#a9a9b3",
    grid="#34343a",
    accent="#93b4ff",
    series=(
        "#6ea0ff",
        "#f5a742",
        "#3ec9b8",
        "#c084fc",
        "#fb7185",
        "#a3d65c",
        "#b8b0a8",
    ),
)
THEMES = (LIGHT, DARK)


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """Makes an empty figure.

    Args:
        width: In inches; text is 9 to 11 points.
        height: In inches.
        theme: Its colours.
    """
    figure = Figure(
        figsize=(width, height), facecolor=theme.surface, layout="constrained"
    )
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes, theme: Theme) -> None:
    """Leaves of the frame the lower line alone and colours the rest as the theme."""
    axes.set_facecolor(theme.surface)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.grid)
    axes.tick_params(colors=theme.muted, labelsize=9, length=0, pad=5)
    axes.grid(axis="y", color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)


def save(figure: Figure, folder: Path, name: str, theme: Theme) -> None:
    """Writes `NAME.png`, or `NAME-dark.png`, at 160 dots an inch."""
    (folder / f"{name}{theme.suffix}.png").write_bytes(to_png(figure))


def to_png(figure: Figure) -> bytes:
    """Returns a figure as a PNG file of 160 dots an inch."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=160)
    return file.getvalue()
