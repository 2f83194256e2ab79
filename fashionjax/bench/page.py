"""The page of a file of rows: bars, rooflines, cost curves and every row's command."""

import base64
import html
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from fashionjax.bench.charts import Bars, Chart, Curves, Roofline, draw
from fashionjax.bench.results import Row
from fashionjax.report.markup import document, picture, section
from fashionjax.report.theme import DARK, LIGHT

_VARIED = {
    "batch": "images a step",
    "pixels": "pixels an image",
    "classes": "classes",
}


def write_page(rows: Sequence[Row], file: Path) -> None:
    """Writes one HTML page that needs nothing else.

    Args:
        rows: What `results.report` appended, of any commands and devices.
        file: Where to write.

    Raises:
        ValueError: If there are no rows.
    """
    if not rows:
        raise ValueError("there are no rows to draw")
    of_device: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        of_device[row["device"], str(row.get("dtype", ""))].append(row)
    body = ["<header><h1>Benchmark</h1></header>"]
    for (device, dtype), own in of_device.items():
        where = ", ".join(filter(None, (device, dtype)))
        body += [
            _figure(title, note, chart, where) for title, note, chart in charts_of(own)
        ]
    body.append(_all_rows(rows))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document("Benchmark", "\n".join(filter(None, body))), "utf-8")


Drawn = tuple[str, str, Chart]
"""Title, a sentence about it, and what to draw."""


def charts_of(rows: Sequence[Row]) -> Iterable[Drawn]:
    """Chooses what to draw of the rows of one device and type.

    Args:
        rows: Rows of any commands.

    Yields:
        A chart for each question that the rows answer.
    """
    of_command: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_command[row["bench"]].append(row)
    for command, title in (("train", "Training"), ("infer", "Inference")):
        measured = of_command[command]
        if not measured:
            continue
        yield _bars(measured, title, "images_per_second", "images a second")
        yield _bars(
            measured,
            f"{title}: share of the tuned estimate",
            "tuned_share",
            "1 is what a well tuned library would take, by the model's own layers",
            line=1.0,
        )
        yield _roofline(measured, f"{title} under the roofline")
    yield from _curves(of_command["train"])
    if of_command["peer"]:
        yield _bars(
            of_command["peer"],
            "Beside torch",
            "ratio",
            "our time over torch's; below 1 we are faster",
            line=1.0,
            by=("what", "torch_mode", "batch"),
        )
    if of_command["e2e"]:
        yield _bars(
            of_command["e2e"],
            "End to end",
            "ratio",
            "the training loop's speed over the bare step's",
            line=0.95,
            by=("dataset", "input", "batch"),
        )
    if of_command["input"]:
        yield _bars(
            of_command["input"],
            "Reading",
            "images_per_second",
            "images a second of the host alone",
            by=("threads", "workers"),
            of="dataset",
        )


def _bars(
    rows: Sequence[Row],
    title: str,
    value: str,
    unit: str,
    *,
    line: float | None = None,
    by: Sequence[str] = ("batch",),
    of: str = "model",
) -> Drawn:
    """Groups of bars; of several rows of one bar the last counts."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        values[", ".join(f"{k} {row[k]}" for k in by)][f"{row[of]} {row['size']}"] = (
            row[value]
        )
    groups = list(dict.fromkeys(group for own in values.values() for group in own))
    series = {
        name: [own.get(group, math.nan) for group in groups]
        for name, own in values.items()
    }
    return title, unit, Bars(unit, groups, series, line)


def _roofline(rows: Sequence[Row], title: str) -> Drawn:
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        intensity = 1e3 * row["gflop_image"] / row["xla_mb_image"]
        points[row["model"]].append((intensity, row["tflops"]))
    chart = Roofline(
        flops=max(row["matmul_tflops"] for row in rows),
        bandwidth=max(row["copy_gb_s"] for row in rows),
        points=points,
    )
    note = "Arithmetic a byte that XLA moves, and arithmetic a second that was reached"
    return title, note, chart


def _curves(rows: Sequence[Row]) -> Iterable[Drawn]:
    """Time and memory over each of `_VARIED`, where two values were measured."""
    rows = [row | {"pixels": _pixels(row["size"])} for row in rows]
    for varied, axis in _VARIED.items():
        for value, unit in (("step_ms", "ms a step"), ("planned_mib", "MiB planned")):
            series = _series(rows, varied, value)
            if series:
                title = f"Cost: {unit} over {axis}"
                yield title, "All else the same", Curves(axis, unit, series)


def _pixels(size: str) -> int:
    height, width = map(int, size.split("x"))
    return height * width


def _series(
    rows: Sequence[Row], varied: str, value: str
) -> dict[str, list[tuple[float, float]]]:
    fixed = [name for name in _VARIED if name != varied]
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for row in rows:
        if value in row:
            others = ", ".join(f"{row[name]} {name}" for name in fixed)
            found[f"{row['model']}, {others}"][row[varied]] = row[value]
    return {
        name: list(points.items()) for name, points in found.items() if len(points) > 1
    }


def _figure(title: str, note: str, chart: Chart, where: str) -> str:
    light, dark = (_data_uri(draw(chart, theme)) for theme in (LIGHT, DARK))
    figure = f"<figure>{picture(light, dark, title)}</figure>"
    figure = f'<div class="charts">{figure}</div>'
    return section(title, f"{where}. {note}.", figure)


def _data_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _all_rows(rows: Sequence[Row]) -> str:
    blocks = []
    for row in rows:
        values = ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in row.items()
            if name not in ("bench", "command") and value != ""
        )
        command = html.escape(str(row.get("command", row["bench"])))
        blocks.append(f"<pre>{command}</pre><p>{html.escape(values)}</p>")
    return (
        f"<details><summary>All {len(rows)} rows, and their commands</summary>"
        f"{''.join(blocks)}</details>"
    )
