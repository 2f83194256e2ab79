import numpy as np
import pytest

from fashionjax import builders
from fashionjax.metrics import segmentation_metrics, tag_metrics
from fashionjax.reproduce import tables
from fashionjax.reproduce.scale import STAND_INS, make_scale
from fashionjax.reproduce.table import Cell, Part, Row
from fashionjax.reproduce.tables import TABLES
from tests.integration.conftest import FILES, load_config, load_module


def _numbers(part):
    return np.array([[cell.paper for cell in row.cells] for row in part.rows])


@pytest.mark.parametrize("name", TABLES)
def test_every_run_is_a_config_with_the_documents_data_and_all_stand_ins(name):
    for run in TABLES[name].runs:
        assert run.config in FILES
        datasets = load_module(run.config).DATASETS
        assert run.dataset in datasets
        for dataset in STAND_INS:
            for scale in ("document", "small"):
                assert make_scale(scale, dataset).preset(run) in datasets


@pytest.mark.parametrize("name", TABLES)
def test_every_cell_is_a_metric_of_its_run(name):
    for cell in TABLES[name].cells:
        if cell.run is None:
            continue
        config = load_config(cell.run.config, cell.run.dataset)
        label_map = builders.build_label_map(config.data.label_map)
        names = label_map.class_names
        nothing = np.zeros((len(names), len(names)), np.int64)
        tags = np.zeros((1, len(names) - 1), bool)
        allowed = {*segmentation_metrics(nothing, names)}
        allowed |= {*tag_metrics(tags, tags, names[1:])}
        kind, _, rest = cell.metric.partition("/")
        if kind == "images_per_second":
            assert rest in ("with_crf", "without_crf")
        elif kind in ("row", "column"):
            assert set(rest.split("/")) <= set(names)
        else:
            assert cell.metric in allowed


def test_the_second_documents_classes_have_its_means():
    total, classes = tables.S2_TABLE2.parts
    names = builders.build_label_map("fashionpedia_47").class_names
    assert tuple(row.name for row in classes.rows) == names
    means = _numbers(classes).mean(axis=0)
    np.testing.assert_allclose(means, _numbers(total)[0, 1:], atol=0.005)
    assert (_numbers(classes)[:, 0] == 0).sum() == 22


def test_the_third_documents_matrices_add_up():
    rows, columns = map(_numbers, tables.S3_TABLE3.parts)
    np.testing.assert_allclose(rows.sum(axis=1), 100, atol=0.06)
    np.testing.assert_allclose(columns.sum(axis=0), 100, atol=0.06)
    np.testing.assert_array_equal(np.argmax(rows, 1), np.arange(9))
    np.testing.assert_array_equal(np.argmax(columns, 0), np.arange(9))


def test_the_third_documents_pooled_numbers_fit_together():
    # Of pooled sums, the IoU without background follows from the other three.
    for table in (tables.S3_TABLE1, tables.S3_TABLE2):
        pooled, classes = (_numbers(part) / 100 for part in table.parts)
        without, overall, mask = pooled.T
        background = classes[:, 0]
        union = (1 - mask) / (1 - mask * background)
        right = 2 * overall / (1 + overall) - background * union
        expected = right / (2 / (1 + overall) - union)
        np.testing.assert_allclose(without, expected, atol=0.0005)


def test_the_first_documents_best_runs_are_those_it_goes_on_with():
    *models, again = tables.S1_GRID.parts
    best = [max(p.rows, key=lambda row: row.cells[0].paper or 0) for p in models[:2]]
    runs = {f"{row.cells[0].run.config}_512" for row in best}
    assert runs == {row.cells[0].run.config for row in again.rows}


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="row 'a' has 1 cells for 2 columns"):
        Part("a part", ("x", "y"), (Row("a", (Cell(1.0),)),))
