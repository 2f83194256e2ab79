import json

import pytest
from ml_collections import ConfigDict

from fashionjax import presets
from fashionjax.train.run_config import check_same_config, read_config


def _begin(workdir, config):
    (workdir / "config.json").write_text(json.dumps({"config": config}))


def test_nothing_is_checked_before_the_first_run(tmp_path):
    config = ConfigDict({"a": 1})
    check_same_config(tmp_path, config, allow_change=False)
    _begin(tmp_path, {"a": 2})
    with pytest.raises(ValueError, match="a: 2 -> 1"):
        check_same_config(tmp_path, config, allow_change=False)


def test_length_intervals_and_paths_may_change(tmp_path):
    _begin(tmp_path, {"num_epochs": 1.0, "data": {"raw_dir": "a", "size": [2, 3]}})
    new = {"num_epochs": 2.0, "data": {"raw_dir": "b", "size": (2, 3)}}
    check_same_config(tmp_path, ConfigDict(new), allow_change=False)
    new["data"]["size"] = (2, 4)
    with pytest.raises(ValueError, match=r"data\.size") as error:
        check_same_config(tmp_path, ConfigDict(new), allow_change=False)
    assert "num_epochs" not in str(error.value)
    assert "raw_dir" not in str(error.value)


def test_the_way_of_the_data_may_change_and_older_runs_go_on(tmp_path):
    for old in ({"input": "stream"}, {}):
        _begin(tmp_path, {"data": {"name": "ccp"} | old})
        new = ConfigDict({"data": {"name": "ccp", "input": "resident"}})
        check_same_config(tmp_path, new, allow_change=False)


def test_a_run_from_before_a_key_goes_on_while_the_key_is_neutral(tmp_path):
    _begin(tmp_path, {"seed": 1, "data": {"name": "ccp"}})
    new = {"seed": 1, "data": {"name": "ccp", "repeat_threshold": 0.0}}
    check_same_config(tmp_path, ConfigDict(new), allow_change=False)
    new["data"]["repeat_threshold"] = 0.001
    with pytest.raises(ValueError, match=r"data\.repeat_threshold: 0\.0 -> 0\.001"):
        check_same_config(tmp_path, ConfigDict(new), allow_change=False)


def test_a_run_from_before_a_key_is_read_with_its_neutral_value(tmp_path):
    _begin(tmp_path, {"data": {"name": "ccp", "image_size": [2, 3]}})
    config = read_config(tmp_path)
    assert config.data.name == "ccp"
    assert list(config.data.image_size) == [2, 3]
    assert config.data.repeat_threshold == 0.0
    assert config.eval.absent == presets.base().eval.absent
    assert (config.data.split, config.data.first_pixel) == ("", 1)


def test_other_keys_are_listed_old_and_new(tmp_path):
    _begin(tmp_path, {"seed": 1, "model": {"name": "a"}, "old": 3})
    new = ConfigDict({"seed": 2, "model": {"name": "a"}, "new": 4})
    with pytest.raises(ValueError, match="seed: 1 -> 2") as error:
        check_same_config(tmp_path, new, allow_change=False)
    assert "old: 3 -> (absent)" in str(error.value)
    assert "new: (absent) -> 4" in str(error.value)
    assert "model.name" not in str(error.value)
    check_same_config(tmp_path, new, allow_change=True)


def test_the_config_of_a_run_can_be_read_back(tmp_path):
    _begin(tmp_path, {"seed": 1, "model": {"name": "a"}})
    assert read_config(tmp_path).model.name == "a"
    with pytest.raises(FileNotFoundError, match="name the workdir of a run"):
        read_config(tmp_path / "other")
