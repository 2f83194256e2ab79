"""Tests of the choice and the drawing of curves."""

import math
import warnings

import numpy as np
import pytest
from PIL import Image, ImageColor

from fashionjax.report.curves import (
    VALIDATION_METRICS,
    Chart,
    Curve,
    _value_text,
    draw_chart,
    make_charts,
)
from fashionjax.report.inputs import Schedule
from fashionjax.report.theme import THEMES
from fashionjax.writers import MetricRecord


def _train(step, **metrics):
    return MetricRecord(step, None, "train", metrics)


def _val(step, **metrics):
    return MetricRecord(step, None, "val", metrics)


def _schedule(num_steps=100, boundaries=()):
    steps = np.arange(1, num_steps + 1)
    return Schedule("poly", steps, 0.1 / steps, 0.8 + 0.001 * steps, boundaries)


def _names(charts):
    return [chart.name for chart in charts]


def test_a_run_without_metrics_has_no_charts():
    assert make_charts([]) == []


def test_a_metric_that_is_never_finite_has_no_chart():
    assert make_charts([_train(1, loss=math.nan), _train(2, loss=math.nan)]) == []


def test_only_what_was_logged_is_drawn():
    records = [_train(1, loss=2.0, learning_rate=0.1)]
    assert _names(make_charts(records)) == ["loss", "learning-rate"]
    records.append(MetricRecord(1, None, "val", {"mean_iou": 0.5}))
    charts = make_charts(records)
    assert _names(charts) == ["loss", "validation", "learning-rate"]


def test_the_metric_that_chose_the_checkpoint_is_marked():
    metrics = {"mean_iou": 0.5, "pooled_iou_excl_bg": 0.4}
    records = [MetricRecord(1, None, "val", metrics)]
    (chart,) = make_charts(records, best_metric="pooled_iou_excl_bg")
    marked = [curve.name for curve in chart.curves if curve.mark_best]
    assert marked == ["pooled IoU without background"]


def test_the_terms_of_the_loss_get_curves_when_there_are_several():
    one = make_charts([_train(1, loss=1.0, cross_entropy=1.0, grad_norm=3.0)])[0]
    assert [curve.name for curve in one.curves] == ["training loss"]
    two = make_charts([_train(1, loss=1.5, cross_entropy=1.0, tags=0.5)])[0]
    assert [curve.name for curve in two.curves] == ["total", "cross_entropy", "tags"]


def test_the_validation_loss_is_drawn_beside_the_training_loss():
    records = [_train(1, loss=1.5, cross_entropy=1.0, tags=0.5), _val(1, loss=2.0)]
    records += [_val(2, loss=1.0), MetricRecord(2, None, "test", {"loss": 9.0})]
    chart = make_charts(records)[0]
    names = [curve.name for curve in chart.curves]
    assert names == ["total", "validation loss", "cross_entropy", "tags"]
    validation = chart.curves[1]
    assert (validation.steps, validation.values) == ([1, 2], [2.0, 1.0])
    assert validation.sparse
    assert not validation.noisy


def test_the_validation_loss_needs_no_training_loss():
    (chart,) = make_charts([_val(1, loss=2.0)])
    assert [curve.name for curve in chart.curves] == ["validation loss"]


def test_the_loss_scale_has_a_chart_in_powers_of_two():
    names = _names(make_charts([_train(1, loss=1.0, loss_scale=65536.0)]))
    assert names == ["loss", "loss-scale"]
    assert make_charts([_train(1, loss_scale=65536.0)])[0].log == 2


def test_a_planned_schedule_takes_the_place_of_the_logged_rates():
    records = [_train(50, learning_rate=9.0, momentum=9.0)]
    boundaries = [(0, "first"), (50, "second")]
    rate, momentum = make_charts(records, schedule=_schedule(100, boundaries))
    assert (rate.title, momentum.title) == ("Learning rate", "Momentum")
    assert len({rate.name, momentum.name}) == 2
    for chart, first in ((rate, 0.1), (momentum, 0.801)):
        (curve,) = chart.curves
        assert curve.steps == list(range(1, 101))
        assert curve.values[0] == first
        assert chart.boundaries == boundaries
        assert "poly" in chart.unit


def test_momentum_is_not_drawn_without_a_schedule():
    records = [_train(1, learning_rate=0.1, momentum=0.9)]
    assert _names(make_charts(records)) == ["learning-rate"]


def test_the_series_of_a_schedule_have_one_length():
    with pytest.raises(ValueError, match="3, 2 and 3"):
        Schedule("poly", np.arange(3), np.ones(2), np.ones(3))


@pytest.fixture
def draw(monkeypatch):
    """Draws a chart into no file and returns its axes."""
    axes = []
    monkeypatch.setattr(
        "fashionjax.report.curves.save",
        lambda figure, *_: (figure.canvas.draw(), axes.append(figure.axes[0])),
    )
    return lambda chart: (draw_chart(None, chart), axes[-1])[1]


@pytest.mark.parametrize("turn", [1, 10, 50, 70, 99])
def test_the_names_of_phases_are_apart_and_cost_no_width(draw, turn):
    names = ("encoder frozen", r"all $\trained$, also that")
    boundaries = [(0, names[0]), (turn, names[1])]
    axes = draw(make_charts([], schedule=_schedule(100, boundaries))[0])
    assert {text.get_text() for text in axes.texts} == set(names)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not boxes[0].overlaps(boxes[1])
    assert sorted(line.get_xdata()[0] for line in axes.lines[1:]) == [0, turn]
    plain = draw(make_charts([], schedule=_schedule(100))[0])
    assert not plain.texts
    assert len(plain.lines) == 1
    for side in ("x0", "x1"):
        places = [getattr(a.get_window_extent(), side) for a in (axes, plain)]
        assert abs(places[0] - places[1]) < 2, side


@pytest.mark.parametrize(
    ("base", "text"), [(0, "100000"), (2, r"$\mathdefault{2^{16}}$"), (10, "10000")]
)
def test_the_axis_is_that_of_the_base(draw, base, text):
    curve = Curve("scale", [1, 2, 3], [2.0**13, 2.0**16, 2.0**18])
    axes = draw(Chart("loss-scale", "Loss scale", "scale", (curve,), log=base))
    assert axes.get_yscale() == ("log" if base else "linear")
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert text in ticks


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1e-4, "1e-4"), (2.5e-5, "2.5e-5"), (0.001, "0.001"), (0.95, "0.95")],
)
def test_small_values_are_written_short(value, text):
    assert _value_text(value) == text


def test_learning_rates_of_groups_are_named_after_the_group():
    record = _train(1, **{"learning_rate": 0.1, "learning_rate/encoder": 0.01})
    chart = make_charts([record])[0]
    assert [curve.name for curve in chart.curves] == ["all", "encoder"]


def test_a_loss_over_two_decades_is_drawn_logarithmically():
    assert make_charts([_train(1, loss=100.0), _train(2, loss=1.0)])[0].log == 10
    assert not make_charts([_train(1, loss=2.0), _train(2, loss=1.0)])[0].log
    assert not make_charts([_train(1, loss=100.0), _train(2, loss=-1.0)])[0].log


@pytest.mark.parametrize("dashed", [False, True])
def test_a_dashed_curve_leaves_the_one_below_to_be_seen(tmp_path, dashed):
    line = ([1, 2], [0.25, 0.75])
    curves = (Curve("below", *line), Curve("above", *line, dashed=dashed))
    draw_chart(tmp_path, Chart("chart", "Chart", "unit", curves))
    picture = np.asarray(Image.open(tmp_path / "chart.png").convert("RGB"))
    axes = picture[len(picture) // 4 :]  # without the legend
    below, above = (
        np.all(axes == np.array(ImageColor.getrgb(color)), axis=-1).sum()
        for color in THEMES[0].series[:2]
    )
    assert above > 500
    assert (below > above / 2) == dashed


@pytest.mark.parametrize("log", [0, 2, 10])
def test_a_chart_is_drawn_light_and_dark_with_gaps_and_single_points(tmp_path, log):
    steps = list(range(1, 201))
    values = [math.nan if s % 7 == 0 else math.inf if s == 9 else 3 / s for s in steps]
    curves = (
        Curve("noisy", steps, values, noisy=True),
        Curve("never", steps, [math.nan] * 200),
        Curve("one", [5], [0.5], sparse=True, mark_best=True),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_chart(tmp_path, Chart("loss", "Loss", "loss", curves, log=log))
    with Image.open(tmp_path / "loss.png") as light:
        assert light.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert np.asarray(light.convert("L")).min() < 100
    with Image.open(tmp_path / "loss-dark.png") as dark:
        assert max(dark.convert("RGB").getpixel((0, 0))) < 50


def test_a_name_with_dollar_signs_is_no_formula(tmp_path):
    curves = (Curve(r"a$\broken$", [1, 2], [1, 2]), Curve("b", [1, 2], [2, 1]))
    draw_chart(tmp_path, Chart("loss", "Loss", "loss", curves))
    assert (tmp_path / "loss.png").stat().st_size > 0


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_every_validation_metric_has_a_color_of_its_own(theme):
    assert len(set(theme.series)) == len(theme.series) >= len(VALIDATION_METRICS)


def test_more_curves_than_colors_are_all_drawn(tmp_path):
    many = tuple(Curve(f"term {i}", [1, 2], [i, i + 1]) for i in range(15))
    draw_chart(tmp_path, Chart("loss", "Loss", "loss", many))
    few = tuple(many[:7])
    draw_chart(tmp_path, Chart("few", "Loss", "loss", few))
    assert (tmp_path / "loss.png").read_bytes() != (tmp_path / "few.png").read_bytes()
