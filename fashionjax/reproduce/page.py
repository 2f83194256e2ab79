"""The page of a table: one HTML file, its pictures beside it."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from fashionjax.doctor.charts import size_scatter
from fashionjax.doctor.page import share_text
from fashionjax.doctor.statistics import size_spreads
from fashionjax.report import markup
from fashionjax.report.theme import DARK
from fashionjax.reproduce.data import Description
from fashionjax.reproduce.figures import FIGURES, Figure, Picture
from fashionjax.reproduce.runs import Plan
from fashionjax.reproduce.table import TEST, Part
from fashionjax.reproduce.text import MAX_COLUMNS_BESIDE, below
from fashionjax.reproduce.told import NUM_SEARCHED
from fashionjax.reproduce.values import Results

_STYLE = """
main { max-width: 1240px; }
.banner { display: inline-block; margin: 12px 0; padding: 6px 14px; font-weight: 600;
  border-radius: 8px; color: #7c2d12; background: #ffedd5; border: 1px solid #fdba74; }
@media (prefers-color-scheme: dark) {
  .banner { color: #fed7aa; background: #431407; border-color: #9a3412; } }
.part { margin-top: 20px; }
.part h3, .figure h3 { font-size: 15px; margin: 0 0 8px; }
.part table { width: auto; min-width: min(100%, 520px); }
.part td, .part thead th { text-align: right; padding-left: 14px; padding-right: 0;
  white-space: nowrap; }
.part thead th:first-child, .part td.remark { text-align: left; }
.part td.remark { white-space: normal; min-width: 220px; padding-left: 24px;
  color: var(--muted); font-size: 13px; }
.part th[scope=colgroup] { text-align: center; color: var(--ink); font-weight: 600; }
.part .paper, .part .kind { color: var(--muted); }
.part .ours { font-weight: 600; }
.part .first { padding-left: 34px; }
.part .lack { color: #dc2626; font-weight: 600; }
.part tr.below td, .part tr.below th { border-top: 0; padding-top: 0; }
.part tbody th { padding-right: 8px; }
.part .kind { text-align: left; }
.figure { margin-bottom: 24px; }
.grid { display: grid; gap: 6px; grid-auto-flow: column; justify-content: start;
  grid-auto-columns: minmax(90px, 170px); overflow-x: auto; margin-bottom: 6px; }
.grid img { width: 100%; border-radius: 5px; }
.grid figcaption { color: var(--muted); font-size: 12px; padding: 3px 0 6px;
  overflow-wrap: anywhere; }
.wide .charts { grid-template-columns: 1fr; }
.runs code { font-size: 12px; overflow-wrap: anywhere; }
"""


def make_page(
    results: Results,
    *,
    curves: Sequence[Figure],
    panels: Sequence[Figure],
    told: Sequence[Figure],
    confusions: Sequence[Figure],
    galleries: Sequence[Figure],
    data: Sequence[Description],
    folder: Path,
) -> str:
    """Writes the page of a table.

    Args:
        results: The numbers.
        curves: Validation curves.
        panels: Photos, truths and the predictions of several runs.
        told: Masks by what is told of an image's classes.
        confusions: Confusion matrices.
        galleries: Examples by loss.
        data: What the runs were trained on.
        folder: Where figures of the data are drawn to.

    Returns:
        HTML.
    """
    table = results.table
    body = [
        _header(results),
        *(_part(results, part) for part in table.parts),
        _failures(results),
        _figures(
            "Learning curves",
            "Metrics of the val split after each evaluation.",
            curves,
            _charts,
        ),
        _figures(
            "Masks",
            "Photo, truth and one prediction for each run; the first examples of the"
            " test split, not chosen.",
            panels,
            _grid,
        ),
        _figures(
            "Told in advance",
            "Photo, truth, and the prediction with nothing told, with all classes of"
            " the image told, and with one that is not there ruled out, the one of most"
            f" pixels. Of the first {NUM_SEARCHED} test images those that gain most.",
            told,
            _grid,
        ),
        _figures(
            "Confusion",
            "Classes along the body, from head to foot; what is worn in the same place"
            " lies beside the diagonal. Grey: a class that does not occur.",
            confusions,
            _charts,
        ),
        _figures(
            "Examples by loss",
            "Photo, truth, prediction, and in black the pixels that are wrong.",
            galleries,
            _grid,
        ),
        *(_data(description, folder) for description in data),
        _runs(results),
    ]
    return markup.document(f"{table.name}: {table.document}", "\n".join(body), _STYLE)


def _header(results: Results) -> str:
    table, label = results.table, results.label
    outcomes = [results.outcomes[run, TEST] for run in table.runs]
    made = sum(not outcome.error for outcome in outcomes)
    facts = {
        "Data": results.scale.dataset or "those of the document",
        "Scale": results.scale.name,
        "Runs": f"{made} of {len(outcomes)} have a result",
    }
    banner = f'<p class="banner">{markup.text(label)}</p>' if label else ""
    for remark in results.remarks:
        banner += f'<p class="note">{markup.text(remark)}.</p>'
    return (
        f"<header><h1>{markup.text(table.document)}</h1>"
        f'<p class="note">{markup.text(table.title)}</p>{banner}</header>'
        f"{markup.facts(facts)}"
        f'<p class="command">Made by</p><pre>{markup.text(results.command)}</pre>'
    )


def _part(results: Results, part: Part) -> str:
    beside = len(part.columns) <= MAX_COLUMNS_BESIDE
    table = _beside(results, part) if beside else _below(results, part)
    return (
        f'<section class="part"><h3>{markup.text(part.title)}, '
        f"in {part.unit}</h3>"
        f'<div class="scroll">{table}</div></section>'
    )


def _cell(kind: str, text: str, *, lack: bool = False, first: bool = False) -> str:
    names = [kind] + ["lack"] * lack + ["first"] * first
    return f'<td class="{" ".join(names)}">{markup.text(text)}</td>'


def _beside(results: Results, part: Part) -> str:
    """The numbers of a cell side by side, under the name of their column."""
    kinds = results.kinds
    remark = any(row.remark for row in part.rows)
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(kinds)}" class="first">'
        f"{markup.text(name)}</th>"
        for name in part.columns
    )
    heads = "".join(
        f'<th scope="col"{" class=first" * (i == 0)}>{kind}</th>'
        for _ in part.columns
        for i, kind in enumerate(kinds)
    )
    says = '<th scope="col">the document says</th>' * remark
    rows = []
    for row in part.rows:
        cells = []
        for cell in row.cells:
            value = results.value(cell, part.unit)
            for i, kind in enumerate(kinds):
                lack = kind == "ours" and bool(value.lack)
                cells.append(_cell(kind, value.texts[kind], lack=lack, first=i == 0))
        if remark:
            cells.append(_cell("remark", row.remark))
        name = markup.text(row.name)
        rows.append(f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>')
    return (
        f"<table><thead><tr><th></th>{groups}{'<th></th>' * remark}</tr>"
        f"<tr><th></th>{heads}{says}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _below(results: Results, part: Part) -> str:
    """The numbers of a row below one another: many columns."""
    heads = "".join(f'<th scope="col">{markup.text(n)}</th>' for n in part.columns)
    rows = []
    for row in part.rows:
        lacks = [bool(results.value(cell, part.unit).lack) for cell in row.cells]
        for i, (kind, texts) in enumerate(below(results, part, row).items()):
            cells = "".join(
                _cell(kind, text, lack=lack and kind == "ours")
                for text, lack in zip(texts, lacks, strict=True)
            )
            name = markup.text(row.name) if i == 0 else ""
            line = "" if i == 0 else ' class="below"'
            rows.append(
                f'<tr{line}><th scope="row">{name}</th><td class="kind">{kind}</td>'
                f"{cells}</tr>"
            )
    return (
        f"<table><thead><tr><th></th><th></th>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _failures(results: Results) -> str:
    if not results.failures:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{markup.text(outcome.plan.run.config)}</th>'
        f"<td>{markup.text(outcome.error)}</td></tr>"
        for outcome in results.failures
    )
    note = "The same command makes them; finished runs are not made again."
    table = f'<div class="scroll"><table>{rows}</table></div>'
    return markup.section("Runs without a result", note, table)


def _figures(
    title: str,
    note: str,
    figures: Sequence[Figure],
    draw: Callable[[Sequence[Picture]], str],
) -> str:
    if not figures:
        return ""
    parts = [
        f'<div class="figure{" wide" * figure.wide}">'
        f"<h3>{markup.text(figure.title)}</h3>"
        f"{markup.legend(figure.colors) if figure.colors else ''}"
        f"{''.join(draw(row) for row in figure.rows)}</div>"
        for figure in figures
    ]
    return markup.section(title, note, "".join(parts))


def _charts(row: Iterable[Picture]) -> str:
    figures = "".join(
        f"<figure><figcaption>{markup.text(picture.caption)}</figcaption>"
        f"{_image(picture)}</figure>"
        for picture in row
    )
    return f'<div class="charts">{figures}</div>'


def _grid(row: Iterable[Picture]) -> str:
    figures = "".join(
        f"<figure>{_image(picture)}<figcaption>{markup.text(picture.caption)}"
        "</figcaption></figure>"
        for picture in row
    )
    return f'<div class="grid">{figures}</div>'


def _image(picture: Picture) -> str:
    if picture.themed:
        dark = picture.file.replace(".png", f"{DARK.suffix}.png")
        return markup.picture(picture.file, dark, picture.caption)
    alt = markup.text(picture.caption)
    return f'<img src="{picture.file}" alt="{alt}" loading="lazy">'


def _data(description: Description, folder: Path) -> str:
    """Classes and sizes of the data, as doctor shows them of whole datasets."""
    label_map = description.label_map
    shares = description.pixels / max(1, int(description.pixels.sum()))
    largest = float(shares[1:].max(initial=0.0)) or 1.0
    rows = []
    for i in np.argsort(-description.images, kind="stable").tolist():
        part = description.images[i] / description.num_sampled
        length = None if i == 0 else float(shares[i]) / largest
        rows.append(
            f'<tr><th scope="row">{markup.chip(label_map.palette[i])}'
            f"{markup.text(label_map.class_names[i])}</th>"
            f"{markup.bar_cell(share_text(float(part)), float(part))}"
            f"{markup.bar_cell(share_text(float(shares[i])), length)}</tr>"
        )
    note = (
        f"{description.num_sampled:,} of {description.num_examples:,} training examples"
        " of this table's runs. All of a prepared dataset, with duplicates and sizes:"
        " python -m fashionjax.data doctor."
    )
    table = (
        '<div class="scroll"><table><thead><tr><th scope="col">Class</th>'
        '<th scope="col">Part of the images</th><th scope="col">Part of the pixels</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    content = table + _sizes(description, folder)
    return markup.section(f"Data: {description.dataset}", note, content)


def _sizes(description: Description, folder: Path) -> str:
    if description.sizes is None:
        return ""
    spreads = size_spreads(description.sizes)
    rows = "".join(
        f'<tr><th scope="row">{name.capitalize()}</th><td>{spread.max:,.0f}</td>'
        f"<td>{spread.min:,.0f}</td><td>{spread.mean:,.2f}</td></tr>"
        for name, spread in spreads.items()
        if name in ("height", "width")
    )
    name = f"sizes-{description.dataset}"
    for suffix, file in size_scatter(description.sizes).items():
        (folder / f"{name}{suffix}.png").write_bytes(file)
    picture = Picture(
        f"{FIGURES}/{name}.png", "Sizes; bigger dots, more photos", themed=True
    )
    return (
        '<div class="scroll"><table><thead><tr><th></th><th scope="col">Max</th>'
        '<th scope="col">Min</th><th scope="col">Mean</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{_charts([picture])}"
    )


def _runs(results: Results) -> str:
    rows = []
    for run in results.table.runs:
        outcome = results.outcomes[run, TEST]
        state = outcome.error or "has a result"
        rows.append(
            f'<tr><th scope="row">{markup.text(run.title)}</th>'
            f"<td>{markup.text(_model(outcome.plan))}</td>"
            f"<td>{markup.text(state)}</td>"
            f"<td><code>{markup.text(outcome.plan.command)}</code></td></tr>"
        )
    note = "Each has its own report, report/index.html in its work directory."
    names = ("Run", "Model", "State", "Command")
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    table = (
        f'<div class="scroll runs"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    return markup.section("Runs", note, table)


def _model(plan: Plan) -> str:
    """What a run trains, whatever the document's row is called."""
    model = plan.resolved_config().model
    words, width = [model.name, model.get("variant")], model.get("features")
    if model.encoder != "none":
        words.append(model.encoder)
        width = model.encoder_options.get("features")
    words.append(width and f"features {width}")
    return ", ".join(filter(None, words))
