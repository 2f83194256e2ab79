import argparse
import ast
import json
import sys

import pytest

from fashionjax.bench import __main__ as command
from fashionjax.bench import peer, training
from fashionjax.bench.peer import Worker, summarize
from tests.train.toy import toy

FAKE_WORKER = """
import json, sys
print(json.dumps({"num_params": int("NUM_PARAMS"), "version": "torch 0"}), flush=True)
for line in sys.stdin:
    print(json.dumps({"seconds": 0.5}), flush=True)
"""


@pytest.fixture
def toys(monkeypatch):
    """Toy models under the real names, and no warm-up."""
    models = dict.fromkeys(training.MODELS, lambda classes: toy())  # noqa: ARG005
    for module in (training, peer):
        monkeypatch.setattr(module, "MODELS", models)
    monkeypatch.setattr("fashionjax.bench.augment.MODELS", models)


@pytest.fixture
def fake_torch(monkeypatch, tmp_path):
    """Replaces torch's side; returns the function that sets its parameter count."""

    def write(num_params):
        worker = tmp_path / "worker.py"
        worker.write_text(FAKE_WORKER.replace("NUM_PARAMS", str(num_params)))
        monkeypatch.setattr(peer, "_WORKER", worker)

    return write


def _run(capsys, *arguments):
    status = command.main([*arguments, "--size=16x8", "--classes=3", "--steps=2"])
    return status, capsys.readouterr()


def test_sizes_are_height_by_width():
    assert command.parse_size("288x192") == (288, 192)


@pytest.mark.parametrize("text", ["288", "x192", "288x", "axb", "-1x2"])
def test_a_wrong_size_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="288x192"):
        command.parse_size(text)


@pytest.mark.parametrize("words", [[], ["peer"], ["augment"]])
def test_help_says_what_is_measured(words, capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main([*words, "--help"])
    assert "Times" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--model=resnet1", "--batch=0", "--steps=x"])
def test_wrong_options_are_refused(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["peer", option])
    assert option.split("=")[1] in capsys.readouterr().err


@pytest.mark.usefixtures("toys")
def test_the_peer_is_timed_by_turns(fake_torch, capsys):
    fake_torch(143)
    status, printed = _run(capsys, "peer")
    line, *table = printed.out.splitlines()
    result = json.loads(line)
    assert status == 0
    assert len(table) == 3
    assert result["torch_ms"] == 500
    assert result["params"] == 143
    assert 0 < result["ratio_min"] <= result["ratio"] <= result["ratio_max"]
    assert result["size"] == "16x8"


@pytest.mark.usefixtures("toys")
def test_another_model_is_no_peer(fake_torch, capsys):
    fake_torch(200)
    status, printed = _run(capsys, "peer")
    assert status == 1
    assert "143 parameters here and 200 in torch" in printed.err


def test_a_peer_that_does_not_start_is_an_error(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_module")
    with pytest.raises(ValueError, match="ended with status 1"):
        Worker([sys.executable, str(broken)])


def test_ratios_are_summed_up_by_their_median():
    summary = summarize([1.0, 5.0, 2.0])
    assert summary == {"ratio": 2.0, "ratio_min": 1.0, "ratio_max": 5.0}


@pytest.mark.usefixtures("toys")
def test_augmentation_is_a_share_of_the_step(capsys):
    status, printed = _run(capsys, "augment", "--batch=2", "--step_batch=2")
    result = json.loads(printed.out.splitlines()[0])
    assert status == 0
    assert result["share"] == pytest.approx(result["augment_ms"] / result["step_ms"])


def test_torchs_side_needs_torch_alone():
    tree = ast.parse(peer._WORKER.read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    libraries = imported - set(sys.stdlib_module_names)
    assert libraries == {"torch", "torchvision", "segmentation_models_pytorch"}


def test_all_models_can_be_named(capsys):
    with pytest.raises(SystemExit):
        command.main(["peer", "--help"])
    assert "{" + ",".join(training.MODELS) + "}" in capsys.readouterr().out
