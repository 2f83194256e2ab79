"""Tests of the report's page as a whole."""

import math
import types
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from fashionjax.report import Panel, Schedule, write_report
from fashionjax.writers import JsonlWriter

NAMES = ("background", "dress <b>&", "hat$_{$")
PALETTE = ((0, 0, 0), (200, 40, 40), (40, 80, 200))
CONFUSION = np.array([[80, 5, 0], [5, 10, 0], [0, 0, 0]], np.int64)


def _evaluation(confusion=CONFUSION, **metrics):
    return types.SimpleNamespace(
        split="test", step=30, num_images=7, metrics=metrics, confusion=confusion
    )


def _report(workdir, **changes):
    values = {
        "title": "a run",
        "facts": {},
        "class_names": NAMES,
        "palette": PALETTE,
        "evaluation": _evaluation(mean_iou=0.5),
        "panels": [],
    }
    return write_report(workdir, **values | changes)


def test_the_confusion_matrix_can_follow_the_body(tmp_path):
    order = (0, 2, 1)
    _report(tmp_path / "a", body_order=order)
    _report(
        tmp_path / "b",
        evaluation=_evaluation(CONFUSION[np.ix_(order, order)]),
        class_names=[NAMES[i] for i in order],
    )
    _report(tmp_path / "c")
    files = [tmp_path / f"{run}/report/confusion.png" for run in "abc"]
    followed, swapped, numbered = (np.asarray(Image.open(file)) for file in files)
    np.testing.assert_array_equal(followed, swapped)
    assert (followed != numbered).any()
    pages = [(tmp_path / f"{run}/report/index.html").read_text() for run in "ac"]
    assert ["from head to feet" in page for page in pages] == [True, False]


def _panel(boxes=None):
    label = np.zeros((40, 30), np.uint8)
    label[10:30, 5:20] = 1
    label[0, 0] = 255
    image = np.full((40, 30, 3), 120, np.uint8)
    return Panel(image, label, np.zeros_like(label), "<i>.jpg", boxes, boxes)


class _Page(HTMLParser):
    """Collects the files that a page uses, its tags and its text."""

    def __init__(self, text):
        super().__init__()
        self.files, self.tags, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.files |= {v for k, v in attrs if k in {"src", "srcset", "href"}}

    def handle_data(self, data):
        self.text += data


def test_every_picture_of_the_page_is_beside_it(tmp_path):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    for step in (10, 20):
        writer.write(step, "train", {"loss": 1 / step, "learning_rate": 0.1})
        writer.write(step, "val", {"mean_iou": 0.1})
    writer.close()
    path = _report(tmp_path, panels=[_panel(), _panel()])
    assert path == tmp_path / "report" / "index.html"
    page = _Page(path.read_text("utf-8"))
    assert {"loss.png", "loss-dark.png", "confusion.png"} <= page.files
    for file in page.files:
        with Image.open(path.parent / file) as picture:
            picture.verify()
    pngs = {p.name for p in path.parent.glob("*.png")}
    assert pngs == page.files


def test_a_planned_schedule_is_on_the_page_before_any_step_was_logged(tmp_path):
    plan = Schedule("poly", np.arange(1, 4), np.ones(3), np.ones(3), [(0, "<b>")])
    page = _Page(_report(tmp_path, schedule=plan).read_text("utf-8"))
    assert {"learning-rate.png", "momentum.png", "momentum-dark.png"} <= page.files
    assert "Momentum" in page.text


def test_the_page_needs_no_network(tmp_path):
    text = _report(tmp_path).read_text("utf-8")
    assert "http" not in text
    assert "<script" not in text


def test_all_texts_are_escaped(tmp_path):
    path = _report(
        tmp_path,
        title="<script>x</script>",
        facts={"<u>": "<s>"},
        panels=[_panel()],
    )
    page = _Page(path.read_text("utf-8"))
    assert not {"script", "s", "u"} & set(page.tags)
    for text in ("<script>x</script>", "<u>", "<s>", "dress <b>&", "<i>.jpg"):
        assert text in page.text


def test_a_run_without_curves_and_examples_still_has_a_page(tmp_path):
    page = _Page(_report(tmp_path).read_text("utf-8"))
    assert page.files == {"confusion.png", "confusion-dark.png"}
    assert "50.0 %" in page.text


def test_a_class_that_does_not_occur_shows_a_dash(tmp_path):
    metrics = {"mean_iou": 0.5, f"iou/{NAMES[2]}": math.nan}
    text = _report(tmp_path, evaluation=_evaluation(**metrics)).read_text("utf-8")
    assert "–" in text
    assert "nan" not in text.lower()


def test_an_evaluation_that_counted_nothing_has_a_page(tmp_path):
    path = _report(tmp_path, evaluation=_evaluation(np.zeros((3, 3), np.int64)))
    assert "nan" not in path.read_text("utf-8").lower()


def test_a_matrix_of_59_classes_is_drawn_larger_than_one_of_three(tmp_path):
    counts = np.random.default_rng(0).integers(0, 100, (59, 59))
    palette = [(i, 2 * i, 3 * i) for i in range(59)]
    names = [f"class {i}" for i in range(59)]
    _report(tmp_path / "few")
    _report(
        tmp_path / "many",
        class_names=names,
        palette=palette,
        evaluation=_evaluation(counts),
    )
    widths = []
    for run in ("few", "many"):
        with Image.open(tmp_path / run / "report" / "confusion.png") as picture:
            widths.append(picture.width)
    assert widths[1] > 1.5 * widths[0]


def test_tag_and_box_metrics_are_on_the_page_when_there_are_any(tmp_path):
    with_tags = _evaluation(f1=0.871, box_iou=0.723, **{"tag_accuracy/hat": 0.9})
    text = _report(tmp_path, evaluation=with_tags).read_text("utf-8")
    assert "87.1 %" in text
    assert "72.3 %" in text
    assert "Tags F1" not in _report(tmp_path).read_text("utf-8")


def test_boxes_are_drawn_on_truth_and_prediction_only(tmp_path):
    boxes = np.array([[0.1, 0.1, 0.9, 0.9], [math.nan] * 4], np.float32)
    _report(tmp_path / "plain", panels=[_panel()])
    _report(tmp_path / "boxed", panels=[_panel(boxes)])
    changed = {
        path.name
        for path in (tmp_path / "plain" / "report").glob("panel-*.png")
        if path.read_bytes() != (tmp_path / "boxed/report" / path.name).read_bytes()
    }
    assert changed == {"panel-00-truth.png", "panel-00-prediction.png"}


def test_pictures_of_an_earlier_report_do_not_stay(tmp_path):
    _report(tmp_path, panels=[_panel(), _panel()])
    folder = _report(tmp_path, panels=[_panel()]).parent
    assert not list(folder.glob("panel-01-*"))


def test_names_and_matrix_have_to_fit(tmp_path):
    with pytest.raises(ValueError, match="3 class names"):
        _report(tmp_path, evaluation=_evaluation(np.zeros((4, 4), np.int64)))
