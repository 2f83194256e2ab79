"""Bars, curves and the roofline plot of the benchmark's page, as SVG."""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fashionjax.report.theme import Theme, new_figure, style_axes

_WIDTH = 7.6
_BAR = 0.2
"""Height of a bar in inches; text is 9 points."""

_LEGEND = 118
"""Letters that a line of the legend has room for."""

_MARKERS = ("o", "s", "^")


@dataclasses.dataclass(frozen=True)
class Bars:
    """Horizontal bars, in groups of one name.

    Attributes:
        unit: What the axis shows.
        groups: Names of the groups, from the top.
        series: A value for each group, by name of the series; NaN for no bar.
        line: Value that a line is drawn at; None for none.
        stacked: Whether the values of a group follow one another in one bar.
    """

    unit: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float]]
    line: float | None = None
    stacked: bool = False


@dataclasses.dataclass(frozen=True)
class Roofline:
    """Achieved arithmetic over arithmetic a byte, under the machine's limits.

    Attributes:
        flops: The limit of arithmetic, in TFLOP/s.
        bandwidth: The limit of memory, in GB/s.
        points: (FLOPs a byte, TFLOP/s) of each point, by name of the series.
    """

    flops: float
    bandwidth: float
    points: Mapping[str, Sequence[tuple[float, float]]]


@dataclasses.dataclass(frozen=True)
class Curves:
    """Values over a number that was varied.

    Attributes:
        axis: What was varied.
        unit: What the vertical axis shows.
        series: Points of each curve, by its name.
        log: Whether both axes are logarithmic, so that what is proportional is a line
            of slope 1 and a share that does not grow shows. A dashed line shows the
            first curve's values if they were proportional to what was varied, from its
            first point on.
    """

    axis: str
    unit: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    log: bool = False


Chart = Bars | Roofline | Curves


def draw(chart: Chart, theme: Theme) -> str:
    """Draws a chart.

    Args:
        chart: What to draw.
        theme: Its colours.

    Returns:
        The SVG file's text.
    """
    if isinstance(chart, Bars):
        figure = _bars(chart, theme)
    elif isinstance(chart, Roofline):
        figure = _with_axes(theme, lambda axes: _roofline(axes, chart, theme))
    else:
        figure = _with_axes(theme, lambda axes: _curves(axes, chart, theme))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _with_axes(theme: Theme, fill: Callable[[Axes], None]) -> Figure:
    figure = new_figure(_WIDTH, 4.2, theme)
    axes = figure.add_subplot()
    style_axes(axes, theme)
    axes.grid(axis="both", color=theme.grid, linewidth=0.8)
    fill(axes)
    _legend(figure, axes, theme)
    return figure


def _bars(chart: Bars, theme: Theme) -> Figure:
    count = 1 if chart.stacked else max(1, len(chart.series))
    height = 1.1 + len(chart.groups) * (count + 0.6) * _BAR
    figure = new_figure(_WIDTH, height, theme)
    axes = figure.add_subplot()
    style_axes(axes, theme)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=theme.grid, linewidth=0.8)
    rows = np.arange(len(chart.groups), dtype=float)
    if chart.stacked:
        _stack(axes, chart, rows, theme)
    else:
        _side_by_side(axes, chart, rows, theme)
    if chart.line is not None:
        axes.axvline(chart.line, color=theme.ink, linewidth=1, dashes=(4, 3))
    axes.set_yticks(rows, chart.groups)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.01)
    axes.set_xlim(left=0)
    axes.set_xlabel(chart.unit, color=theme.muted, fontsize=9)
    _legend(figure, axes, theme)
    return figure


def _side_by_side(axes: Axes, chart: Bars, rows: np.ndarray, theme: Theme) -> None:
    count = max(1, len(chart.series))
    thickness = 0.8 / count
    colors = _colors(theme, count)
    for i, (name, values) in enumerate(chart.series.items()):
        place = rows + (i - (count - 1) / 2) * thickness
        lengths = np.nan_to_num(np.asarray(values, float))
        bars = axes.barh(place, lengths, 0.92 * thickness, color=colors[i], label=name)
        labels = [_number(v) if np.isfinite(v) else "" for v in values]
        axes.bar_label(bars, labels, padding=3, fontsize=7.5, color=theme.muted)


def _stack(axes: Axes, chart: Bars, rows: np.ndarray, theme: Theme) -> None:
    ends = np.zeros(len(rows))
    bars = None
    # More parts than colours: the second time round they are fainter.
    alphas = np.repeat([1.0, 0.45], len(theme.series))
    colors = _colors(theme, len(chart.series))
    for (name, values), color, alpha in zip(
        chart.series.items(), colors, alphas, strict=False
    ):
        lengths = np.nan_to_num(np.asarray(values, float))
        bars = axes.barh(rows, lengths, 0.7, ends, color=color, alpha=alpha, label=name)
        ends += lengths
    if bars is not None:
        totals = [_number(end) for end in ends]
        axes.bar_label(bars, totals, padding=3, fontsize=7.5, color=theme.muted)


def _roofline(axes: Axes, chart: Roofline, theme: Theme) -> None:
    ridge = 1e3 * chart.flops / chart.bandwidth
    inside = [x for points in chart.points.values() for x, _ in points]
    ends = np.array([min([ridge, *inside]) / 3, ridge, max([ridge, *inside]) * 3])
    limit = np.minimum(chart.flops, ends * chart.bandwidth / 1e3)
    axes.plot(ends, limit, color=theme.muted, linewidth=1.6, label="measured ceilings")
    colors = _colors(theme, len(chart.points))
    for i, (name, points) in enumerate(chart.points.items()):
        x, y = zip(*points, strict=True)
        # There are more models than colours.
        marker = _MARKERS[i // len(theme.series) % len(_MARKERS)]
        axes.plot(x, y, marker, markersize=5, color=colors[i], label=name)
    _logarithmic(axes)
    axes.set_xlabel("FLOPs a byte", color=theme.muted, fontsize=9)
    axes.set_ylabel("TFLOP/s", color=theme.muted, fontsize=9)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _curves(axes: Axes, chart: Curves, theme: Theme) -> None:
    colors = _colors(theme, len(chart.series))
    for (name, points), color in zip(chart.series.items(), colors, strict=False):
        x, y = zip(*sorted(points), strict=True)
        axes.plot(x, y, marker="o", markersize=4, color=color, label=name)
    if chart.log:
        (x0, y0), *_, (x1, _) = sorted(next(iter(chart.series.values())))
        line = axes.plot([x0, x1], [y0, y0 * x1 / x0], color=theme.muted, linewidth=1)
        line[0].set(dashes=(4, 3), label="proportional")
        _logarithmic(axes)
    else:
        # What hardly grows would touch the upper edge.
        axes.set_ylim(
            0, 1.15 * max(y for points in chart.series.values() for _, y in points)
        )
        axes.set_xlim(left=0)
    values = sorted({x for points in chart.series.values() for x, _ in points})
    axes.set_xticks(values, [f"{value:,g}" for value in values])
    axes.set_xlabel(chart.axis, color=theme.muted, fontsize=9)
    axes.set_ylabel(chart.unit, color=theme.muted, fontsize=9)


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.tick_params(which="minor", length=0)


def _colors(theme: Theme, count: int) -> Sequence[str]:
    return theme.series * (1 + count // len(theme.series))


def _legend(figure: Figure, axes: Axes, theme: Theme) -> None:
    handles, names = axes.get_legend_handles_labels()
    if len(names) > 1:
        # Of the longest name, with its handle and the space behind it.
        columns = max(1, min(4, _LEGEND // (6 + max(map(len, names)))))
        figure.legend(
            handles, names, loc="outside upper left", ncols=columns, frameon=False,
            fontsize=8.5, labelcolor=theme.ink, handlelength=1.2, columnspacing=1.2,
        )  # fmt: skip
