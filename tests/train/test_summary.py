"""Tests of the start-up summary."""

import json
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from fashionjax.train.state import TrainState
from fashionjax.train.summary import (
    dataset_text,
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


def test_parameters_are_listed_by_part_of_the_model():
    params = {
        "up1": {"kernel": np.zeros((1, 1, 2, 2), np.float32)},
        "box_branch": {"bias": np.zeros(3, np.float32)},
        "encoder": {"conv": {"kernel": np.zeros((3, 3, 3, 64), np.float32)}},
        "head": {"kernel": np.zeros((64, 4), np.float32), "bias": np.zeros(4, "f4")},
    }
    cells = _cells(parameter_table(params))
    assert list(cells) == [
        "part",
        "─" * len(parameter_table(params).splitlines()[0]),
        "encoder",
        "box branch",
        "decoder and head",
        "total",
    ]
    assert cells["part"] == ["tensors", "parameters", "size"]
    assert cells["encoder"] == ["1", "1,728", "6.91 kB"]
    assert cells["decoder and head"] == ["3", "264", "1.06 kB"]
    assert cells["total"] == ["5", "1,995", "7.98 kB"]


def test_memory_adds_up_state_and_batch():
    part = {"a": np.zeros(250, np.float32)}
    cells = _cells(
        memory_table(
            params=part,
            batch_stats={},
            opt_state=(part, part),
            batch={"image": np.zeros((1, 10, 10, 3), np.uint8)},
        )
    )
    assert cells["optimiser state"] == ["2 kB"]
    assert cells["batch"] == ["300 B"]
    assert cells["total of state and batch"] == ["3.3 kB"]


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


def _config(dataset="synthetic"):
    return ConfigDict(
        {
            "dataset": dataset,
            "document_run": "--config=configs/a.py:photos",
            "scale": "a preset",
            "batch_size": 16,
            "data": {"image_size": (10, 5)},
        }
    )


def test_a_run_is_described_by_its_state():
    kernel = jax.ShapeDtypeStruct((2, 3), jnp.float32)
    state = TrainState(
        step=jax.ShapeDtypeStruct((), jnp.int32),
        params={"head": {"kernel": kernel}},
        batch_stats={},
        opt_state=(kernel, kernel),
        ema=None,
        loss_scale=None,
        num_skipped=jax.ShapeDtypeStruct((), jnp.int32),
    )
    text = describe_run(state, _config(), 400, {"train": 6400, "val": 7})
    cells = _cells(text)
    assert text.startswith("Training on `synthetic` (a preset, 6,400 images,")
    assert cells["examples"] == ["6,400 train, 7 val (also to test)"]
    assert f"16 images over {jax.device_count()} device" in text
    assert cells["decoder and head"] == ["1", "6", "24 B"]
    assert cells["optimiser state"] == ["48 B"]
    assert cells["batch"] == ["3.2 kB"]  # 16 × 10 × 5 × (3 + 1)
    assert cells["total of state and batch"] == ["3.27 kB"]


def test_another_run_tells_how_to_get_the_document_s():
    text = dataset_text(_config("ccp"), 1234, {"train": 9})
    assert text == (
        "Training on `ccp` (a preset, 9 images, 10×5, 1,234 steps). The"
        " document's run: python -m fashionjax.main --config=configs/a.py:photos"
    )


def test_the_document_s_run_says_that_it_is():
    text = dataset_text(_config("photos"), 5, {"train": 9})
    assert text == "Training on `photos` (the document's run, 9 images, 10×5, 5 steps)."


def test_config_json_holds_config_versions_revision_and_devices(tmp_path):
    config = {
        "seed": 0,
        "size": (256, 128),
        "clip": float("inf"),
        "rate": np.float32(1),
    }
    path = write_run_config(tmp_path / "new", config)
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
    assert [p.name for p in path.parent.iterdir()] == ["config.json"]
