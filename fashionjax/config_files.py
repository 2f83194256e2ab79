"""Config files by their path: how commands, and configs of one another, read them."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from absl import flags
from ml_collections import ConfigDict, config_flags


def load_module(path: str | Path) -> ModuleType:
    """Runs a config file, such as the one that another config changes.

    Args:
        path: The file; `configs/` is no package, so that a config can lie anywhere.

    Returns:
        The module, with `get_config` and `DATASETS`.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no config {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_config(text: str) -> ConfigDict:
    """Loads `configs/NAME.py[:DATASET]`, as main does.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no such dataset.
    """
    path, _, dataset = text.partition(":")
    module = load_module(path)
    return module.get_config(dataset) if dataset else module.get_config()


def parse_config(arguments: Sequence[str]) -> ConfigDict:
    """The configuration that main makes of its flags.

    Args:
        arguments: `--config=FILE[:DATASET]` and any `--config.KEY=VALUE`.

    Raises:
        OSError: If there is no such file.
        ValueError: If it has no such dataset or key, or a value is of another type.
    """
    words = ["config", *arguments]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=words)
    try:
        values(words)
    except (flags.Error, AttributeError, KeyError) as error:
        raise ValueError(str(error).strip().splitlines()[-1].strip()) from error
    config = values["config"].value
    assert config is not None, "a missing file is an error before"
    return config


def run_name(path: str | Path) -> str:
    """What a run of a config file is called: its path below `configs/`.

    Args:
        path: Such as `configs/s1/unet_focal_adam.py`; of a file that is not below a
            folder `configs`, its own name.

    Returns:
        Such as `s1/unet_focal_adam`.
    """
    path = Path(path).with_suffix("")
    parts = path.parts[:-1]
    if "configs" not in parts:
        return path.name
    below = len(parts) - parts[::-1].index("configs")
    return "/".join(path.parts[below:])
