"""Curves over the steps of a run: losses, validation metrics, learning rate, speed."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from fashionjax.report.theme import THEMES, Theme, new_figure, save, style_axes
from fashionjax.writers import MetricRecord, loss_terms, series

SIZE = (5.6, 3.5)
"""Width and height in inches; the text stays readable at the width of a phone."""

MAX_RAW_POINTS = 60
"""From this many points on, a smoothed curve is drawn over the measured ones."""

VALIDATION_METRICS = {
    "pooled_iou_excl_bg": "pooled IoU without background",
    "mean_iou": "mean IoU",
    "mask_iou": "foreground IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_class_accuracy": "mean class accuracy",
    "f1": "tags F1",
    "box_iou": "box IoU",
}


@dataclasses.dataclass(frozen=True)
class Curve:
    """A line of a figure.

    Attributes:
        name: What the legend says.
        steps: Increasing steps.
        values: Value at each step; NaN leaves a gap.
        sparse: Whether each point is an event of its own (an evaluation), drawn with
            a marker.
        noisy: Whether a long curve is smoothed.
        mark_best: Whether the largest value is pointed out.
    """

    name: str
    steps: Sequence[int]
    values: Sequence[float]
    sparse: bool = False
    noisy: bool = False
    mark_best: bool = False

    @property
    def is_drawable(self) -> bool:
        """Whether there is a finite value."""
        return any(math.isfinite(value) for value in self.values)


@dataclasses.dataclass(frozen=True)
class Chart:
    """A figure of curves.

    Attributes:
        name: Of the files.
        title: Heading on the page.
        unit: What the vertical axis shows.
        curves: At least one that is drawable.
        percent: Whether values are fractions, shown in %.
        log: Whether the vertical axis is logarithmic.
    """

    name: str
    title: str
    unit: str
    curves: tuple[Curve, ...]
    percent: bool = False
    log: bool = False


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over a window of a twentieth of the curve, without its NaN."""
    width = max(3, len(values) // 20)
    kernel = np.ones(width)
    finite = np.isfinite(values)
    total = np.convolve(np.where(finite, values, 0.0), kernel, "same")
    count = np.convolve(finite.astype(float), kernel, "same")
    out = np.full(values.shape, np.nan)
    return np.divide(total, count, out=out, where=count > 0)


def _step_text(step: float, _position: int | None = None) -> str:
    """Writes 12000 as 12k."""
    if abs(step) >= 10_000:
        return f"{step / 1000:g}k"
    return f"{step:g}"


def _draw_curve(axes: Axes, curve: Curve, color: str, theme: Theme) -> None:
    steps = np.asarray(curve.steps)
    values = np.asarray(curve.values, np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    dense = len(steps) > MAX_RAW_POINTS
    # A single point shows only as a marker.
    points = curve.sparse or np.isfinite(values).sum() == 1
    marker = "o" if points and not dense else ""
    if curve.noisy and dense:
        axes.plot(steps, values, color=color, linewidth=0.8, alpha=0.3)
        values = _smooth(values)
    axes.plot(
        steps, values, color=color, linewidth=1.8, marker=marker, markersize=4.5,
        markeredgecolor=theme.surface, markeredgewidth=0.8, solid_capstyle="round",
        label=curve.name,
    )  # fmt: skip
    if curve.mark_best:
        best = int(np.nanargmax(values))
        axes.annotate(
            f"best {100 * values[best]:.1f} %",
            (float(steps[best]), float(values[best])),
            xytext=(0, -9), textcoords="offset points", ha="center", va="top",
            fontsize=9, fontweight="bold", color=color, zorder=4,
            bbox={"facecolor": theme.surface, "edgecolor": "none", "alpha": 0.8,
                  "pad": 1.0},
        )  # fmt: skip
        axes.plot(
            steps[best], values[best], marker="o", markersize=8, color="none",
            markeredgecolor=color, markeredgewidth=1.4,
        )  # fmt: skip


def draw_chart(folder: Path, chart: Chart) -> None:
    """Writes the chart's PNG for each theme.

    Args:
        folder: Where to write.
        chart: What to draw.
    """
    for theme in THEMES:
        figure = new_figure(*SIZE, theme)
        axes = figure.add_subplot()
        style_axes(axes, theme)
        if chart.log:
            axes.set_yscale("log")
        colors = theme.series * (1 + len(chart.curves) // len(theme.series))
        drawn = [curve for curve in chart.curves if curve.is_drawable]
        for curve, color in zip(drawn, colors, strict=False):
            _draw_curve(axes, curve, color, theme)
        _label_axes(axes, chart, theme)
        if len(drawn) > 1:
            handles, names = axes.get_legend_handles_labels()
            box = figure.legend(
                handles, names, loc="outside upper left", ncols=3, frameon=False,
                fontsize=9, labelcolor=theme.ink, handlelength=1.4, columnspacing=1.4,
            )  # fmt: skip
            for text in box.get_texts():
                text.set_parse_math(False)
        save(figure, folder, chart.name, theme)


def _label_axes(axes: Axes, chart: Chart, theme: Theme) -> None:
    axes.set_xlabel("step", color=theme.muted, fontsize=9)
    axes.set_ylabel(chart.unit, color=theme.muted, fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(_step_text))
    axes.margins(x=0.03, y=0.1)
    if chart.log:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(which="minor", length=0)
    if chart.percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
        low, high = axes.get_ylim()
        axes.set_ylim(max(0.0, low), min(1.02, high))


def _loss_chart(records: Sequence[MetricRecord]) -> Chart:
    """The total, then the terms if there are several."""
    train = [record for record in records if record.split == "train"]
    terms = list(dict.fromkeys(t for r in train for t in loss_terms(r.metrics)))
    total = "total" if len(terms) > 1 else "training loss"
    lines = {total: "loss"}
    if len(terms) > 1:
        lines |= {term: term for term in terms}
    curves = [
        Curve(title, *series(records, "train", name), noisy=True)
        for title, name in lines.items()
    ]
    drawable = tuple(curve for curve in curves if curve.is_drawable)
    values = [v for c in drawable for v in c.values if math.isfinite(v)]
    wide = bool(values) and min(values) > 0 and max(values) / min(values) > 50
    unit = "loss (terms before weighting)" if len(terms) > 1 else "loss"
    return Chart("loss", "Loss", unit, drawable, log=wide)


def make_charts(
    records: Sequence[MetricRecord], best_metric: str | None = None
) -> list[Chart]:
    """Chooses what to draw from the metrics of a run.

    Args:
        records: The lines of `metrics.jsonl`.
        best_metric: The validation metric whose largest value is pointed out.

    Returns:
        The charts that have something to show; none for a run without metrics.
    """
    validation = tuple(
        Curve(
            title,
            *series(records, "val", name),
            sparse=True,
            mark_best=name == best_metric,
        )
        for name, title in VALIDATION_METRICS.items()
    )
    rate_names = {
        name: None
        for record in records
        if record.split == "train"
        for name in record.metrics
        if name.split("/")[0] == "learning_rate"
    }
    rates = tuple(
        Curve(name.partition("/")[2] or "all", *series(records, "train", name))
        for name in rate_names
    )
    speeds = series(records, "train", "images_per_second")
    speed = Curve("images/s", *speeds, noisy=True)
    charts = [
        _loss_chart(records),
        Chart("validation", "Validation", "on the val split", validation, percent=True),
        Chart("learning-rate", "Learning rate", "learning rate", rates),
        Chart("speed", "Training speed", "images per second", (speed,)),
    ]
    return [chart for chart in charts if any(c.is_drawable for c in chart.curves)]
