"""The page of a file of rows: bars, curves, tables and every row's command."""

import base64
import html
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from fashionjax.bench.charts import Bars, Chart, Curves, Roofline, draw
from fashionjax.bench.environment import TF32
from fashionjax.bench.hlo_ops import KINDS, PASSES
from fashionjax.bench.results import Row
from fashionjax.bench.startup import PHASES
from fashionjax.bench.tables import Table, markup, tables_of
from fashionjax.report.markup import document, picture, section
from fashionjax.report.theme import DARK, LIGHT

_VARIED = {
    "batch": "images a step",
    "pixels": "pixels an image",
    "classes": "classes",
    "cores": "CPU cores",
}
"""What curves are drawn over, by the key of a row."""

_OF_STEPS = {
    "step_ms": "ms a step",
    "images_per_second": "images a second",
    "planned_mib": "MiB planned",
    "peak_mib": "MiB at the peak",
}
"""What curves of the training step show, by the key of a row."""


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
        of_device[row["device"], _type(row)].append(row)
    body = ["<header><h1>Benchmark</h1></header>"]
    for of, own in of_device.items():
        where = ", ".join(filter(None, of))
        body += [_section(*drawn, where) for drawn in charts_of(own)]
    body.append(_all_rows(rows))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document("Benchmark", "\n".join(filter(None, body))), "utf-8")


Drawn = tuple[str, str, Chart | Table]
"""Title, a sentence about it, and what to draw."""


def _type(row: Row) -> str:
    """The type of the computation; some GPUs do not multiply float32 as such."""
    dtype = str(row.get("dtype", ""))
    by = row.get("matmul_precision")
    return f"{dtype} by {TF32}" if (dtype, by) == ("float32", TF32) else dtype


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
    yield from tables_of("run", of_command["run"])
    yield from tables_of("ceilings", of_command["ceilings"])
    for command, title, by in (
        ("train", "Training", ("batch",)),
        ("infer", "Inference", ("batch", "fold")),
    ):
        measured = of_command[command]
        if not measured:
            continue
        yield _bars(measured, title, "images_per_second", "images a second", by=by)
        yield _bars(
            measured,
            f"{title}: share of the tuned estimate",
            "tuned_share",
            "1 is what a well tuned library would take, by the model's own layers",
            line=1.0,
            by=by,
        )
        yield _roofline(measured, f"{title} under the roofline")
        yield from tables_of(command, measured)
    yield from _profiles(of_command["profile"])
    yield from _curves(of_command["curves"])
    if of_command["peer"]:
        yield _bars(
            of_command["peer"],
            "Beside torch",
            "ratio",
            "our time over torch's; below 1 we are faster",
            line=1.0,
            by=("what", "torch_mode", "batch"),
        )
        yield from tables_of("peer", of_command["peer"])
    if of_command["e2e"]:
        yield _bars(
            of_command["e2e"],
            "End to end",
            "ratio",
            "the training loop's speed over the bare step's",
            line=0.95,
            by=("dataset", "input", "batch"),
        )
        yield from tables_of("e2e", of_command["e2e"])
    if of_command["input"]:
        yield _bars(
            of_command["input"],
            "Reading",
            "images_per_second",
            "images a second of the host alone",
            by=("threads", "workers"),
            of="dataset",
        )
    for command in ("scale", "augment", "metrics", "crf"):
        yield from tables_of(command, of_command[command])


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
        series_name = ", ".join(_named(key, row[key]) for key in by)
        values[series_name][f"{row[of]} {row['size']}"] = row[value]
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


def _profiles(rows: Sequence[Row]) -> Iterable[Drawn]:
    """Parts of the time of each step, and tables; of several rows of one the last."""
    bars = {
        f"{row['model']} {row['size']}, {row['what']} {row['batch']}"
        f" {row.get('XLA_FLAGS', '')}".rstrip(): row
        for row in rows
        # Without a CUDA graph's operations nothing is known of it but times.
        if KINDS[0] in row
    }
    note = "100 %: the operations of a step whose names are known"
    for names, title in ((KINDS, "operations"), (PASSES, "passes")):
        if bars:
            series = {
                name: [100 * row[name] for row in bars.values()] for name in names
            }
            chart = Bars("% of the operations' time", list(bars), series, stacked=True)
            yield f"Where the time goes: {title}", note, chart
    yield from tables_of("profile", rows)


def _curves(rows: Sequence[Row]) -> Iterable[Drawn]:
    """What each kind of curve shows."""
    of_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_kind[row["what"]].append(row)
    steps = {"batch": "batch", "area": "pixels", "classes": "classes"}
    for what, varied in steps.items():
        measured = [row | {"pixels": _pixels(row["size"])} for row in of_kind[what]]
        for value, unit in _OF_STEPS.items():
            if what == "batch" or value != "images_per_second":
                log = what != "classes"
                yield from _curve(measured, varied, value, unit, log=log)
    unit = "images a second read"
    yield from _curve(of_kind["input"], "cores", "images_per_second", unit, log=True)
    if of_kind["startup"]:
        yield _phases(of_kind["startup"])


def _curve(
    rows: Sequence[Row], varied: str, value: str, unit: str, *, log: bool
) -> Iterable[Drawn]:
    """A value over what was varied, where two were measured."""
    series = _series(rows, varied, value)
    if series:
        axis = _VARIED[varied]
        notes = ["; ".join(series) if len(series) == 1 else "All else the same"]
        if log:
            notes.append("dashed: in proportion to the first point")
        chart = Curves(axis, unit, series, log=log)
        yield f"Cost: {unit} over {axis}", "; ".join(notes), chart


def _phases(rows: Sequence[Row]) -> Drawn:
    """The start of a run, phase after phase; of several rows of one bar the last."""
    kind = ("dataset", "size", "input", "cache")
    bars = {
        f"{', '.join(row[key] for key in kind)}: {row['examples']:,}": row
        for row in sorted(rows, key=lambda row: [row[x] for x in (*kind, "examples")])
    }
    series = {name: [row[key] for row in bars.values()] for key, name in PHASES.items()}
    note = (
        "From the start of the process to the end of the first step; cold: no program"
        " was compiled before, warm: with what the cold start left"
    )
    chart = Bars("seconds", list(bars), series, stacked=True)
    return "Startup over examples", note, chart


def _pixels(size: str) -> int:
    height, width = map(int, size.split("x"))
    return height * width


def _series(
    rows: Sequence[Row], varied: str, value: str
) -> dict[str, list[tuple[float, float]]]:
    """The points of each curve, named by all that its rows have in common."""
    fixed = ("model", "dataset", "batch", "size", "classes")
    own = {"batch": {"batch"}, "pixels": {"size"}, "classes": {"classes"}}
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for row in rows:
        if value in row:
            names = [x for x in fixed if x in row and x not in own.get(varied, ())]
            curve = ", ".join(_named(name, row[name]) for name in names)
            found[curve][row[varied]] = row[value]
    return {
        name: list(points.items()) for name, points in found.items() if len(points) > 1
    }


def _named(name: str, value: object) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    own = ("model", "dataset", "size", "what", "input", "torch_mode")
    return str(value) if name in own else f"{name.replace('_', ' ')} {value}"


def _section(title: str, note: str, drawn: Chart | Table, where: str) -> str:
    if isinstance(drawn, Table):
        return section(title, f"{where}. {note}.", markup(drawn))
    light, dark = (_data_uri(draw(drawn, theme)) for theme in (LIGHT, DARK))
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
