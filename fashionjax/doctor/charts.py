"""Figures of the sizes of images."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int64
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fashionjax.report.theme import DARK, LIGHT, Theme, new_figure, style_axes, to_png

SIZE = (5.6, 4.2)
"""Width and height in inches."""

_RATIOS = {"2:1": 2.0, "3:2": 1.5, "1:1": 1.0, "2:3": 2 / 3}
_MIN_RATIOS = 0.2
_BINS = 40
_FEW_SIZES = 500


def size_scatter(sizes: Int64[np.ndarray, "images 2"]) -> dict[str, bytes]:
    """Draws heights over widths, sizes that are common as bigger dots.

    Args:
        sizes: (height, width) of each image.

    Returns:
        PNG files by the suffix of their theme.
    """
    unique, counts = np.unique(sizes, axis=0, return_counts=True)
    order = np.argsort(counts, kind="stable")  # big dots on top of small ones
    unique, counts = unique[order], counts[order]
    crowd = min(1.0, (_FEW_SIZES / len(unique)) ** 0.5)
    area = max(4.0, 14 * crowd) + 300 * (counts - 1) / len(sizes)

    def draw(axes: Axes, theme: Theme) -> None:
        axes.grid(axis="x", color=theme.grid, linewidth=0.8)
        axes.scatter(
            unique[:, 1], unique[:, 0], s=area, color=theme.series[0],
            alpha=max(0.3, 0.7 * crowd), linewidths=0,
        )  # fmt: skip
        axes.set_xlim(_limits(unique[:, 1]))
        axes.set_ylim(_limits(unique[:, 0]))
        for name, ratio in _RATIOS.items():
            _draw_ratio(axes, name, ratio, theme)
        _label(axes, "width in pixels", "height in pixels", theme)

    return _in_both_themes(draw)


def _limits(values: Int64[np.ndarray, " sizes"]) -> tuple[float, float]:
    """Ends of an axis, with room around the values even if all are equal."""
    low, high = float(values.min()), float(values.max())
    room = max(0.08 * (high - low), 0.04 * high)
    return max(0.0, low - room), high + room


def _draw_ratio(axes: Axes, name: str, ratio: float, theme: Theme) -> None:
    """Draws where height / width is a ratio, named where the line leaves the axes."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    options: dict[str, Any] = {
        "textcoords": "offset points", "color": theme.muted, "fontsize": 8.5,
    }  # fmt: skip
    if left < top / ratio <= right:
        place = (top / ratio, top)
        axes.annotate(name, place, (0, 3), ha="center", va="bottom", **options)
    elif bottom < right * ratio <= top:
        place = (right, right * ratio)
        axes.annotate(name, place, (3, 0), ha="left", va="center", **options)
    else:
        return
    axes.axline(
        (0, 0), slope=ratio, color=theme.muted, linewidth=0.8, dashes=(4, 3), zorder=1
    )


def ratio_histogram(sizes: Int64[np.ndarray, "images 2"]) -> dict[str, bytes]:
    """Draws how many images have which aspect ratio, height over width.

    Args:
        sizes: (height, width) of each image.

    Returns:
        PNG files by the suffix of their theme.
    """
    ratios = sizes[:, 0] / sizes[:, 1]
    middle = (ratios.min() + ratios.max()) / 2
    half = max(_MIN_RATIOS, ratios.max() - ratios.min()) / 2
    bins = np.linspace(middle - half, middle + half, _BINS + 1)

    def draw(axes: Axes, theme: Theme) -> None:
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
