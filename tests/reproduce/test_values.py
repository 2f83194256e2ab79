import csv
import io
import json
import math

import numpy as np
import pytest

from fashionjax.reproduce import tables
from fashionjax.reproduce.table import TEST
from fashionjax.reproduce.text import to_csv, to_markdown
from fashionjax.reproduce.values import Value, read_metrics
from tests.reproduce.fake import make_results

FOUND = {"pixel_accuracy": 0.9426, "mean_iou": 0.4881}
OWN = {"scale": "document", "dataset": "document"}


def _lines(results):
    return [line for line in to_markdown(results).splitlines() if line[:1] == "|"]


def test_ours_stands_beside_the_papers_with_the_difference(tmp_path):
    results = make_results(tables.S4_TABLE1, tmp_path, **OWN, **FOUND)
    ours = next(line for line in _lines(results) if line.startswith("| FPN |"))
    numbers = "93.26 | 94.26 | +1.00 | 49.81 | 48.81 | −1.00"
    assert ours.startswith(f"| FPN | {numbers} | 93.52 | 94.26 | +0.74 |")


def test_a_quoted_system_has_the_papers_numbers_alone(tmp_path):
    results = make_results(tables.S4_TABLE1, tmp_path, **OWN, **FOUND)
    quoted = next(line for line in _lines(results) if "PSPNet" in line)
    numbers = "92.53 | – | – | 46.68 | – | – | – | – | – | – | – | –"
    assert quoted.startswith(f"| PSPNet (quoted) | {numbers} |")


@pytest.mark.parametrize(
    ("scale", "dataset"),
    [("smoke", "synthetic"), ("small", "ccp4"), ("document", "synthetic")],
)
def test_what_does_not_compare_says_so_and_shows_no_difference(
    tmp_path, scale, dataset
):
    results = make_results(
        tables.S4_TABLE1, tmp_path, scale=scale, dataset=dataset, **FOUND
    )
    text = to_markdown(results)
    assert "not comparable**" in text
    assert "difference" not in text
    ours = next(line for line in _lines(results) if line.startswith("| FPN |"))
    assert ours.startswith("| FPN | 93.26 | 94.26 | 49.81 | 48.81 |")
    rows = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert {row["difference"] for row in rows} == {""}


def test_what_the_reader_changed_stands_in_place_of_differences(tmp_path):
    wanted = [("num_epochs", "1"), ("data.image_size", "(64, 64)")]
    results = make_results(tables.S1_GRID, tmp_path, **OWN, wanted=wanted, **FOUND)
    text = to_markdown(results)
    changed = "--config.num_epochs=1 --config.data.image_size=(64, 64)"
    assert f"**changed by {changed}, not comparable**" in text
    assert "difference" not in text
    rows = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert {row["difference"] for row in rows} == {""}
    assert all("not comparable" in row["note"] for row in rows)


def test_fractions_stay_fractions(tmp_path):
    found = {"pixel_accuracy": 0.85, "binary_iou": 0.5}
    results = make_results(tables.S1_GRID, tmp_path, **OWN, **found)
    line = next(line for line in _lines(results) if "| Focal, Adam |" in line)
    assert line == "| Focal, Adam | 0.84 | 0.85 | +0.01 | 0.86 | 0.50 | −0.36 |"


def test_speeds_have_no_difference(tmp_path):
    results = make_results(tables.S4_TABLE2, tmp_path, **OWN, **FOUND)
    workdir = results.outcomes[tables.FPN_FASHIONISTA, tables.WITH_CRF].plan.workdir
    file = workdir / "eval-test-crf/metrics.json"
    speeds = {"images_per_second": {"with_crf": 50.0, "without_crf": 100.0}}
    file.write_text(json.dumps(json.loads(file.read_text()) | speeds))
    lines = _lines(results)
    assert "| FPN without CRF | 1.95 | 100.00 | – |" in lines
    assert "| FPN with CRF | 0.20 | 50.00 | – |" in lines


def test_a_run_without_a_result_is_marked_and_named(tmp_path):
    errors = {
        "deeplabv3": ("three classes", False),
        "deeplabv3plus": ("stopped", True),
    }
    found = {"pooled_iou": 0.5, "mask_iou": 0.25}
    results = make_results(tables.S3_TABLE2, tmp_path, errors=errors, **found)
    lines = _lines(results)
    failed = "68.91 | failed | 88.33 | failed | 88.80 | failed"
    assert f"| DeepLabV3 | {failed} |" in lines
    missing = "70.85 | not made | 89.31 | not made | 90.15 | not made"
    assert f"| DeepLabV3+ | {missing} |" in lines
    assert "| FPN | 67.77 | – | 88.18 | 50.00 | 89.44 | 25.00 |" in lines
    assert "- deeplabv3: three classes" in to_markdown(results)


def test_many_columns_stand_below_one_another(tmp_path):
    results = make_results(tables.S3_TABLE4, tmp_path, **OWN)
    assert _lines(results)[3].startswith("|  |  | top | overtop |")
    kinds = [line.split(" | ")[1] for line in _lines(results)[5:]]
    assert kinds == ["paper", "ours", "difference"]


def test_the_csv_has_a_line_for_each_number_in_full_precision(tmp_path):
    results = make_results(tables.S4_TABLE1, tmp_path, **OWN, **FOUND)
    rows = list(csv.DictReader(io.StringIO(to_csv(results))))
    assert len(rows) == len(list(tables.S4_TABLE1.cells))
    row = next(row for row in rows if row["row"] == "FPN")
    assert row["metric"] == "pixel_accuracy"
    assert row["evaluation"].endswith("fpn-fashionista/eval-test")
    assert math.isclose(float(row["difference"]), 100 * 0.9426 - 93.26)


def test_cells_of_the_confusion_matrix_are_parts_of_its_rows_and_columns(tmp_path):
    results = make_results(tables.S3_TABLE3, tmp_path)
    workdir = results.outcomes[tables.OURS, TEST].plan.workdir
    metrics = read_metrics(workdir, TEST)
    n = np.load(workdir / "eval-test/confusion.npy")
    assert metrics["row/top/pants"] == pytest.approx(n[1, 3] / n[1].sum())
    assert metrics["column/top/pants"] == pytest.approx(n[1, 3] / n[:, 3].sum())
    part = tables.S3_TABLE3.parts[0]
    value = results.value(part.rows[1].cells[3], part.unit)
    assert value == Value(0.33, 100 * metrics["row/top/pants"])


def test_it_is_said_which_rows_are_one_run(tmp_path):
    same = "One and the same run: Plain U-Net, base data = Plain U-Net."
    for out, options in (
        ("drawn", {}),
        ("published", {**OWN, "wanted": [("data.refined_dir", "")]}),
    ):
        results = make_results(tables.S3_TABLE1, tmp_path / out, **options)
        assert same in to_markdown(results)
    results = make_results(tables.S3_TABLE1, tmp_path, **OWN)
    assert "same run" not in to_markdown(results)


def test_runs_that_found_nothing_are_named(tmp_path):
    results = make_results(tables.S1_GRID, tmp_path, **FOUND)
    assert "background" not in to_markdown(results)
    for run in (tables.SEGNET_SCE_SGD, tables.UNET_FOCAL_SGD):
        file = results.outcomes[run, TEST].plan.workdir / "eval-test/confusion.npy"
        confusion = np.load(file)
        confusion[:, 1:] = 0
        np.save(file, confusion)
    named = "coincide: U-Net, focal, SGD; SegNet, SCE, SGD."
    assert named in to_markdown(results)


def test_an_undefined_number_is_a_dash(tmp_path):
    results = make_results(tables.S4_TABLE1, tmp_path, **OWN, mean_iou=None)
    ours = next(line for line in _lines(results) if line.startswith("| FPN |"))
    assert ours.startswith("| FPN | 93.26 | – | – | 49.81 | – | – |")


def test_it_is_said_where_the_evaluated_photos_chose_the_checkpoint(tmp_path):
    results = make_results(tables.S2_TABLE2, tmp_path, **OWN, **FOUND)
    assert "also chose the checkpoint" not in to_markdown(results)
    workdir = results.outcomes[tables.OCRNET, TEST].plan.workdir
    file = workdir / "eval-test/metrics.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"chose_checkpoint": True}))
    assert "evaluated also chose the checkpoint." in to_markdown(results)
