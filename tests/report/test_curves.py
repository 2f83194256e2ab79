"""Tests of the choice and the drawing of curves."""

import math
import warnings

import numpy as np
import pytest
from PIL import Image

from fashionjax.report.curves import (
    VALIDATION_METRICS,
    Chart,
    Curve,
    draw_chart,
    make_charts,
)
from fashionjax.report.theme import THEMES
from fashionjax.writers import MetricRecord


def _train(step, **metrics):
    return MetricRecord(step, None, "train", metrics)


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


def test_learning_rates_of_groups_are_named_after_the_group():
    record = _train(1, **{"learning_rate": 0.1, "learning_rate/encoder": 0.01})
    chart = make_charts([record])[0]
    assert [curve.name for curve in chart.curves] == ["all", "encoder"]


def test_a_loss_over_two_decades_is_drawn_logarithmically():
    assert make_charts([_train(1, loss=100.0), _train(2, loss=1.0)])[0].log
    assert not make_charts([_train(1, loss=2.0), _train(2, loss=1.0)])[0].log
    assert not make_charts([_train(1, loss=100.0), _train(2, loss=-1.0)])[0].log


@pytest.mark.parametrize("log", [False, True])
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
