import pytest

from fashionjax import config_files


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("configs/fpn.py", "fpn"),
        ("configs/s1/unet_focal_adam.py", "s1/unet_focal_adam"),
        ("/home/configs/ours/configs/s4/densenet121.py", "s4/densenet121"),
        ("/home/somebody/mine.py", "mine"),
        ("configs", "configs"),
    ],
)
def test_a_run_is_called_by_its_configs_path_below_configs(path, name):
    assert config_files.run_name(path) == name


def test_a_config_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match=r"there is no config configs/none\.py"):
        config_files.load_module("configs/none.py")


def test_a_config_file_is_loaded_with_its_dataset(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from ml_collections import ConfigDict\n"
        "def get_config(dataset='a'):\n"
        "    return ConfigDict({'dataset': dataset})\n"
    )
    assert config_files.load_config(str(file)).dataset == "a"
    assert config_files.load_config(f"{file}:b").dataset == "b"
