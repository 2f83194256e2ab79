"""The page itself: `report/index.html`."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fashionjax.report import markup
from fashionjax.report.confusion import draw_confusion
from fashionjax.report.contact_sheet import CONTACT_SHEET, draw_contact_sheet
from fashionjax.report.curves import Chart, draw_chart, make_charts
from fashionjax.report.inputs import (
    AugmentedExample,
    ClassResult,
    Evaluation,
    Panel,
    Schedule,
    class_results,
    number,
)
from fashionjax.report.panels import (
    KINDS,
    agreement,
    colors_of,
    draw_panel,
    panel_file,
    shown_classes,
)
from fashionjax.report.theme import DARK
from fashionjax.visualize import Palette
from fashionjax.writers import read_metrics

HEADLINES = {
    "mean_iou": ("Mean IoU", "over classes, with background"),
    "pooled_iou_excl_bg": ("Pooled IoU", "all pixels, no background"),
    "mask_iou": ("Foreground IoU", "any class against background"),
    "pixel_accuracy": ("Pixel accuracy", "with background"),
    "f1": ("Tags F1", "classes in the image"),
    "exact_match": ("All tags right", "share of images"),
    "box_iou": ("Box IoU", "classes in the image"),
}
"""Metrics at the top of the page: title and meaning."""


def write_report(  # noqa: PLR0913 (keywords of independent meaning)
    workdir: str | os.PathLike[str],
    *,
    title: str,
    facts: Mapping[str, str],
    class_names: Sequence[str],
    palette: Palette,
    evaluation: Evaluation,
    panels: Sequence[Panel],
    commands: Mapping[str, str] | None = None,
    best_metric: str | None = None,
    augmented: Sequence[AugmentedExample] | None = None,
    schedule: Schedule | None = None,
    body_order: Sequence[int] = (),
) -> Path:
    """Writes `report/index.html` and its PNGs.

    The page needs nothing else: no network and no script. `metrics.jsonl` of the work
    directory gives the curves, as far as there are any.

    Args:
        workdir: Folder of the run.
        title: Heading of the page.
        facts: What the run was, by name, in the order to show.
        class_names: Name per class id.
        palette: RGB per class.
        evaluation: The evaluation to show.
        panels: Examples.
        commands: Commands to show, by what they do.
        best_metric: The metric that the evaluated checkpoint was chosen by.
        augmented: Training examples and what augmentation made of them; None or empty:
            the page has no such section.
        schedule: The planned learning rate and momentum; None draws the learning rate
            that was logged.
        body_order: All class ids from head to feet, for the confusion matrix; empty: as
            they are numbered.

    Returns:
        The page, written after all of its pictures.

    Raises:
        ValueError: If class names, palette and confusion matrix do not fit together.
        OSError: If a file cannot be written.
    """
    if len(palette) != len(class_names):
        raise ValueError(f"{len(class_names)} class names, {len(palette)} colours")
    results = class_results(evaluation, class_names)
    folder = Path(workdir) / "report"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    # An older report's pictures must not stay, nor its page without them.
    page.unlink(missing_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    records = read_metrics(Path(workdir) / "metrics.jsonl")
    charts = make_charts(records, best_metric, schedule)
    for chart in charts:
        draw_chart(folder, chart)
    draw_confusion(folder, evaluation.confusion, class_names, body_order)
    for position, panel in enumerate(panels):
        draw_panel(folder, position, panel, palette)
    if augmented:
        draw_contact_sheet(folder, augmented, palette)
    body = [
        _header(title, facts, evaluation, commands or {}),
        _panels(panels, class_names, palette),
        _charts(charts),
        _augmentation(augmented or ()),
        _classes(results, palette),
        _confusion(len(class_names), bool(body_order)),
        _all_metrics(evaluation),
    ]
    unfinished = page.with_name("index.html.unfinished")
    unfinished.write_text(markup.document(title, "\n".join(body)), encoding="utf-8")
    unfinished.replace(page)
    return page


def _header(
    title: str,
    facts: Mapping[str, str],
    evaluation: Evaluation,
    commands: Mapping[str, str],
) -> str:
    cards = [
        markup.card(name, markup.percent(number(evaluation.metrics, metric)), hint)
        for metric, (name, hint) in HEADLINES.items()
        if metric in evaluation.metrics
    ]
    blocks = [
        f'<p class="command">{markup.text(name)}</p><pre>{markup.text(command)}</pre>'
        for name, command in commands.items()
    ]
    return (
        f"<header><h1>{markup.text(title)}</h1>"
        f'<p class="note">{markup.text(evaluation.split)} split · '
        f"{evaluation.num_images:,} images · parameters of step "
        f"{evaluation.step:,}</p></header>"
        f'<div class="cards">{"".join(cards)}</div>'
        f"{markup.facts(facts)}{''.join(blocks)}"
    )


def _picture(name: str, alt: str) -> str:
    """Shows a figure in the theme of the reader."""
    return markup.picture(f"{name}.png", f"{name}{DARK.suffix}.png", alt)


def _charts(charts: Sequence[Chart]) -> str:
    if not charts:
        return markup.section("Training", "This run has no recorded metrics.", "")
    figures = [
        f"<figure><figcaption>{markup.text(chart.title)}</figcaption>"
        f"{_picture(chart.name, f'{chart.title} over the steps of the run')}</figure>"
        for chart in charts
    ]
    note = (
        "Faint lines are the values, strong lines a running mean where there are many."
    )
    content = f'<div class="charts">{"".join(figures)}</div>'
    return markup.section("Training", note, content)


def _augmentation(examples: Sequence[AugmentedExample]) -> str:
    if not examples:
        return ""
    image_ids = ", ".join(example.image_id for example in examples)
    note = (
        "Training examples under their labels: as they are, and as steps of the run may"
        f" see them. From the top: {image_ids}."
    )
    figure = (
        f'<figure><img src="{CONTACT_SHEET}" loading="lazy"'
        ' alt="Rows of an example and its augmented versions"></figure>'
    )
    return markup.section("Augmentation", note, f'<div class="charts">{figure}</div>')


def _fraction_cell(value: float) -> str:
    """A cell with a fraction in percent and a bar; no bar where it is undefined."""
    length = value if math.isfinite(value) else None
    return markup.bar_cell(markup.percent(value), length)


def _classes(results: Sequence[ClassResult], palette: Palette) -> str:
    # Classes that do not occur have nothing to show and come last.
    ordered = sorted(results, key=lambda r: -r.share if r.share > 0 else 1.0)
    rows = [
        f'<tr><th scope="row">{markup.chip(palette[result.class_id])}'
        f"{markup.text(result.name)}</th>{_fraction_cell(result.share)}{_fraction_cell(result.iou)}{_fraction_cell(result.accuracy)}</tr>"
        for result in ordered
    ]
    table = (
        '<div class="scroll"><table><thead><tr><th scope="col">Class</th>'
        '<th scope="col">Share of pixels</th><th scope="col">IoU</th>'
        '<th scope="col">Accuracy</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    note = (
        "By share of the labelled pixels. Accuracy is the part of a class's pixels that"
        " were found; – where a class neither occurs nor was predicted."
    )
    return markup.section("Classes", note, table)


def _confusion(num_classes: int, by_body: bool) -> str:
    note = (
        "Each row: where the pixels of a true class went, in percent of that class."
        " A row without pixels is grey."
    )
    if by_body:
        note += " Classes are in the order in which they are worn, from head to feet."
    name = "matrix wide" if num_classes > 30 else "matrix"
    picture = _picture("confusion", "Confusion matrix in percent of the true class")
    content = f'<div class="scroll {name}">{picture}</div>'
    return markup.section("Confusion", note, content)


def _panels(
    panels: Sequence[Panel], class_names: Sequence[str], palette: Palette
) -> str:
    if not panels:
        return ""
    colors = colors_of(shown_classes(panels), class_names, palette)
    cards = []
    for position, panel in enumerate(panels):
        pictures = "".join(
            f'<img src="{panel_file(position, kind)}" loading="lazy"'
            f' alt="{kind} of {markup.text(panel.image_id)}">'
            for kind in KINDS
        )
        cards.append(
            f'<figure><div class="triple">{pictures}</div><figcaption>'
            f"<span>{markup.text(panel.image_id)}</span>"
            f"<span>{markup.percent(agreement(panel))} of pixels right</span>"
            "</figcaption></figure>"
        )
    note = "Photo, truth and prediction; the first examples of the split, not chosen."
    if any(panel.pred_boxes is not None for panel in panels):
        note += " Boxes are those of the classes that the truth contains."
    return markup.section(
        "Examples",
        note,
        f'{markup.legend(colors)}<div class="panels">{"".join(cards)}</div>',
    )


def _all_metrics(evaluation: Evaluation) -> str:
    rows = []
    for name in evaluation.metrics:
        value = number(evaluation.metrics, name)
        text = f"{value:.4f}" if math.isfinite(value) else "–"
        title = markup.text(name)
        rows.append(f'<tr><th scope="row">{title}</th><td>{text}</td></tr>')
    return (
        f"<details><summary>All {len(rows)} metrics</summary>"
        f'<table class="metrics">{"".join(rows)}</table></details>'
    )
