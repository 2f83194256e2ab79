import json
import re

import pytest

from fashionjax.bench import __main__ as command
from fashionjax.bench.charts import Bars, Curves, Roofline, draw
from fashionjax.bench.commands import COMMANDS
from fashionjax.bench.hlo_ops import KINDS, PASSES
from fashionjax.bench.page import charts_of, write_page
from fashionjax.bench.results import read_results, table
from fashionjax.bench.startup import PHASES
from fashionjax.bench.tables import _KINDS, Table, tables_of
from fashionjax.report.theme import DARK, LIGHT

TRAIN = {
    "bench": "train",
    "device": "a GPU",
    "dtype": "bfloat16",
    "model": "unet-resnet34",
    "size": "288x192",
    "batch": 16,
    "classes": 25,
    "images_per_second": 4000.0,
    "step_ms": 4.0,
    "tuned_share": 0.7,
    "gflop_image": 40.0,
    "xla_mb_image": 300.0,
    "tflops": 160.0,
    "matmul_tflops": 790.0,
    "copy_gb_s": 4300.0,
    "planned_mib": 2000.0,
    "command": "python -m fashionjax.bench train --note='<b>'",
}
PEER = {
    **{name: TRAIN[name] for name in ("device", "dtype", "model", "size", "batch")},
    "bench": "peer",
    "what": "train",
    "torch_mode": "eager",
    "ratio": 0.8,
}
CURVE = {**TRAIN, "bench": "curves", "what": "batch"}
START = {
    "bench": "curves",
    "what": "startup",
    "device": "a GPU",
    "dataset": "synthetic",
    "examples": 45_000,
    "size": "96x64",
    "input": "stream",
    "cache": "cold",
    **dict.fromkeys(PHASES, 0.5),
}
ROWS = [
    TRAIN,
    {**TRAIN, "batch": 64, "step_ms": 15.0},
    {**TRAIN, "bench": "infer", "fold": True},
    PEER,
    {
        "bench": "ceilings",
        "device": "a GPU",
        "dtype": "float32",
        "matmul_precision": "TF32",
        "matrix_size": 8192,
        "matmul_tflops": 400.5,
        "copy_gb_s": 4300.0,
    },
]
PROFILE = {
    **{name: TRAIN[name] for name in ("device", "dtype", "model", "size", "batch")},
    "bench": "profile",
    "what": "train",
    "step_ms": 4.0,
    "operations": 300.0,
    "graph_launches": 1.0,
}
SHARES = dict.fromkeys((*KINDS, *PASSES), 0.125)
LAYER = {"layer": "head", "pass": "forward", "kind": "copy", "ms": 0.5, "share": 0.1}


def _titles(file):
    return re.findall(r"<h2>(.*?)</h2>", file.read_text())


def test_the_page_has_a_chart_for_each_question(tmp_path):
    file = tmp_path / "new" / "bench.html"
    write_page(ROWS, file)
    assert _titles(file) == [
        "Training",
        "Training: share of the tuned estimate",
        "Training under the roofline",
        "Training in numbers",
        "Inference",
        "Inference: share of the tuned estimate",
        "Inference under the roofline",
        "Inference in numbers",
        "Beside torch",
        "Beside torch in numbers",
        "Ceilings",
    ]
    text = file.read_text()
    # Pictures for light and dark pages lie in it, and it asks for nothing else.
    assert text.count("data:image/svg+xml;base64,") == 2 * 7
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "--note=&#x27;&lt;b&gt;&#x27;" in text
    assert "All 5 rows" in text
    # float32 is not what this GPU multiplies.
    assert "a GPU, float32 by TF32." in text
    assert "<td>8192</td><td>400.5</td><td>4,300</td>" in text


def test_devices_and_types_are_not_mixed(tmp_path):
    file = tmp_path / "bench.html"
    other = {**TRAIN, "device": "another", "step_ms": 1.0}
    write_page([TRAIN, other, {**TRAIN, "dtype": "float32"}], file)
    assert _titles(file).count("Training") == 3


def _curves(rows):
    return {title: chart for title, _, chart in charts_of(rows)}


def test_curves_are_over_what_was_varied():
    rows = [
        CURVE,
        {**CURVE, "batch": 64, "step_ms": 15.0, "peak_mib": 10.0},
        {**CURVE, "what": "area", "size": "10x20"},
        {**CURVE, "what": "area", "size": "20x20", "step_ms": 9.0},
        {**CURVE, "what": "classes", "classes": 47},
        {**CURVE, "what": "classes", "classes": 23, "planned_mib": 7.0},
    ]
    charts = _curves(rows)
    assert list(charts) == [
        "Cost: ms a step over images a step",
        "Cost: images a second over images a step",
        "Cost: MiB planned over images a step",
        "Cost: ms a step over pixels an image",
        "Cost: MiB planned over pixels an image",
        "Cost: ms a step over classes",
        "Cost: MiB planned over classes",
    ]
    batch = charts["Cost: ms a step over images a step"]
    assert batch.series == {"unet-resnet34, 288x192, classes 25": [(16, 4), (64, 15)]}
    assert batch.log
    (points,) = charts["Cost: ms a step over pixels an image"].series.values()
    assert points == [(200, 4), (400, 9)]
    classes = charts["Cost: MiB planned over classes"]
    assert classes.series == {"unet-resnet34, batch 16, 288x192": [(47, 2000), (23, 7)]}
    assert not classes.log


def test_folded_and_unfolded_inference_are_bars_of_their_own():
    infer = {**TRAIN, "bench": "infer", "fold": True}
    unfolded = {**infer, "fold": False, "images_per_second": 3000.0}
    bars = _curves([infer, unfolded])["Inference"]
    assert bars.series == {
        "batch 16, fold": [4000.0],
        "batch 16, no fold": [3000.0],
    }


def test_a_profile_is_shares_and_tables():
    graphs = {**PROFILE, "batch": 8}
    row = {**PROFILE, **SHARES, "busy_share": 0.9, "slowest": [LAYER] * 5}
    charts = _curves([row, graphs])
    assert list(charts) == [
        "Where the time goes: operations",
        "Where the time goes: passes",
        "What a device does in a step",
        "Slowest layers",
    ]
    bars = charts["Where the time goes: operations"]
    assert bars.groups == ["unet-resnet34 288x192, train 16"]
    assert bars.series == {kind: [12.5] for kind in KINDS}
    # What a CUDA graph hides is not there.
    busy = charts["What a device does in a step"]
    assert [row[busy.names.index("busy")] for row in busy.rows] == ["0.9", "–"]
    assert (
        charts["Slowest layers"].rows
        == [["unet-resnet34", "16", "head", "forward", "copy", "0.5", "0.1"]] * 3
    )


@pytest.mark.parametrize("name", [*COMMANDS])
def test_every_command_is_on_the_page(name):
    """By its rows' keys, which its own tests know, or by its table's."""
    charted = {"curves", "input"}
    assert name in charted or name in _KINDS


def test_of_equal_rows_of_a_table_the_last_counts():
    rows = [{"batch": 16, "confusion_ms": ms} for ms in (1.0, 2.5)]
    ((_, _, table_of_rows),) = tables_of("metrics", rows)
    # Nor is there a column of what no row has.
    assert table_of_rows == Table(["batch", "ms"], [["16", "2.5"]])


def test_one_point_is_no_curve():
    assert not _curves([CURVE])


def test_a_start_is_a_bar_of_its_phases():
    warm = {**START, "cache": "warm", "compile_s": 0.1}
    (bars,) = _curves([START, warm]).values()
    assert bars.stacked
    assert bars.groups == [
        "synthetic, 96x64, stream, cold: 45,000",
        "synthetic, 96x64, stream, warm: 45,000",
    ]
    assert list(bars.series) == list(PHASES.values())
    assert bars.series["tracing and compiling"] == [0.5, 0.1]


def test_the_last_of_equal_rows_counts():
    again = {**TRAIN, "images_per_second": 5000.0}
    _, _, bars = next(iter(charts_of([TRAIN, again])))
    assert bars == Bars(
        "images a second", ["unet-resnet34 288x192"], {"batch 16": [5000.0]}
    )


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize(
    "chart",
    [
        Bars("ms", ["a", "b"], {"x": [1.0, 2.0], "y": [float("nan"), 1.0]}, line=1.0),
        Roofline(790.0, 4300.0, {"a": [(100.0, 300.0)], "b": [(500.0, 400.0)]}),
        Bars("s", ["a", "b"], {str(i): [i, 1.0] for i in range(9)}, stacked=True),
        Curves("batch", "ms", {"a": [(2, 3.0), (1, 2.0)]}),
        Curves("batch", "ms", {"a": [(2, 3.0), (1, 2.0)]}, log=True),
    ],
)
def test_charts_are_svg_in_the_themes_colours(chart, theme):
    svg = draw(chart, theme)
    assert svg.lstrip().startswith("<?xml")
    assert theme.surface in svg
    assert theme.series[0] in svg


def test_the_command_writes_the_page(tmp_path, capsys):
    rows, page = tmp_path / "rows.jsonl", tmp_path / "bench.html"
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    assert read_results(rows) == ROWS
    assert command.main(["page", str(rows), f"--out={page}"]) == 0
    assert f"Wrote {page}" in capsys.readouterr().out
    assert page.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "line 1 is no JSON"), ("[]", "line 1 is no row"), ("", "no rows to draw")],
)
def test_what_is_no_result_is_told(tmp_path, capsys, text, message):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(text)
    assert command.main(["page", str(rows)]) == 1
    assert message in capsys.readouterr().err


def test_a_table_has_a_line_for_each_row():
    assert table([{"model": "a", "ms": 1.23456}, {"model": "b", "ms": 2}]) == (
        "| model | ms |\n| --- | --- |\n| a | 1.235 |\n| b | 2 |"
    )
