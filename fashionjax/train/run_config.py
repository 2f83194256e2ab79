"""The configuration that a work directory belongs to."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from fashionjax import presets

HARMLESS = frozenset(
    {
        "checkpoint_every_steps",
        "data.cache",
        "data.data_dir",
        "data.input",
        "data.num_threads",
        "data.num_workers",
        "data.raw_dir",
        "eval.batch_mean",
        "eval.boundary",
        "eval.images",
        "eval.sizes",
        "eval.trimap",
        "eval_batch_size",
        "log_every_steps",
        "num_panels",
        "spatial_shards",
        "writers",
    }
)
"""Keys without influence on parameters and scores: paths, speed, what is logged, saved
and measured besides."""

MAY_CHANGE = HARMLESS | {
    "crf.bilateral_compat",
    "crf.bilateral_srgb",
    "crf.bilateral_sxy",
    "crf.gaussian_compat",
    "crf.gaussian_sxy",
    "crf.num_iterations",
    "eval_every_epochs",
    "max_skipped_steps",
    "num_epochs",
}
"""Keys that a resumed run may set anew: length, intervals, paths, speed."""


def read_config(workdir: Path) -> ConfigDict:
    """Reads the configuration that a run was started with.

    Keys that came after the run was begun have the neutral value of `presets.base`.

    Raises:
        FileNotFoundError: If the folder is no work directory.
    """
    path = workdir / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{workdir} holds no config.json; name the workdir of a run"
        )
    config = _overlay(_neutral(), json.loads(path.read_text())["config"])
    return ConfigDict(config).lock()


def check_same_config(workdir: Path, config: ConfigDict, *, allow_change: bool) -> None:
    """Refuses to go on with a run under another configuration.

    A key that one of the two lacks counts as neutral there, so that runs go on when
    there are new keys.

    Args:
        workdir: Folder of the run; nothing is checked where no run has begun.
        config: The configuration to go on with.
        allow_change: Whether any key may have changed.

    Raises:
        ValueError: If a key changed that may not; names each, old and new.
    """
    if allow_change or not (workdir / "config.json").is_file():
        return
    old = _flatten(read_config(workdir).to_dict())
    new = _flatten(_overlay(_neutral(), json.loads(config.to_json())))
    changed = [
        f"  {key}: {old.get(key, '(absent)')} -> {new.get(key, '(absent)')}"
        for key in sorted(old.keys() | new.keys())
        if key not in MAY_CHANGE and old.get(key) != new.get(key)
    ]
    if changed:
        raise ValueError(
            f"{workdir} belongs to a run with another configuration:\n"
            + "\n".join(changed)
            + "\nChoose another --workdir, or go on all the same with"
            " --allow_config_change"
        )


def _neutral() -> dict[str, Any]:
    """What `presets.base` and `presets.own` have, in the types of JSON."""
    config = presets.base()
    presets.own(config, "")
    return json.loads(config.to_json())


def _overlay(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of `above`, and those of `below` that it lacks."""
    result = dict(below)
    for key, value in above.items():
        beneath = below.get(key)
        if isinstance(value, Mapping) and isinstance(beneath, dict):
            value = _overlay(beneath, value)
        result[key] = value
    return result


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat
