"""The benchmark's commands that read data: the way in, and the loop beside its step."""

import json

import pytest

from fashionjax.bench import __main__ as command
from fashionjax.bench import commands
from fashionjax.bench.e2e import measure_e2e
from fashionjax.bench.startup import PHASES
from fashionjax.data.synthesize import synthesize
from tests.integration.conftest import CONFIGS


def _run(capsys, *arguments):
    status = command.main([*arguments])
    printed = capsys.readouterr()
    return (
        status,
        [json.loads(x) for x in printed.out.splitlines() if x.startswith("{")],
        printed.err,
    )


@pytest.fixture
def drawn(monkeypatch, small_config):
    """Loads the small config, whatever is named."""
    monkeypatch.setattr(commands, "load_config", lambda text: small_config())  # noqa: ARG005


@pytest.mark.usefixtures("drawn")
def test_reading_is_a_row_for_each_way(capsys):
    status, rows, _ = _run(
        capsys,
        "input",
        "--config=x",
        "--threads=1,2",
        "--examples=20,40",
        "--steps=3",
        "--batch=4",
    )
    assert status == 0
    found = [(row["threads"], row["examples"]) for row in rows]
    assert found == [(1, 20), (1, 40), (2, 20), (2, 40)]
    for row in rows:
        assert row["batch"] == 4
        assert row["size"] == "64x64"
        assert row["images_per_second"] > 0
        assert row["to_device_gb_s"] > 0
        # Whole waves of a batch a thread, and not too few.
        assert row["batches"] == 8 * row["threads"]


@pytest.mark.usefixtures("drawn")
def test_drawn_figures_have_no_folder_of_photos(capsys):
    for option in ("--raw_dir=photos", "--data_dir=data", "--resized=all"):
        status, _, errors = _run(capsys, "input", "--config=x", option)
        assert status == 1
        assert f"{option.split('=')[0]}: the dataset 'synthetic' has none" in errors


def test_a_cache_of_a_size_is_measured(capsys, tmp_path):
    synthesize("ccp", tmp_path / "raw", 16)
    status, (row,), errors = _run(
        capsys,
        "input",
        f"--config={CONFIGS / 'unet_ext.py'}:ccp4",
        f"--raw_dir={tmp_path / 'raw'}",
        f"--data_dir={tmp_path / 'data'}",
        "--resized=train",
        "--size=32x24",
        "--steps=2",
        "--batch=4",
        "--threads=1",
    )
    assert status == 0, errors
    assert (row["size"], row["resized"], row["examples"]) == ("32x24", "train", 14)
    (folder,) = (tmp_path / "data").rglob("32x24-ccp_4-*")
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["train"]


@pytest.mark.usefixtures("drawn")
def test_reading_is_a_curve_over_cores(capsys):
    status, rows, _ = _run(
        capsys, "curves", "--what=input", "--values=1", "--config=x", "--steps=3"
    )
    assert status == 0
    assert [(row["cores"], row["threads"]) for row in rows] == [(1, 1)]
    assert rows[0]["images_per_second"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
def test_a_start_is_measured_phase_by_phase(capsys):
    # The split has 32: some come again.
    words = ("--what=startup", "--values=40", "--config=x", "--input=resident")
    status, rows, _ = _run(capsys, "curves", *words)
    assert status == 0
    assert [(row["cache"], row["examples"]) for row in rows] == [
        ("cold", 40),
        ("warm", 40),
    ]
    for row in rows:
        assert row["distinct_examples"] == 32
        assert row["input"] == "resident"
        assert all(row[phase] >= 0 for phase in PHASES)
        assert row["total_s"] == pytest.approx(sum(row[phase] for phase in PHASES))


@pytest.mark.slow
@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("way", ["stream", "resident"])
def test_the_loop_beside_its_bare_step(capsys, tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    options = ("--config=x", "--steps=4", "--window=1", f"--input={way}")
    status, (row,), _ = _run(capsys, "e2e", *options)
    assert status == 0
    assert row["ratio"] == pytest.approx(
        row["images_per_second"] / row["bare_images_per_second"]
    )
    assert 0 <= row["data_wait"] <= 1
    assert row["batch"] == 8
    assert row["input"] == way
    # Nothing of the run is left behind.
    assert not list(tmp_path.iterdir())


def test_one_window_is_no_loop(small_config):
    with pytest.raises(ValueError, match="--steps=3 is too few"):
        measure_e2e(small_config(), num_steps=3, window=2)
