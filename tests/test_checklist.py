"""`docs/checklist.md` names nothing that is not there."""

import argparse
import importlib
import importlib.util
import pathlib
import re

import pytest
from absl import flags

import fashionjax.reproduce.__main__
from fashionjax import builders
from fashionjax.config_files import parse_config
from fashionjax.reproduce.scale import has_key
from tests.integration.conftest import load_config, load_module

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


def _keys():
    """Of each line the keys that it sets, each with every config that it names."""
    for line, _, covered in ROWS:
        codes = re.findall(r"`([^`]+)`", covered)
        files = [code for code in codes if re.match(r"configs/\S+\.py", code)]
        for code in codes:
            if code.startswith("--config."):
                yield from ((line, code, file) for file in files or [""])


@pytest.mark.parametrize(("line", "code", "file"), [*_keys()])
def test_every_key_is_one_of_the_configs_that_its_line_names(line, code, file):
    assert file, f"{line} names no config that has {code}"
    if ":" not in file:
        name = file.removeprefix("configs/").removesuffix(".py")
        _, _, file = load_config(name).document_run.partition("=")
    if "=" not in code:
        assert has_key(_parse(file), code.removeprefix("--config."))
    else:
        builders.build_experiment(_parse(file, *code.split()))


def _parse(file, *words):
    return parse_config([f"--config={ROOT / file}", *words])


class ReadError(Exception):
    """A command has read its words."""


@pytest.fixture
def read(monkeypatch):
    """Has a command read its words with its own parser, and go no further."""
    parse_args = argparse.ArgumentParser.parse_args

    def stop(*_):
        raise ReadError

    def parse_and_stop(parser, words):
        parse_args(parser, words)
        raise ReadError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    # It leaves the keys of configs to another parser.
    monkeypatch.setattr(fashionjax.reproduce.__main__, "make_plans", stop)

    def read(name, words):
        if importlib.util.find_spec(name).submodule_search_locations is not None:
            name = f"{name}.__main__"
        with pytest.raises(ReadError):
            importlib.import_module(name).main(words)

    return read


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_its_words(command, read):
    name, *words = command.removeprefix("python -m ").split()
    if name == "fashionjax.main":
        _check_flags(words)
    elif words == ["TABLE"]:
        assert importlib.util.find_spec(name)
    else:
        read(name, words)


@pytest.mark.parametrize("words", ["doctor ccp", "doctor ccp --out=a --detectors=b"])
def test_a_command_without_its_words_is_found(words, read):
    with pytest.raises(SystemExit):
        read("fashionjax.data", words.split())


def test_every_flag_is_one_of_main():
    for code in CODE:
        if code.startswith("--") and not code.startswith("--config."):
            _check_flags(code.split())


def _check_flags(words):
    """Raises for a flag that main does not have, or a value that it does not take."""
    importlib.import_module("fashionjax.main")
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        flag = flags.FLAGS[name]
        if name != "config" and not (flag.boolean and not value):
            flag.parser.parse(value)


def test_every_name_is_there():
    for code in CODE:
        if re.fullmatch(r"(fashionjax|recipes|augment)(\.\w+)+", code):
            path, _, name = code.removeprefix("fashionjax.").rpartition(".")
            module = importlib.import_module(f"fashionjax.{path}")
            assert hasattr(module, name), code
