import pytest

from fashionjax.train.selection import (
    Scored,
    Selection,
    read_history,
    select,
    write_history,
)


def _history(name, values):
    return [
        Scored(10 * (i + 1), {} if value is None else {name: value})
        for i, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("name", "values", "min_delta", "expected"),
    [
        ("mean_iou", [], 0.0, Selection(None, None, 0)),
        ("mean_iou", [0.2, 0.7, 0.5], 0.0, Selection(20, 0.7, 1)),
        ("mean_iou", [0.7, 0.7, 0.7], 0.0, Selection(10, 0.7, 2)),
        ("loss", [3.0, 1.0, 2.0, 1.0], 0.0, Selection(20, 1.0, 2)),
        ("mean_iou", [0.5, 0.55, 0.61], 0.1, Selection(30, 0.61, 0)),
        ("mean_iou", [None, 0.1, None], 0.0, Selection(20, 0.1, 1)),
        ("mean_iou", [None, None], 0.0, Selection(20, None, 2)),
    ],
)
def test_the_best_is_that_of_keras_early_stopping(name, values, min_delta, expected):
    assert select(_history(name, values), name, min_delta=min_delta) == expected


def test_a_history_comes_back_to_the_last_bit(tmp_path):
    history = _history("loss", [1 / 3, 0.1, 2.0**-40])
    write_history(tmp_path / "evaluations.json", history)
    assert read_history(tmp_path / "evaluations.json") == history
    assert read_history(tmp_path / "none.json") == []
    assert [p.name for p in tmp_path.iterdir()] == ["evaluations.json"]
