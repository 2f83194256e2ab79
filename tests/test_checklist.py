"""`docs/checklist.md` names nothing that is not there."""

import importlib
import importlib.util
import pathlib
import re

import pytest

from fashionjax.data.__main__ import main as data_main
from fashionjax.data.published import DATASETS
from fashionjax.reproduce.scale import has_key
from fashionjax.reproduce.tables import TABLES
from tests.integration.conftest import FILES, load_config, load_module

ROOT = pathlib.Path(__file__).parents[1]
TEXT = (ROOT / "docs/checklist.md").read_text()
ROWS = re.findall(r"^\| (S\d\.\d+) \| (.+?) \| (.+) \|$", TEXT, re.MULTILINE)
CODE = sorted(set(re.findall(r"`([^`]+)`", TEXT)))
COMMANDS = [code for code in CODE if code.startswith("python -m ")]


def test_every_item_has_a_line():
    counts = {"S0": 13, "S1": 18, "S2": 11, "S3": 24, "S4": 15}
    wanted = [f"{d}.{i}" for d, n in counts.items() for i in range(1, n + 1)]
    assert [key for key, _, _ in ROWS] == wanted


@pytest.mark.parametrize(
    "code", [c for c in CODE if c.startswith("configs/") and c[-1] != "/"]
)
def test_every_config_is_there(code):
    file, _, dataset = code.partition(":")
    module = load_module(file.removeprefix("configs/").removesuffix(".py"))
    assert not dataset or dataset in module.DATASETS


def test_every_file_is_there():
    files = [c for c in CODE if re.fullmatch(r"(docs|fashionjax|configs)/\S*", c)]
    for file in files:
        assert (ROOT / file.partition(":")[0]).exists(), file


def test_every_key_is_one_of_a_config():
    presets = ("synthetic", "ccp4_full")
    configs = [load_config(name, preset) for name in FILES for preset in presets]
    for code in CODE:
        if code.startswith("--config."):
            key = code.removeprefix("--config.").partition("=")[0]
            assert any(has_key(config, key) for config in configs), code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command, capsys):
    module, *words = command.removeprefix("python -m ").split()
    assert importlib.util.find_spec(module)
    if module == "fashionjax.reproduce" and words != ["TABLE"]:
        assert words[0] in TABLES
    if module == "fashionjax.data":
        with pytest.raises(SystemExit) as ended:
            data_main([words[0], "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert words[1] in DATASETS
        for option in words[2:]:
            assert option.partition("=")[0] in shown


def test_every_name_is_there():
    for code in CODE:
        if re.fullmatch(r"(fashionjax|recipes|augment)(\.\w+)+", code):
            path, _, name = code.removeprefix("fashionjax.").rpartition(".")
            module = importlib.import_module(f"fashionjax.{path}")
            assert hasattr(module, name), code
