"""Figures of the sizes of images."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fashionjax.report.theme import DARK, LIGHT, Theme, new_figure, style_axes, to_png

SIZE = (5.6, 4.2)
"""Width and height in inches."""

_RATIOS = {"1:1": 1.0, "3:2": 1.5, "2:3": 2 / 3}


def size_scatter(sizes: Int64[np.ndarray, "images 2"]) -> dict[str, bytes]:
    """Draws heights over widths, sizes that are common as bigger dots.

    Args:
        sizes: (height, width) of each image.

    Returns:
        PNG files by the suffix of their theme.
    """
    unique, counts = np.unique(sizes, axis=0, return_counts=True)
    area = 14 + 300 * (counts - 1) / len(sizes)

    def draw(axes: Axes, theme: Theme) -> None:
        axes.grid(axis="x", color=theme.grid, linewidth=0.8)
        axes.scatter(
            unique[:, 1], unique[:, 0], s=area, color=theme.series[0], alpha=0.45,
            linewidths=0,
        )  # fmt: skip
        width, height = 1.08 * unique[:, 1].max(), 1.08 * unique[:, 0].max()
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        for name, ratio in _RATIOS.items():
            _draw_ratio(axes, name, ratio, width, height, theme)
        _label(axes, "width in pixels", "height in pixels", theme)

    return _in_both_themes(draw)


def _draw_ratio(
    axes: Axes, name: str, ratio: float, width: float, height: float, theme: Theme
) -> None:
    """Draws where height / width is a ratio, named where the line leaves the axes."""
    end = min(width, height / ratio)
    axes.plot(
        [0, end], [0, end * ratio],
        color=theme.muted, linewidth=0.8, dashes=(4, 3), zorder=1,
    )  # fmt: skip
    inside = end < width
    axes.annotate(
        name, (end, end * ratio), xytext=(0, 3) if inside else (3, 0),
        textcoords="offset points", color=theme.muted, fontsize=8.5,
        ha="center" if inside else "left", va="bottom" if inside else "center",
    )  # fmt: skip


def ratio_histogram(sizes: Int64[np.ndarray, "images 2"]) -> dict[str, bytes]:
    """Draws how many images have which aspect ratio, height over width.

    Args:
        sizes: (height, width) of each image.

    Returns:
        PNG files by the suffix of their theme.
    """
    ratios = sizes[:, 0] / sizes[:, 1]
    low, high = min(0.5, ratios.min()), max(2.0, ratios.max())

    def draw(axes: Axes, theme: Theme) -> None:
        bins = np.linspace(low, high, 41)
        axes.hist(ratios, bins.tolist(), color=theme.series[0], rwidth=0.9)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        _label(axes, "aspect ratio (height / width)", "images", theme)

    return _in_both_themes(draw)


def _label(axes: Axes, x: str, y: str, theme: Theme) -> None:
    axes.set_xlabel(x, color=theme.muted, fontsize=9)
    axes.set_ylabel(y, color=theme.muted, fontsize=9)


def _in_both_themes(draw: Callable[[Axes, Theme], None]) -> dict[str, bytes]:
    files = {}
    for theme in (LIGHT, DARK):
        figure = new_figure(*SIZE, theme)
        axes = figure.add_subplot()
        style_axes(axes, theme)
        draw(axes, theme)
        files[theme.suffix] = to_png(figure)
    return files
