"""The figures of a table's page, as files beside it."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.report.confusion import draw_confusion
from fashionjax.report.curves import VALIDATION_METRICS, Chart, Curve, draw_chart
from fashionjax.report.panels import (
    KINDS,
    WRONG,
    colors_of,
    draw_panel,
    draw_wrong_pixels,
    panel_file,
    shown_classes,
)
from fashionjax.reproduce.examples import Example, make_gallery
from fashionjax.reproduce.table import TEST, Comparison, Run
from fashionjax.reproduce.told import Told, tell_examples
from fashionjax.reproduce.values import Results, label_map_of
from fashionjax.train.run_config import read_config
from fashionjax.visualize import Palette
from fashionjax.writers import read_metrics, series

FIGURES = "figures"
"""Folder of the pictures, beside the page."""

MAX_BESIDE = 15
"""Matrices of more classes stand below one another."""

_IMAGE, _TRUTH, _PREDICTION = KINDS
_METRIC_NAMES = {**VALIDATION_METRICS, "binary_iou": "IoU of background and clothes"}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of a figure.

    Attributes:
        file: Its path from the page.
        caption: What to say of it.
        themed: Whether there is one for the dark theme beside it.
    """

    file: str
    caption: str
    themed: bool = False


@dataclasses.dataclass(frozen=True)
class Figure:
    """Pictures that belong together.

    Attributes:
        title: What they show.
        rows: The pictures.
        wide: Whether each needs the whole width of the page.
        colors: What colours in them stand for, RGB 0..255 by name.
    """

    title: str
    rows: Sequence[Sequence[Picture]]
    wide: bool = False
    colors: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)


def draw_curves(results: Results, folder: Path) -> Iterator[Figure]:
    """Draws the validation curves of runs that are compared, a chart a metric."""
    for number, comparison in enumerate(results.table.comparisons):
        charts = [
            _chart(results, comparison, metric, f"curves-{number}-{metric}")
            for metric in results.table.curves
        ]
        drawn = [chart for chart in charts if any(c.is_drawable for c in chart.curves)]
        for chart in drawn:
            draw_chart(folder, chart)
        pictures = [
            Picture(f"{FIGURES}/{chart.name}.png", chart.title, themed=True)
            for chart in drawn
        ]
        if pictures:
            yield Figure(comparison.title, [pictures])


def _chart(results: Results, comparison: Comparison, metric: str, name: str) -> Chart:
    title = _METRIC_NAMES.get(metric, metric)
    curves = []
    for run, workdir in results.workdirs(comparison.runs).items():
        records = read_metrics(workdir / "metrics.jsonl")
        steps, values = series(records, "val", metric)
        hides = any(_coincide(values, curve.values) for curve in curves)
        curves.append(Curve(run.title, steps, values, sparse=True, dashed=hides))
    return Chart(name, title, f"{title} on val", tuple(curves), percent=True)


def _coincide(values: Sequence[float], others: Sequence[float]) -> bool:
    """Whether two curves of the same steps cannot be told apart in a chart."""
    if len(values) != len(others):
        return False
    return np.allclose(values, others, rtol=0.0, atol=0.002, equal_nan=True)


def copy_panels(results: Results, folder: Path) -> Iterator[Figure]:
    """Puts the runs' predictions of the same photos side by side.

    They are those of the runs' own reports: the first examples of the test split. Runs
    that see other photos or other classes stand in a figure of their own.
    """
    done = set()
    for part in results.table.parts:
        # Reports have no predictions of other evaluations, such as those with CRF.
        cells = [c for row in part.rows for c in row.cells if c.evaluation == TEST]
        runs = [cell.run for cell in cells if cell.run is not None]
        groups: dict[tuple[str, ...], list[Path]] = {}
        titles = {}
        for run, workdir in results.workdirs(list(dict.fromkeys(runs))).items():
            data = read_config(workdir).data
            groups.setdefault((data.name, data.label_map), []).append(workdir)
            titles[workdir] = run.title
        for (dataset, _), members in groups.items():
            if tuple(members) in done:
                continue
            done.add(tuple(members))
            rows = list(_rows_of_panels(members, titles, folder, len(done)))
            if rows:
                title = f"{part.title}: {dataset}"
                yield Figure(title, rows, colors=_colors(members))


def _colors(members: Sequence[Path]) -> dict[str, Sequence[int]]:
    """Colours of the classes that are in the test split or predicted there."""
    label_map = label_map_of(members[0])
    counts = sum(np.load(member / TEST.folder / "confusion.npy") for member in members)
    ids = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1)).tolist()
    if IGNORE_INDEX in label_map.target_of.values():
        ids.append(IGNORE_INDEX)
    shown = [i for i in ids if i != BACKGROUND]
    return colors_of(shown, label_map.class_names, label_map.palette)


def _rows_of_panels(
    members: Sequence[Path], titles: dict[Path, str], folder: Path, number: int
) -> Iterator[list[Picture]]:
    """A row for each example that all runs have: photo, truth, a prediction each."""
    first = members[0]
    for position in range(len(list((first / "report").glob(f"panel-*-{_IMAGE}.png")))):
        wanted = [(first, _IMAGE, "photo"), (first, _TRUTH, "truth")]
        wanted += [(member, _PREDICTION, titles[member]) for member in members]
        files = [
            member / "report" / panel_file(position, kind) for member, kind, _ in wanted
        ]
        if not all(file.is_file() for file in files):
            return
        row = []
        for column, (file, (_, _, caption)) in enumerate(
            zip(files, wanted, strict=True)
        ):
            name = f"panels-{number}-{position}-{column}.png"
            shutil.copyfile(file, folder / name)
            row.append(Picture(f"{FIGURES}/{name}", caption))
        yield row


def draw_confusions(results: Results, folder: Path) -> Iterator[Figure]:
    """Draws confusion matrices along the body, in percent of rows and of columns.

    Those of a table with CRF are with it, as its examples are.
    """
    shown = results.workdirs(results.table.shown)
    for number, (run, workdir) in enumerate(shown.items()):
        label_map = label_map_of(workdir)
        names, order = label_map.class_names, label_map.body_order
        crf = _crf_folder(results, run)
        confusion = np.load(workdir / (crf or TEST.folder) / "confusion.npy")
        pictures = []
        for kind, by_prediction, caption in (
            ("rows", False, "in percent of the true class: each row adds up to 100"),
            ("columns", True, "in percent of the predicted class: each column does"),
        ):
            name = f"confusion-{number}-{kind}"
            draw_confusion(
                folder, confusion, names, order, name=name, by_prediction=by_prediction
            )
            pictures.append(Picture(f"{FIGURES}/{name}.png", caption, themed=True))
        title = f"{run.title}, with CRF" if crf else run.title
        yield Figure(title, [pictures], wide=len(names) > MAX_BESIDE)


def draw_galleries(results: Results, folder: Path) -> Iterator[Figure]:
    """Draws examples by loss: photo, truth, prediction, and in black what is wrong."""
    shown = results.workdirs(results.table.shown)
    for number, (run, workdir) in enumerate(shown.items()):
        gallery = make_gallery(workdir, _crf_folder(results, run))
        names, palette = gallery.label_map.class_names, gallery.label_map.palette
        for level, examples in gallery.levels.items():
            name = f"gallery-{number}-{level.replace(' ', '-')}"
            rows = [
                _draw_example(folder / name, place, example, palette)
                for place, example in enumerate(examples)
            ]
            title = f"{run.title}: {level}, of {gallery.num_images:,} test images"
            panels = [p for e in examples for p in (e.panel, e.refined) if p]
            if rows:
                colors = colors_of(shown_classes(panels), names, palette)
                yield Figure(title, rows, colors=colors)


def draw_told(results: Results, folder: Path) -> Iterator[Figure]:
    """Draws test images as runs see them, told of their classes and not."""
    for number, (run, workdir) in enumerate(
        results.workdirs(results.table.told).items()
    ):
        label_map = label_map_of(workdir)
        examples = tell_examples(workdir)
        rows = [
            _draw_told(folder / f"told-{number}", place, told, label_map.palette)
            for place, told in enumerate(examples)
        ]
        shown = [
            dataclasses.replace(told.panel, pred=pred)
            for told in examples
            for pred in (told.panel.pred, told.oracle, told.without)
        ]
        colors = colors_of(
            shown_classes(shown), label_map.class_names, label_map.palette
        )
        if rows:
            yield Figure(run.title, rows, colors=colors)


def _draw_told(folder: Path, place: int, told: Told, palette: Palette) -> list[Picture]:
    """A row: photo, truth, and predictions by what is told."""
    preds = {"": told.panel.pred, "oracle": told.oracle}
    captions = [told.panel.image_id, "truth", "nothing told", "all its classes told"]
    if told.absent:
        preds["absent"] = told.without
        captions.append(f"told: no {told.absent}")
    for name, pred in preds.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        panel = dataclasses.replace(told.panel, pred=pred)
        draw_panel(folder / name, place, panel, palette)
    files = [folder / panel_file(place, kind) for kind in (_IMAGE, _TRUTH)]
    files += [folder / name / panel_file(place, _PREDICTION) for name in preds]
    return [
        Picture(f"{FIGURES}/{file.relative_to(folder.parent).as_posix()}", caption)
        for file, caption in zip(files, captions, strict=True)
    ]


def _crf_folder(results: Results, run: Run) -> str:
    """Where a run's evaluation with CRF lies, if the table has one."""
    for (other, evaluation), outcome in results.outcomes.items():
        if other == run and evaluation.searches_crf and not outcome.error:
            return evaluation.folder
    return ""


def _draw_example(
    folder: Path, place: int, example: Example, palette: Palette
) -> list[Picture]:
    """A row: photo, truth, prediction, that with CRF if there is one, wrong pixels."""
    folder.mkdir(exist_ok=True)
    draw_panel(folder, place, example.panel, palette)
    draw_wrong_pixels(folder, place, example.refined or example.panel)
    captions = [example.panel.image_id, "truth", f"loss {example.loss:.3f}"]
    files = [panel_file(place, kind) for kind in KINDS]
    if example.refined is not None:
        (folder / "crf").mkdir(exist_ok=True)
        draw_panel(folder / "crf", place, example.refined, palette)
        files.append(f"crf/{panel_file(place, _PREDICTION)}")
        captions.append("with CRF")
    files.append(panel_file(place, WRONG))
    captions.append(WRONG)
    return [
        Picture(f"{FIGURES}/{folder.name}/{file}", caption)
        for file, caption in zip(files, captions, strict=True)
    ]
