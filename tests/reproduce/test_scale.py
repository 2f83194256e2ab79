import pytest

from fashionjax.config_files import parse_config
from fashionjax.reproduce import tables
from fashionjax.reproduce.runs import CONFIGS, make_plans
from fashionjax.reproduce.scale import make_scale


@pytest.mark.parametrize(
    ("name", "dataset", "preset", "comparable"),
    [
        (None, None, "imaterialist2019", True),
        ("document", None, "imaterialist2019", True),
        (None, "document", "imaterialist2019", True),
        ("smoke", None, "synthetic", False),
        (None, "synthetic", "synthetic", False),
        ("document", "synthetic", "synthetic_full", False),
        ("small", "ccp4", "ccp4", False),
        ("document", "ccp4", "ccp4_full", False),
    ],
)
def test_only_the_documents_data_at_its_size_compare(name, dataset, preset, comparable):
    scale = make_scale(name, dataset)
    assert scale.preset(tables.OURS) == preset
    label = scale.label(tables.S4_TABLE1)
    assert (label == "") == comparable
    assert comparable or label.endswith("not comparable")


@pytest.mark.parametrize(
    ("table", "key", "value", "comparable"),
    [
        (tables.S1_GRID, "data.raw_dir", "photos", True),
        (tables.S1_GRID, "eval_batch_size", "8", True),
        (tables.S1_GRID, "num_epochs", "1", False),
        (tables.S1_GRID, "data.refined_dir", "decisions", False),
        (tables.S3_TABLE5, "data.refined_dir", "decisions", True),
        (tables.S3_TABLE5, "data.refined_dir", "", False),
        (tables.S4_TABLE2, "crf.gaussian_sxy", "3", False),
    ],
)
def test_what_a_reader_changes_does_not_compare_unless_it_is_harmless(
    table, key, value, comparable
):
    label = make_scale(None, None, [(key, value)]).label(table)
    changed = f"changed by --config.{key}={value}, not comparable"
    assert label == ("" if comparable else changed)


def test_a_label_names_all_that_differs():
    wanted = [("batch_size", "4"), ("num_panels", "2"), ("num_epochs", "1")]
    label = make_scale("smoke", None, wanted).label(tables.S1_GRID)
    changed = "changed by --config.batch_size=4 --config.num_epochs=1"
    assert label == f"{changed}, slim models at smoke scale, not comparable"


@pytest.mark.parametrize(
    ("name", "dataset", "message"),
    [
        ("tiny", None, "scale 'tiny'; allowed are document, small, smoke"),
        (None, "cfpd", "dataset 'cfpd'; allowed are document, synthetic"),
        ("smoke", "document", "own data at scale 'smoke'; allowed at that scale"),
    ],
)
def test_what_cannot_be_is_refused(name, dataset, message):
    with pytest.raises(ValueError, match=message):
        make_scale(name, dataset)


def test_all_runs_of_a_smoke_scale_are_short_and_small(tmp_path):
    scale = make_scale("smoke", "synthetic")
    for table in tables.TABLES.values():
        for run, plan in make_plans(table, scale, tmp_path).items():
            config = plan.resolved_config()
            side = 64 * run.size_factor
            assert tuple(config.data.image_size) == (side, side)
            examples = config.data.num_examples.train * config.num_epochs
            assert examples / config.batch_size == 40
            assert config.eval.images


def test_a_readers_keys_win_and_those_of_a_run_win_over_them(tmp_path):
    wanted = [("data.refined_dir", "decisions"), ("batch_size", "4")]
    plans = make_plans(tables.S3_TABLE1, make_scale(None, None, wanted), tmp_path)
    base = plans[tables.BASE].resolved_config()
    refined = plans[tables.PLAIN_UNET].resolved_config()
    assert (base.batch_size, refined.batch_size) == (4, 4)
    assert (base.data.refined_dir, refined.data.refined_dir) == ("", "decisions")
    # Drawn figures have no such key.
    make_plans(tables.S3_TABLE1, make_scale("smoke", None), tmp_path)


def test_the_third_document_needs_to_know_where_its_refined_photos_are(tmp_path):
    own = make_scale(None, None)
    with pytest.raises(ValueError, match=r"s3-table2 needs --config\.data\.refined"):
        make_plans(tables.S3_TABLE2, own, tmp_path)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.no_such_key=1", "no_such_key"),
        ("--config.batch_size=many", "batch_size"),
    ],
)
def test_a_key_that_the_config_lacks_is_an_error(argument, message):
    with pytest.raises(ValueError, match=message):
        parse_config([f"--config={CONFIGS / 'unet_ext.py'}", argument])
