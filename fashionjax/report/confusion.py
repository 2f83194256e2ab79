"""The confusion matrix as a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from fashionjax.report.inputs import ratio
from fashionjax.report.theme import THEMES, Theme, new_figure, save

MAX_NUMBERED = 15
"""Up to this many classes each cell shows its number."""


def row_percent(
    confusion: Integer[np.ndarray, "num_classes num_classes"],
) -> Float[np.ndarray, "num_classes num_classes"]:
    """Normalises each row to 100; rows of classes that do not occur become NaN."""
    confusion = np.asarray(confusion, np.float64)
    return 100 * ratio(
        confusion, np.broadcast_to(confusion.sum(1, keepdims=True), confusion.shape)
    )


def column_percent(
    confusion: Integer[np.ndarray, "num_classes num_classes"],
) -> Float[np.ndarray, "num_classes num_classes"]:
    """Normalises each column to 100; those of classes never predicted become NaN."""
    return row_percent(np.asarray(confusion).T).T


def draw_confusion(
    folder: Path,
    confusion: Integer[np.ndarray, "num_classes num_classes"],
    class_names: Sequence[str],
    order: Sequence[int] = (),
    *,
    name: str = "confusion",
    by_prediction: bool = False,
) -> None:
    """Writes `NAME.png`, and the same for the dark theme.

    Args:
        folder: Where to write.
        confusion: Pixels by true class (rows) and predicted class.
        class_names: Name per class id.
        order: All class ids in the order to show them; empty: as they are numbered.
        name: Of the files.
        by_prediction: Whether each column adds up to 100 % and not each row.
    """
    order = list(order) or list(range(len(class_names)))
    class_names = [class_names[class_id] for class_id in order]
    percent = (column_percent if by_prediction else row_percent)(confusion)
    percent = percent[np.ix_(order, order)]
    size = max(5.2, min(13.0, 2.4 + 0.5 * len(class_names)))
    if len(class_names) > MAX_NUMBERED:
        size = max(8.0, min(16.0, 2.0 + 0.19 * len(class_names)))
    for theme in THEMES:
        figure = new_figure(size, size, theme)
        axes = figure.add_subplot()
        colors = LinearSegmentedColormap.from_list("", [theme.surface, theme.accent])
        axes.imshow(
            percent, cmap=colors.with_extremes(bad=theme.grid), vmin=0, vmax=100
        )
        _label(axes, class_names, theme)
        if len(class_names) <= MAX_NUMBERED:
            _write_numbers(axes, percent, theme)
        save(figure, folder, name, theme)


def _label(axes: Axes, class_names: Sequence[str], theme: Theme) -> None:
    places = range(len(class_names))
    font_size = 9 if len(class_names) <= MAX_NUMBERED else 7
    # A name with a dollar sign is not a formula.
    options: dict[str, Any] = {
        "fontsize": font_size,
        "color": theme.ink,
        "parse_math": False,
    }
    axes.set_xticks(places, class_names, rotation=90, **options)
    axes.set_yticks(places, class_names, **options)
    axes.set_xlabel("predicted class", color=theme.muted, fontsize=9)
    axes.set_ylabel("true class", color=theme.muted, fontsize=9)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_color(theme.grid)
    axes.set_xticks(np.arange(len(class_names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(class_names) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color=theme.grid, linewidth=0.4)
    axes.tick_params(which="minor", length=0)


def _write_numbers(
    axes: Axes, percent: Float[np.ndarray, "num_classes num_classes"], theme: Theme
) -> None:
    for (row, column), value in np.ndenumerate(percent):
        text = (
            "–"
            if np.isnan(value)
            else f"{value:.0f}"
            if value >= 10
            else f"{value:.1f}"
        )
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=8.5,
            fontweight="bold" if row == column else "normal",
            color=theme.surface if value > 55 else theme.ink,
        )
