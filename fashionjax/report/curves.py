"""Curves over the steps of a run: losses, validation metrics, schedules, speed."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from fashionjax.report.inputs import Schedule
from fashionjax.report.theme import THEMES, Theme, new_figure, save, style_axes
from fashionjax.writers import MetricRecord, loss_terms, series

SIZE = (5.6, 3.5)
"""Width and height in inches; the text stays readable at the width of a phone."""

MIN_LABEL_SPACE = 0.35
"""Part of the width that the name of a boundary may take."""

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
        dashed: Whether what lies under the curve shows through it.
    """

    name: str
    steps: Sequence[int]
    values: Sequence[float]
    sparse: bool = False
    noisy: bool = False
    mark_best: bool = False
    dashed: bool = False

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
        log: Base of a logarithmic vertical axis; 0 for a linear one.
        boundaries: Steps that a line is drawn at, in order, and what it says.
    """

    name: str
    title: str
    unit: str
    curves: tuple[Curve, ...]
    percent: bool = False
    log: int = 0
    boundaries: Sequence[tuple[int, str]] = ()


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


def _value_text(value: float, _position: int | None = None) -> str:
    """Writes 0.00025 as 2.5e-4; without the offset that matplotlib sets apart."""
    if 0 < abs(value) < 1e-3:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:g}"


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
        dash_capstyle="butt", linestyle=(0, (3, 3)) if curve.dashed else "-",
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
            axes.set_yscale("log", base=chart.log)
        colors = theme.series * (1 + len(chart.curves) // len(theme.series))
        drawn = [curve for curve in chart.curves if curve.is_drawable]
        for curve, color in zip(drawn, colors, strict=False):
            _draw_curve(axes, curve, color, theme)
        _label_axes(axes, chart, theme)
        _draw_boundaries(axes, chart, theme)
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
    # Powers of two keep their exponents, which say more than 262144 does.
    if chart.log != 2:
        axes.yaxis.set_major_formatter(FuncFormatter(_value_text))
    if chart.log:
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(which="minor", length=0)
    if chart.percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
        low, high = axes.get_ylim()
        axes.set_ylim(max(0.0, low), min(1.02, high))


def _draw_boundaries(axes: Axes, chart: Chart, theme: Theme) -> None:
    """Draws the lines, their names above the axes and never upon each other."""
    low, high = axes.get_xlim()
    place, row = math.inf, 0
    # From the right, so that a name that must go up does so left of the next line.
    for step, name in reversed(chart.boundaries):
        following, place = place, (step - low) / (high - low)
        row = 1 - row if following - place < MIN_LABEL_SPACE else 0
        axes.axvline(step, color=theme.muted, linewidth=0.8, dashes=(4, 3), zorder=1)
        axes.annotate(
            name, (step, 1.0), xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 12 * row), textcoords="offset points", va="bottom",
            ha="right" if place > 1 - MIN_LABEL_SPACE else "left",
            fontsize=8.5, color=theme.muted, parse_math=False,
        )  # fmt: skip


def _loss_chart(records: Sequence[MetricRecord]) -> Chart:
    """The total in training and validation, then the terms if there are several."""
    train = [record for record in records if record.split == "train"]
    terms = list(dict.fromkeys(t for r in train for t in loss_terms(r.metrics)))
    if len(terms) < 2:
        terms = []
    total = "total" if terms else "training loss"
    curves = [
        Curve(total, *series(records, "train", "loss"), noisy=True),
        Curve("validation loss", *series(records, "val", "loss"), sparse=True),
        *(Curve(term, *series(records, "train", term), noisy=True) for term in terms),
    ]
    drawable = tuple(curve for curve in curves if curve.is_drawable)
    values = [v for c in drawable for v in c.values if math.isfinite(v)]
    wide = bool(values) and min(values) > 0 and max(values) / min(values) > 50
    unit = "loss (terms before weighting)" if terms else "loss"
    return Chart("loss", "Loss", unit, drawable, log=10 if wide else 0)


def _logged_rates(records: Sequence[MetricRecord]) -> Chart:
    """The learning rates that were logged, one a group of parameters."""
    names = {
        name: None
        for record in records
        if record.split == "train"
        for name in record.metrics
        if name.split("/")[0] == "learning_rate"
    }
    rates = tuple(
        Curve(name.partition("/")[2] or "all", *series(records, "train", name))
        for name in names
    )
    return Chart("learning-rate", "Learning rate", "learning rate", rates)


def _planned(schedule: Schedule) -> list[Chart]:
    """Learning rate and momentum of all steps, those to come too."""
    steps = schedule.steps.tolist()
    return [
        Chart(
            name,
            title,
            f"{title.lower()} ({schedule.name})",
            (Curve(schedule.name, steps, values.tolist()),),
            boundaries=schedule.boundaries,
        )
        for name, title, values in (
            ("learning-rate", "Learning rate", schedule.learning_rate),
            ("momentum", "Momentum", schedule.momentum),
        )
    ]


def make_charts(
    records: Sequence[MetricRecord],
    best_metric: str | None = None,
    schedule: Schedule | None = None,
) -> list[Chart]:
    """Chooses what to draw from the metrics of a run.

    Args:
        records: The lines of `metrics.jsonl`.
        best_metric: The validation metric whose largest value is pointed out.
        schedule: The planned learning rate and momentum; None: the learning rate that
            was logged.

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
    scale = Curve("loss scale", *series(records, "train", "loss_scale"))
    speeds = series(records, "train", "images_per_second")
    speed = Curve("images/s", *speeds, noisy=True)
    charts = [
        _loss_chart(records),
        Chart("validation", "Validation", "on the val split", validation, percent=True),
        *(_planned(schedule) if schedule is not None else [_logged_rates(records)]),
        Chart("loss-scale", "Loss scale", "loss scale", (scale,), log=2),
        Chart("speed", "Training speed", "images per second", (speed,)),
    ]
    return [chart for chart in charts if any(c.is_drawable for c in chart.curves)]
