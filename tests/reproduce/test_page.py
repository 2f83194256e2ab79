import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from fashionjax.data.label_maps import IMATERIALIST_9
from fashionjax.report import Panel
from fashionjax.report.theme import THEMES
from fashionjax.reproduce import __main__ as command
from fashionjax.reproduce import figures, tables
from fashionjax.reproduce.data import Description
from fashionjax.reproduce.examples import Example, Gallery
from fashionjax.reproduce.table import TEST
from fashionjax.reproduce.told import Told
from fashionjax.writers import JsonlWriter
from tests.reproduce.fake import make_results


class _Page(HTMLParser):
    """Collects the files that a page names, and its text."""

    def __init__(self, text):
        super().__init__()
        self.files, self.text, self.num_legends = set(), "", 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.num_legends += (tag, attrs) == ("ul", [("class", "legend")])
        self.files |= {v for k, v in attrs if k in {"src", "srcset", "href"}}

    def handle_data(self, data):
        self.text += data + "\n"


def _finish(results):
    """Adds what the figures are made from to the runs."""
    for run in results.table.runs:
        outcome = results.outcomes[run, TEST]
        if outcome.error:
            continue
        writer = JsonlWriter(outcome.plan.workdir / "metrics.jsonl")
        for step in (10, 20):
            higher = 0.1 * run.config.startswith("s1/segnet")
            metrics = {"pixel_accuracy": step / 40, "binary_iou": step / 50 + higher}
            writer.write(step, "val", metrics)
        writer.close()
        report = outcome.plan.workdir / "report"
        report.mkdir(exist_ok=True)
        for position in range(2):
            for kind in ("image", "truth", "prediction"):
                picture = Image.new("RGB", (4, 6))
                picture.save(report / f"panel-{position:02}-{kind}.png")


def _gallery(workdir, crf_folder):
    del workdir
    label = np.zeros((6, 4), np.uint8)
    image = np.zeros((6, 4, 3), np.uint8)
    panel = Panel(image, label, label + 1, "<i>.jpg")
    example = Example(panel, 2.5, panel if crf_folder else None)
    return Gallery(7, IMATERIALIST_9, {"highest loss": [example]})


def _tell(workdir):
    del workdir
    label = np.zeros((6, 4), np.uint8)
    panel = Panel(np.zeros((6, 4, 3), np.uint8), label, label + 2, "1.jpg")
    return [Told(panel, label, "overtop", label + 1), Told(panel, label, "", label)]


def _describe(workdir):
    del workdir
    nine = np.arange(9)
    sizes = np.array([[600, 400], [500, 400]])
    return Description("toy", 10, 20, IMATERIALIST_9, nine, nine * 5, sizes)


def _draw_chart(folder, chart):
    assert [curve.values for curve in chart.curves if curve.is_drawable]
    for theme in THEMES:
        (folder / f"{chart.name}{theme.suffix}.png").touch()


def _draw_confusion(folder, confusion, class_names, order, *, name, by_prediction):
    assert confusion.shape == (len(class_names), len(class_names))
    assert sorted(order) == list(range(len(class_names)))
    assert by_prediction == name.endswith("columns")
    for theme in THEMES:
        (folder / f"{name}{theme.suffix}.png").touch()


@pytest.fixture
def write(monkeypatch):
    """Writes a table whose runs need no model, and whose figures are empty files."""
    monkeypatch.setattr(figures, "draw_chart", _draw_chart)
    monkeypatch.setattr(figures, "draw_confusion", _draw_confusion)
    monkeypatch.setattr(figures, "make_gallery", _gallery)
    monkeypatch.setattr(figures, "tell_examples", _tell)
    monkeypatch.setattr(command, "describe", _describe)
    monkeypatch.setattr(command, "use_compilation_cache", lambda folder: folder)

    def write(results, folder):
        _finish(results)
        file = command.write_table(results, folder)
        return _Page(file.read_text())

    return write


def test_a_page_has_all_figures_of_its_table_and_nothing_from_elsewhere(
    tmp_path, write
):
    errors = {"s1/fcn_sce_sgd": ("no <data>", False)}
    results = make_results(tables.S1_GRID, tmp_path, errors=errors, pixel_accuracy=0.5)
    folder = tmp_path / "page"
    page = write(results, folder)
    for file in page.files:
        assert (folder / file).is_file(), file
    drawn = {file.relative_to(folder).as_posix() for file in folder.rglob("*.png")}
    assert page.files == drawn
    for title in (
        "Learning curves",
        "U-Net by focal loss: SGD and Adam (Fig. 7)",
        "Masks",
        "Confusion",
        "Examples by loss",
        "Data: toy",
        "Runs without a result",
        "no <data>",
    ):
        assert title in page.text
    # Five comparisons of two metrics, in two themes.
    assert sum("curves-" in file for file in drawn) == 20
    # Of the masks of each part, and of the examples.
    assert page.num_legends == 6
    # Two examples of four, four, three and two runs beside photo and truth; the runs
    # at 512 see the same photos, larger.
    assert sum("panels-" in file for file in drawn) == 2 * (6 + 6 + 5 + 4)
    assert (folder / "table.md").is_file()
    assert (folder / "table.csv").is_file()


def test_a_curve_that_lies_upon_another_is_dashed(tmp_path, monkeypatch):
    charts = []
    monkeypatch.setattr(figures, "draw_chart", lambda _, chart: charts.append(chart))
    results = make_results(tables.S1_GRID, tmp_path)
    _finish(results)
    assert len(list(figures.draw_curves(results, tmp_path))) == 5
    dashed = {chart.name: [c.dashed for c in chart.curves] for chart in charts}
    # Two runs of U-Net; the best SegNet and the best U-Net, whose accuracies are one.
    assert dashed["curves-0-binary_iou"] == [False, True]
    assert dashed["curves-4-binary_iou"] == [False, False]
    assert dashed["curves-4-pixel_accuracy"] == [False, True]


def test_a_page_of_a_reduced_scale_says_so_and_has_no_difference(tmp_path, write):
    results = make_results(tables.S3_TABLE5, tmp_path, pooled_iou_excl_bg=0.5)
    page = write(results, tmp_path / "page")
    assert "smoke scale, not comparable" in page.text
    assert "difference" not in page.text
    assert "50.00" in page.text


def test_a_page_shows_what_being_told_of_classes_does(tmp_path, write):
    folder = tmp_path / "page"
    page = write(make_results(tables.S3_TABLE5, tmp_path), folder)
    told = page.text.split("Told in advance")[1]
    # A caption each; the words above them go on.
    assert told.count("nothing told\n") == 2
    assert told.count("all its classes told\n") == 2
    assert told.count("told: no ") == told.count("told: no overtop") == 1
    pictures = [file for file in page.files if "figures/told-" in file]
    assert len(pictures) == 5 + 4
    assert all((folder / file).is_file() for file in pictures)


def test_a_page_says_which_models_its_runs_are(tmp_path, write):
    own = {"scale": "document", "dataset": "document"}
    results = make_results(tables.S4_TABLE1, tmp_path, **own, mean_iou=0.5)
    page = write(results, tmp_path / "page")
    assert "fpn, resnext50_32x4d, features 64" in page.text
    assert "slim" not in page.text
    results = make_results(tables.S4_TABLE1, tmp_path, mean_iou=0.5)
    page = write(results, tmp_path / "page")
    assert "fpn, resnet18, features 24" in page.text
    assert "resnext" not in page.text
    assert "slim models at smoke scale, not comparable" in page.text


def test_a_page_of_the_documents_runs_has_differences(tmp_path, write):
    own = {"scale": "document", "dataset": "document"}
    results = make_results(tables.S3_TABLE5, tmp_path, **own, pooled_iou_excl_bg=0.5)
    page = write(results, tmp_path / "page")
    assert "comparable" not in page.text
    assert "difference" in page.text
    assert "−23.38" in page.text


def test_examples_of_a_table_with_crf_show_what_it_makes_of_them(tmp_path, write):
    for table, shown in ((tables.S4_TABLE1, False), (tables.S4_TABLE2, True)):
        results = make_results(table, tmp_path / table.name, mean_iou=0.5)
        folder = tmp_path / "page"
        page = write(results, folder)
        confusion, examples = page.text.split("Confusion")[1].split("Examples by loss")
        assert ("with CRF" in confusion) == ("with CRF" in examples) == shown
        assert "With CRF: synthetic" not in page.text
        assert "Without CRF" in page.text.split("Masks")[1]
        # Two datasets of the document, one of drawn figures.
        assert "FPN on ResNeXt50, Fashionista = FPN on ResNeXt50, CFPD." in page.text
        assert all((folder / file).is_file() for file in page.files)


def test_an_older_page_leaves_nothing_behind(tmp_path, write):
    folder = tmp_path / "page"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures/old.png").touch()
    results = make_results(
        tables.S2_TABLE2, tmp_path, errors={"ocrnet": ("no data", False)}
    )
    page = write(results, folder)
    assert page.files == set()
    assert list((folder / "figures").iterdir()) == []
    assert "failed" in page.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["s1-grid", "--scale=smoke", "--dataset=document"], "at scale 'smoke'"),
        (["s1-grid", "--verbose"], "unknown argument '--verbose'; allowed is"),
        (["s3-table2"], "needs --config.data.refined_dir=…"),
        (["s1-grid", "--scale=smoke", "--config.no_such_key=1"], "no_such_key"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, message, capsys):
    assert command.main(words) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.slow
def test_a_table_from_nothing_to_its_page_and_again(tmp_path, monkeypatch, capsys):
    # The run is of one device, whatever the tests have.
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "use_compilation_cache", lambda folder: folder)
    words = ["s3-table5", "--scale=smoke", f"--out={tmp_path}"]
    words += [
        f"--config.{key}={value}"
        for key, value in {
            "model.encoder": "resnet18",
            "model.encoder_options.features": 4,
            "model.decoder_features": (8, 8, 8, 4),
            "model.branch_features": 8,
            "num_epochs": 0.5,
        }.items()
    ]
    assert command.main(words) == 0
    folder = tmp_path / "synthetic-smoke" / "s3-table5"
    page = _Page((folder / "index.html").read_text())
    assert all((folder / file).is_file() for file in page.files)
    assert "highest loss" in page.text
    assert "all its classes told" in page.text
    run = tmp_path / "synthetic-smoke/runs/unet_ext-synthetic"
    told = json.loads((run / "eval-test-oracle-mask/metrics.json").read_text())
    shown = f"{100 * told['metrics']['pooled_iou_excl_bg']:.2f}"
    assert shown in page.text
    log = (run / "reproduce.log").read_text()
    capsys.readouterr()
    assert command.main(words) == 0
    assert "finished before" in capsys.readouterr().out
    assert (run / "reproduce.log").read_text() == log
