"""Three kills of a campaign; `kill_campaign.py` makes as many as one likes."""

import random

import pytest

from tests.faults import tiny_run
from tests.faults.kill_campaign import break_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    assert tiny_run.finish(folder / "run", folder / "log") == 0
    return tiny_run.everything(folder / "run")


@pytest.mark.parametrize(
    ("workers", "moments"), [(0, ("save", "evaluation")), (2, ("epoch",))]
)
def test_a_killed_run_ends_as_an_unbroken_one(unbroken, tmp_path, workers, moments):
    kills = break_run(
        tmp_path / "run",
        tmp_path / "log",
        moments,
        random.Random(workers),
        data__num_workers=workers,
    )
    assert [name for name, _ in kills] == list(moments)
    broken = tiny_run.everything(tmp_path / "run")
    assert tiny_run.differences(unbroken, broken) == []


def test_a_killed_run_on_resident_data_ends_as_an_unbroken_stream(unbroken, tmp_path):
    kills = break_run(
        tmp_path / "run",
        tmp_path / "log",
        ("epoch",),
        random.Random(1),
        data__input="resident",
    )
    assert len(kills) == 1
    text = (tmp_path / "log").read_text()
    assert text.count("Reading the training split into device memory: 43/43") == 2
    broken = tiny_run.everything(tmp_path / "run")
    assert tiny_run.differences(unbroken, broken) == []


def test_differences_are_seen(unbroken):
    # What the comparison above rests on.
    changed = dict(unbroken)
    changed["latest"] = unbroken["latest"] + 1
    assert tiny_run.differences(unbroken, changed) == ["['latest']"]
    assert len(unbroken["losses"]) == 3 * tiny_run.STEPS_PER_EPOCH + 3 + 1
    assert unbroken["state"].ema is not None
