"""Tests of the start-up summary."""

import json
import subprocess
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.train.state import TrainState
from fashionjax.train.summary import (
    describe_run,
    device_text,
    devices,
    format_bytes,
    git_revision,
    memory_table,
    parameter_table,
    startup_text,
    tree_size,
    versions,
    write_run_config,
)


def _cells(table):
    """Maps the first cell of each line to the others, split at runs of two blanks."""
    rows = [[c for c in line.split("  ") if c.strip()] for line in table.splitlines()]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows if row}


@pytest.fixture
def checkout(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    git("init", "-q")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "module.py").write_text("a = 1\n")
    git("add", "code")
    git("commit", "-q", "-m", "first")
    return tmp_path


def test_no_revision_outside_a_checkout(tmp_path):
    assert git_revision(tmp_path) is None


def test_the_revision_of_a_checkout_is_its_commit(checkout):
    revision = git_revision(checkout / "code")
    assert revision is not None
    assert len(revision) == 40


def test_a_changed_file_makes_the_revision_dirty(checkout):
    (checkout / "code" / "module.py").write_text("a = 2\n")
    assert str(git_revision(checkout / "code")).endswith("-dirty")


def test_a_package_installed_below_another_checkout_has_no_revision(checkout):
    (checkout / "site-packages").mkdir()
    (checkout / "site-packages" / "module.py").write_text("a = 1\n")
    assert git_revision(checkout / "site-packages") is None


def test_without_git_there_is_no_revision(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_revision(checkout / "code") is None


def test_a_hook_of_another_repository_does_not_change_the_revision(
    checkout, monkeypatch
):
    expected = git_revision(checkout / "code")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git_revision(checkout / "code") == expected


def test_versions_name_python_and_jax():
    found = versions()
    assert found["jax"] == jax.__version__
    assert found["numpy"] == np.__version__
    assert found["python"].count(".") == 2


def test_devices_are_counted_by_kind():
    assert sum(d["count"] for d in devices()) == jax.device_count()
    assert device_text().startswith(f"{jax.device_count()} × ")


def test_tree_size_counts_arrays_shapes_and_numbers():
    tree = {"a": jnp.zeros((2, 3)), "b": jax.ShapeDtypeStruct((4,), jnp.bfloat16)}
    size = tree_size(tree)
    assert (size.tensors, size.elements, size.bytes) == (2, 10, 32)
    assert tree_size({"count": np.int32(3)}).bytes == 4


def test_parameters_are_listed_by_top_level_module():
    params = {
        "encoder": {"conv": {"kernel": np.zeros((3, 3, 3, 64), np.float32)}},
        "head": {"kernel": np.zeros((64, 4), np.float32), "bias": np.zeros(4, "f4")},
    }
    cells = _cells(parameter_table(params))
    assert cells["module"] == ["tensors", "parameters", "size"]
    assert cells["encoder"] == ["1", "1,728", "6.91 kB"]
    assert cells["head"] == ["2", "260", "1.04 kB"]
    assert cells["total"] == ["3", "1,988", "7.95 kB"]


def test_memory_adds_up_state_and_batch_and_lists_the_compiled_step():
    part = {"a": np.zeros(250, np.float32)}
    compiled = types.SimpleNamespace(
        temp_size_in_bytes=5_000_000, argument_size_in_bytes=0
    )
    cells = _cells(
        memory_table(
            params=part,
            batch_stats={},
            opt_state=(part, part),
            batch={"image": np.zeros((1, 10, 10, 3), np.uint8)},
            compiled_memory=compiled,
        )
    )
    assert cells["optimiser state"] == ["2 kB"]
    assert cells["batch"] == ["300 B"]
    assert cells["compiled step: temporary"] == ["5 MB"]
    assert cells["compiled step: arguments"] == ["0 B"]
    assert "compiled step: outputs" not in cells
    assert cells["total of state and batch"] == ["3.3 kB"]


def test_memory_of_a_real_compiled_step_is_read():
    compiled = jax.jit(lambda x: x @ x).lower(jnp.zeros((8, 8))).compile()
    table = memory_table(
        params={},
        batch_stats={},
        opt_state=(),
        batch={},
        compiled_memory=compiled.memory_analysis(),
    )
    assert _cells(table)["compiled step: arguments"] == ["256 B"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_999, "1 MB"), (4e12, "4 TB")],
)
def test_sizes_read_well(size, text):
    assert format_bytes(size) == text


def test_the_start_text_has_devices_versions_and_revision():
    text = startup_text()
    assert [line.split()[0] for line in text.splitlines()] == [
        "devices",
        "versions",
        "revision",
    ]
    assert f"jax {jax.__version__}" in text


def test_a_run_is_described_by_its_state():
    kernel = np.zeros((2, 3), np.float32)
    state = TrainState(
        step=jnp.int32(0),
        params={"head": {"kernel": kernel}},
        batch_stats={},
        opt_state=(kernel, kernel),
    )
    text = describe_run(state, batch_size=16)
    cells = _cells(text)
    assert f"16 images over {jax.device_count()} devices" in text
    assert cells["head"] == ["1", "6", "24 B"]
    assert cells["optimiser state"] == ["48 B"]
    assert cells["total of state"] == ["72 B"]


def test_config_json_holds_config_versions_revision_and_devices(tmp_path):
    config = {
        "seed": 0,
        "size": (256, 128),
        "clip": float("inf"),
        "rate": np.float32(1),
    }
    path = write_run_config(tmp_path / "new", config, {"command": "python -m x"})
    record = json.loads(path.read_text("utf-8"))
    assert record["config"] == {
        "seed": 0,
        "size": [256, 128],
        "clip": "inf",
        "rate": 1.0,
    }
    assert record["versions"] == versions()
    assert record["devices"] == devices()
    assert "git_revision" in record
    assert record["command"] == "python -m x"
    assert [p.name for p in path.parent.iterdir()] == ["config.json"]


def test_an_extra_entry_may_not_replace_the_config(tmp_path):
    with pytest.raises(ValueError, match="'config'"):
        write_run_config(tmp_path, {}, {"config": 1})
