import json

import pytest
from ml_collections import ConfigDict

from fashionjax import crf_search, presets
from fashionjax.crf_search import RANGES, draw_setting, table
from fashionjax.train.crf import read_options


def test_settings_are_whole_numbers_of_the_documents_ranges():
    drawn = [draw_setting(0, index) for index in range(2000)]
    for name, last in RANGES.items():
        values = {setting[name] for setting in drawn}
        assert values == set(range(1, last + 1))
    assert draw_setting(0, 7) == drawn[7]
    assert draw_setting(1, 7) != drawn[7]


def test_the_table_has_the_best_setting_first():
    settings = [
        {"options": draw_setting(0, i), "pixel_accuracy": a, "mean_iou": 0.25}
        for i, a in enumerate([0.5, 0.75])
    ]
    without = {"pixel_accuracy": 0.6, "mean_iou": 0.3}
    lines = table({"settings": settings, "without_crf": without}).splitlines()
    assert "| 0.7500 | 0.2500 |" in lines[2]
    assert "| 0.5000 |" in lines[3]
    assert lines[4] == "| without CRF | | | 0.6000 | 0.3000 |"
    assert len({line.count("|") for line in lines}) == 1


def test_options_are_the_configs_else_those_found_else_published(tmp_path):
    config = presets.base().crf
    published = read_options(config, tmp_path)
    assert published == {
        "bilateral_sxy": 30,
        "bilateral_srgb": 10,
        "bilateral_compat": 10,
        "gaussian_sxy": 1,
        "gaussian_compat": 1,
        "num_iterations": 10,
    }
    (tmp_path / "crf-search").mkdir()
    found = {"bilateral_sxy": 7, "bilateral_srgb": 8, "gaussian_sxy": 9}
    result = tmp_path / "crf-search/result.json"
    result.write_text(json.dumps({"best": {"options": found}}))
    given = ConfigDict({**config, "bilateral_srgb": 2.0})
    options = read_options(given, tmp_path)
    assert options == published | {"bilateral_sxy": 7, "bilateral_srgb": 2}


def test_a_folder_without_run_is_told(tmp_path, capsys):
    assert crf_search.main([f"--workdir={tmp_path}"]) == 1
    assert "holds no config.json" in capsys.readouterr().err


def test_no_settings_are_refused():
    with pytest.raises(ValueError, match="0 settings; allowed is 1 or more"):
        crf_search.search(None, num_settings=0)
