"""What a table of a document is: runs, cells and the document's own numbers."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

Unit = Literal["percent", "fraction", "images/s"]
"""Of a document's numbers; those of runs are fractions, or images per second."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run whose results a table shows.

    Attributes:
        config: Its config below `configs/`, without ending: "s1/unet_focal_adam".
        dataset: The document's own dataset, a name that the config knows.
        title: What figures call it.
        size_factor: Its image size over that of the table's other runs.
        fixed: Keys of its configuration that are set whatever the reader sets, where
            the configuration has them.
    """

    config: str
    dataset: str
    title: str
    size_factor: int = 1
    fixed: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """An evaluation of a run's best checkpoint.

    Attributes:
        folder: Where the run keeps it, within its work directory.
        flags: What makes it, beside `--mode=eval`; empty: the run does so itself.
        searches_crf: Whether the options of a CRF are searched first.
    """

    folder: str
    flags: tuple[str, ...] = ()
    searches_crf: bool = False


TEST = Evaluation("eval-test")
"""What every run ends with."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A number of a table.

    Attributes:
        paper: The document's, in the unit of its part; None where it gives none.
        run: The run that ours is of; None where the document quotes others.
        metric: Name in the evaluation's `metrics.json`; or `row/TRUE/PRED` and
            `column/TRUE/PRED` for parts of a row and a column of its confusion matrix;
            or `images_per_second/with_crf` and `…/without_crf`.
        evaluation: Which evaluation of the run.
    """

    paper: float | None
    run: Run | None = None
    metric: str = ""
    evaluation: Evaluation = TEST


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: What the document calls it.
        cells: One for each column.
        remark: What the document says of it in words.
    """

    name: str
    cells: tuple[Cell, ...]
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Part:
    """Rows under the same columns.

    Attributes:
        title: As in the document.
        columns: Names of the columns.
        rows: The rows, each with a cell for each column.
        unit: Of the document's numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unit: Unit = "percent"

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"{self.title}: row {row.name!r} has {len(row.cells)} cells for"
                    f" {len(self.columns)} columns"
                )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Runs whose validation curves lie in one figure.

    Attributes:
        title: As in the document.
        runs: The runs.
    """

    title: str
    runs: tuple[Run, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table, or tables that belong together.

    Attributes:
        name: What the command calls it.
        document: Short name and title of the document.
        title: What it shows.
        parts: The numbers.
        required: Keys of the configuration that the reader must set on the document's
            own data, with the reason.
        comparisons: Figures of learning curves.
        curves: Metrics of those figures, a chart each.
        shown: Runs whose confusion matrix and examples the page shows.
        told: Runs whose masks the page shows with and without the true categories told.
        sources: Runs whose data the page describes, as the document describes its own.
    """

    name: str
    document: str
    title: str
    parts: tuple[Part, ...]
    required: tuple[tuple[str, str], ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    curves: tuple[str, ...] = ()
    shown: tuple[Run, ...] = ()
    told: tuple[Run, ...] = ()
    sources: tuple[Run, ...] = ()

    @property
    def cells(self) -> Iterator[Cell]:
        """All cells, in the order of the page."""
        for part in self.parts:
            for row in part.rows:
                yield from row.cells

    @property
    def evaluations(self) -> tuple[tuple[Run, Evaluation], ...]:
        """What is evaluated beside `TEST`, each once, in the order of the page."""
        found = [(cell.run, cell.evaluation) for cell in self.cells if cell.run]
        return tuple(dict.fromkeys(pair for pair in found if pair[1] != TEST))

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that the table needs, each once, in the order of the page."""
        runs = [cell.run for cell in self.cells if cell.run is not None]
        runs += [run for comparison in self.comparisons for run in comparison.runs]
        return tuple(dict.fromkeys([*runs, *self.shown, *self.told, *self.sources]))
