"""A table as Markdown and as CSV."""

import csv
import io
from collections.abc import Sequence

from fashionjax.reproduce.table import Part, Row
from fashionjax.reproduce.values import Results

MAX_COLUMNS_BESIDE = 4
"""Of more columns the numbers of a cell stand below one another, not side by side."""


def to_markdown(results: Results) -> str:
    """The tables for a terminal, a README or an issue."""
    table = results.table
    lines = [f"# {table.document}", "", table.title, ""]
    if results.label:
        lines += [f"**{results.label}**", ""]
    lines += [f"{remark}.\n" for remark in results.remarks]
    lines += [f"`{results.command}`", ""]
    for part in table.parts:
        title = f"## {part.title}, in {part.unit}"
        lines += [title, "", *_table(results, part), ""]
    if results.failures:
        lines += ["## Runs without a result", ""]
        lines += [f"- {o.plan.run.config}: {o.error}" for o in results.failures]
        lines.append("")
    return "\n".join(lines)


def _table(results: Results, part: Part) -> list[str]:
    remarks = any(row.remark for row in part.rows)
    if len(part.columns) <= MAX_COLUMNS_BESIDE:
        head = [f"{name}, {kind}" for name in part.columns for kind in results.kinds]
        rows = [
            [row.name, *_beside(results, part, row), row.remark] for row in part.rows
        ]
        head = ["", *head, "the document says"]
    else:
        head = ["", "", *part.columns, "the document says"]
        rows = [
            [row.name, kind, *texts, row.remark]
            for row in part.rows
            for kind, texts in below(results, part, row).items()
        ]
    if not remarks:
        head, rows = head[:-1], [row[:-1] for row in rows]
    align = ["---", *["---:"] * (len(head) - 1 - remarks), *["---"] * remarks]
    return [_line(head), _line(align), *(_line(row) for row in rows)]


def _beside(results: Results, part: Part, row: Row) -> list[str]:
    """The numbers of each cell, one after another."""
    values = [results.value(cell, part.unit) for cell in row.cells]
    return [value.texts[kind] for value in values for kind in results.kinds]


def below(results: Results, part: Part, row: Row) -> dict[str, list[str]]:
    """The numbers of a row's cells, by what they are."""
    values = [results.value(cell, part.unit) for cell in row.cells]
    return {kind: [value.texts[kind] for value in values] for kind in results.kinds}


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def to_csv(results: Results) -> str:
    """A line for each number, in full precision, for other programs."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    head = "part row column metric evaluation paper ours difference unit note"
    writer.writerow(head.split())
    for part in results.table.parts:
        for row in part.rows:
            for column, cell in zip(part.columns, row.cells, strict=True):
                value = results.value(cell, part.unit)
                folder = ""
                if cell.run is not None:
                    plan = results.outcomes[cell.run, cell.evaluation].plan
                    folder = plan.workdir / cell.evaluation.folder
                numbers = (value.paper, value.ours, value.difference)
                note = value.lack or results.label
                where = (part.title, row.name, column, cell.metric)
                shown = ("" if number is None else number for number in numbers)
                writer.writerow([*where, folder, *shown, part.unit, note])
    return file.getvalue()
