"""The benchmark's commands that read data: the way in, and the loop beside its step."""

import json

import pytest

from fashionjax.bench import __main__ as command
from fashionjax.bench import commands
from fashionjax.bench.e2e import measure_e2e
from fashionjax.bench.startup import PHASES


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


@pytest.mark.usefixtures("drawn")
def test_drawn_figures_have_no_folder_of_photos(capsys):
    status, _, errors = _run(capsys, "input", "--config=x", "--raw_dir=photos")
    assert status == 1
    assert "--raw_dir: the dataset 'synthetic' has none" in errors


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
    words = ("--what=startup", "--values=30", "--config=x", "--input=resident")
    status, rows, _ = _run(capsys, "curves", *words)
    assert status == 0
    assert [(row["cache"], row["examples"]) for row in rows] == [
        ("cold", 30),
        ("warm", 30),
    ]
    for row in rows:
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
