"""Rows of the benchmark: a table for people, lines of JSON for everything else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashionjax.bench.environment import environment
from fashionjax.bench.startup import PHASES

Row = dict[str, Any]

_SHOWN: Mapping[str, Sequence[str]] = {
    "train": (
        "model",
        "batch",
        "size",
        "dtype",
        "step_ms",
        "images_per_second",
        "tflops",
        "mfu",
        "gb_s",
        "roofline_share",
        "tuned_share",
        "planned_mib",
        "compile_cold_s",
        "compile_warm_s",
    ),
    "profile": (
        "model",
        "batch",
        "size",
        "dtype",
        "what",
        "step_ms",
        "operations",
        "busy_share",
        "named_share",
        "graph_launches",
        "convolution",
        "product",
        "reduction",
        "elementwise",
        "copy",
        "collective",
        "other",
        "forward",
        "backward",
        "update",
    ),
    "infer": (
        "model",
        "batch",
        "size",
        "dtype",
        "fold",
        "latency_ms_p50",
        "latency_ms_p99",
        "images_per_second",
        "mfu",
        "roofline_share",
        "tuned_share",
        "planned_mib",
        "compile_s",
    ),
    "curves": (
        "what",
        "model",
        "dataset",
        "batch",
        "size",
        "classes",
        "dtype",
        "cores",
        "examples",
        "input",
        "cache",
        "step_ms",
        "images_per_second",
        "planned_mib",
        "peak_mib",
        *PHASES,
        "total_s",
    ),
}
"""What the table has of rows that are too long for one; all of the other commands'."""


def report(command: str, measured: Mapping[str, Any], out: Path | None = None) -> None:
    """Prints a row as one line of JSON and as a table, and appends the line to a file.

    Args:
        command: What measured it.
        measured: The row, by name.
        out: File of JSON lines; None for none.
    """
    row = {"bench": command, **measured, **environment()}
    line = json.dumps(row)
    print(line, flush=True)
    shown = [name for name in _SHOWN.get(command, measured) if name in measured]
    print(table([{name: measured[name] for name in shown}]))
    for value in measured.values():
        # Such as a profile's slowest layers.
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"\n{table(value)}")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of rows that have the same names."""
    names = rows[0].keys()
    cells = [[_cell(row[name]) for name in names] for row in rows]
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read_results(file: Path) -> list[Row]:
    """Reads the rows that `report` appended.

    Raises:
        ValueError: If a line is no row.
    """
    rows = []
    for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{file}, line {number} is no JSON: {error}") from error
        if not isinstance(row, dict) or "bench" not in row:
            raise ValueError(f"{file}, line {number} is no row of the benchmark")
        rows.append(row)
    return rows
