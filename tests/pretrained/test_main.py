import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from fashionjax.augment import Normalization
from fashionjax.pretrained import convert, read_state
from fashionjax.pretrained.__main__ import main
from fashionjax.pretrained.checksums import content_sha256, file_sha256
from fashionjax.pretrained.native import flatten, split_native
from fashionjax.pretrained.reference import Published
from fashionjax.pretrained.references import REFERENCES
from tests.pretrained import tiny
from tests.pretrained.make_torch_files import FOLDER
from tests.pretrained.test_read import _save

FC = ("fc.weight", "fc.bias")

pytestmark = pytest.mark.usefixtures("only_tiny")


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "tiny.npz", **tiny.state())
    return tmp_path / "tiny.npz"


def test_verify_names_reference_tensors_and_checksum(file, capsys):
    assert main(["verify", str(file)]) == 0
    text = capsys.readouterr().out
    state = tiny.state()
    assert f"sha256      {file_sha256(file)}" in text
    parameters = sum(v.size for k, v in state.items() if "running" not in k and v.ndim)
    assert f"{tiny.NAME}: Classifier, {parameters:,} parameters, 7 classes" in text
    assert "checksum    none is published" in text
    assert tiny.LICENCE in text
    assert f"tensors     {len(state)} with" in text
    assert f"content     sha256 {content_sha256(state)}" in text
    assert "conv1.weight" in text
    assert "layer4.1.bn2.bias" not in text
    assert main(["verify", str(file), "--all", f"--reference={tiny.NAME}"]) == 0
    assert "layer4.1.bn2.bias" in capsys.readouterr().out


def test_the_contents_checksum_does_not_depend_on_the_format(tmp_path, file):
    state = tiny.state()
    reordered = dict(sorted(state.items(), reverse=True))
    _save(tmp_path / "x.safetensors", reordered)
    digest = content_sha256(state)
    assert content_sha256(read_state(file)) == digest
    assert content_sha256(read_state(tmp_path / "x.safetensors")) == digest
    for name, change in {
        "conv1.weight": lambda x: x + 1e-7,
        "fc.bias": lambda x: x.astype(np.float64),
    }.items():
        assert content_sha256({**state, name: change(state[name])}) != digest


def _failure(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    return captured.err


def test_verify_refuses_what_is_wrong(tmp_path, file, capsys):
    state = tiny.state()
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, **{**state, "bn1.weight": np.ones(5, np.float32)})
    error = _failure(capsys, "verify", wrong)
    assert "wrong.npz: these are not the weights of tiny/resnet18" in error
    assert "bn1.weight: has shape (5,) in our layout" in error
    np.savez(wrong, **{**state, "bn1.weight": np.full(4, np.nan, np.float32)})
    assert "bn1.weight: has values that are not finite" in _failure(
        capsys, "verify", wrong
    )
    np.savez(wrong, **{**state, "fc.bias": np.full(7, np.inf, np.float16)})
    assert "fc.bias: has values that are not finite" in _failure(
        capsys, "verify", wrong
    )
    assert "unknown reference" in _failure(capsys, "verify", file, "--reference=x/y")
    assert "no such file" in _failure(capsys, "verify", tmp_path / "none.pth")
    truncated = tmp_path / "truncated.npz"
    truncated.write_bytes(file.read_bytes()[:-100])
    assert "truncated.npz: is no .npz file, or" in _failure(capsys, "verify", truncated)
    assert "names 'torch.nn" in _failure(capsys, "verify", FOLDER / "module.pth")


def test_verify_says_that_a_head_is_not_numbers(tmp_path, capsys):
    path = tmp_path / "features.npz"
    head = {name: np.full_like(tiny.state()[name], np.nan) for name in FC}
    np.savez(path, **{**tiny.state(), **head})
    assert main(["verify", str(path)]) == 0
    text = capsys.readouterr().out
    assert f"{tiny.NAME}: ResNet, " in text
    assert "head        its 2 tensors are not numbers" in text
    assert "classes" not in text
    # Without the classes' tensor, the rest of a head is nothing that is published.
    state = {**tiny.state(), **head}
    del state["fc.weight"]
    np.savez(path, **state)
    assert "not finite in fc.bias" in _failure(capsys, "verify", path)


def test_convert_writes_variables_that_verify_knows(tmp_path, file, capsys):
    out = tmp_path / "ours.npz"
    command = ["convert", str(file), f"--reference={tiny.NAME}", f"--out={out}"]
    assert main(command) == 0
    written = read_state(out)
    variables = flatten(convert(tiny.NAME, tiny.state()))
    normalization = {"normalization/mean", "normalization/std"}
    assert set(written) == set(variables) | normalization
    for path, array in variables.items():
        np.testing.assert_array_equal(written[path], array)
    assert tuple(written["normalization/mean"]) == tiny.NORMALIZATION.mean
    assert main([*command, "--head"]) == 0
    assert "params/head/linear/bias" in read_state(out)
    capsys.readouterr()
    assert main(["verify", str(out)]) == 0
    assert "variables of fashionjax" in capsys.readouterr().out
    bad = [*command[:-1], f"--out={tmp_path}/x.bin"]
    assert "ends in .npz" in _failure(capsys, *bad)


def test_convert_writes_the_files_own_normalisation(monkeypatch, tmp_path, file):
    out = tmp_path / "ours.npz"
    own = Normalization((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))

    def convert_(path):
        command = ["convert", str(path), f"--reference={tiny.NAME}", f"--out={out}"]
        assert main(command) == 0
        return split_native(read_state(out))[1]

    published = Published("tiny.pth", file_sha256(file)[:8], normalization=own)
    reference = dataclasses.replace(tiny.reference(), published=(published,))
    monkeypatch.setitem(REFERENCES, tiny.NAME, reference)
    assert convert_(file) == own
    _save(tmp_path / "model.safetensors", tiny.state())
    assert convert_(tmp_path / "model.safetensors") == tiny.NORMALIZATION
    config = {"pretrained_cfg": {"mean": own.mean, "std": own.std}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert convert_(tmp_path / "model.safetensors") == own


def test_a_hostile_name_does_not_reach_the_terminal(tmp_path, capsys):
    state = {**tiny.state(), "\x1b[2Jfc.weight": np.zeros(1, np.float32)}
    _save(tmp_path / "x.safetensors", state)
    assert "\x1b" not in _failure(capsys, "verify", tmp_path / "x.safetensors")


def test_the_command_runs_as_users_type_it():
    command = [sys.executable, "-m", "fashionjax.pretrained", "verify"]
    done = subprocess.run(
        [*command, str(FOLDER / "module.pth")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "'torch.nn.modules.linear.Linear'" in line
