"""Tests of the metric writers."""

import json
import math
import warnings

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from fashionjax.writers import (
    JsonlWriter,
    TensorBoardWriter,
    WriterGroup,
    loss_terms,
    open_writers,
    read_metrics,
    series,
)


def _steps(path):
    return [record.step for record in read_metrics(path)]


def _events(folder):
    """Reads TFRecord framing: uint64 length, uint32 crc, data, uint32 crc."""
    events = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            events.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return events


def test_a_line_holds_step_epoch_split_and_metrics(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    writer = JsonlWriter(path)
    writer.write(20, "train", {"loss": np.float32(1.5)}, epoch=0.25)
    writer.write(20, "val", {"iou/été": 0.5})
    writer.close()
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == [
        {"step": 20, "epoch": 0.25, "split": "train", "metrics": {"loss": 1.5}},
        {"step": 20, "epoch": None, "split": "val", "metrics": {"iou/été": 0.5}},
    ]


def test_values_that_are_not_finite_become_null_and_read_as_nan(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    writer.write(1, "train", {"a": math.nan, "b": -math.inf, "c": 2})
    writer.close()
    assert json.loads(path.read_bytes())["metrics"] == {"a": None, "b": None, "c": 2.0}
    metrics = read_metrics(path)[0].metrics
    assert math.isnan(metrics["a"])
    assert metrics["c"] == 2


def test_resume_drops_the_lines_after_the_resumed_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    for step in (10, 20, 30, 40):
        writer.write(step, "train", {"loss": 1.0})
    writer.close()
    writer = JsonlWriter(path, resume_step=20)
    assert _steps(path) == [10, 20]
    writer.write(30, "train", {"loss": 0.5})
    writer.close()
    assert _steps(path) == [10, 20, 30]


def test_a_torn_last_line_is_dropped_at_open(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    writer.write(10, "train", {"loss": 1.0})
    writer.write(20, "train", {"loss": 1.0})
    writer.close()
    whole = path.read_bytes()
    for size in range(len(whole) // 2 + 1, len(whole)):
        path.write_bytes(whole[:size])
        writer = JsonlWriter(path)
        writer.write(20, "val", {"mean_iou": 0.5})
        writer.close()
        # Only the newline is missing from the longest one: that record is whole.
        intact = size == len(whole) - 1
        assert _steps(path) == ([10, 20, 20] if intact else [10, 20])
        assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_an_intact_file_is_not_rewritten(tmp_path):
    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    writer.write(10, "train", {"loss": 1.0})
    writer.close()
    before = path.stat().st_ino
    JsonlWriter(path, resume_step=10).close()
    assert path.stat().st_ino == before


def test_metrics_of_a_run_without_a_file_are_empty(tmp_path):
    assert read_metrics(tmp_path / "metrics.jsonl") == []


def test_a_full_disk_costs_one_line_only(tmp_path):
    class FullOnce:
        def __init__(self, file):
            self.file, self.full = file, True

        def write(self, data):
            piece, self.full = (data[:9] if self.full else data), False
            return self.file.write(piece)

        def close(self):
            self.file.close()

    path = tmp_path / "metrics.jsonl"
    writer = JsonlWriter(path)
    writer._file = FullOnce(writer._file)
    with pytest.raises(OSError, match="9 of"):
        writer.write(1, "train", {"loss": 1.0})
    writer.write(2, "train", {"loss": 1.0})
    writer.close()
    assert _steps(path) == [2]


def test_tensorboard_gets_finite_scalars_by_split(tmp_path):
    writer = TensorBoardWriter(tmp_path / "tensorboard")
    writer.write(7, "val", {"mean_iou": np.float32(0.5), "acc/hat": math.nan}, 1.5)
    writer.close()
    writer.close()
    scalars = {
        value.tag: (event.step, value.simple_value)
        for event in _events(tmp_path / "tensorboard")
        for value in event.summary.value
    }
    assert scalars == {"val/mean_iou": (7, 0.5), "val/epoch": (7, 1.5)}


def test_tensorboard_hides_what_a_resumed_run_repeats(tmp_path):
    TensorBoardWriter(tmp_path, resume_step=40).close()
    starts = [
        event.step for event in _events(tmp_path) if event.HasField("session_log")
    ]
    assert starts == [41]


class _Broken:
    def write(self, *_args):
        raise OSError("no space left")

    def close(self):
        raise OSError("no space left")


def test_a_failing_writer_is_named_once_and_the_others_go_on(tmp_path):
    path = tmp_path / "metrics.jsonl"
    group = WriterGroup([_Broken(), JsonlWriter(path)])
    with pytest.warns(UserWarning, match="_Broken failed.*no space left"):
        group.write(1, "train", {"loss": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group.write(2, "train", {"loss": 1.0})
        group.close()
    assert _steps(path) == [1, 2]


def test_open_writers_makes_both_kinds(tmp_path):
    group = open_writers(tmp_path, resume_step=0)
    group.write(1, "train", {"loss": 2.0})
    group.close()
    assert _steps(tmp_path / "metrics.jsonl") == [1]
    assert any(path.stat().st_size > 0 for path in (tmp_path / "tensorboard").iterdir())


def test_open_writers_tells_each_where_the_run_goes_on(tmp_path):
    group = open_writers(tmp_path, resume_step=0)
    for step in (10, 20, 30):
        group.write(step, "train", {"loss": 2.0})
    group.close()
    open_writers(tmp_path, resume_step=20).close()
    assert _steps(tmp_path / "metrics.jsonl") == [10, 20]
    events = _events(tmp_path / "tensorboard")
    assert 21 in [event.step for event in events if event.HasField("session_log")]


def test_open_writers_goes_on_without_tensorboard(tmp_path):
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="without the writer 'tensorboard'") as seen:
        group = open_writers(tmp_path)
    assert len(seen) == 1
    group.write(1, "train", {"loss": 2.0})
    group.close()
    assert _steps(tmp_path / "metrics.jsonl") == [1]


def test_open_writers_needs_no_name(tmp_path):
    open_writers(tmp_path, names=()).close()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_name_that_no_writer_has_opens_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"'wanbd'; allowed are tensorboard, wandb$"):
        open_writers(tmp_path / "run", names=("tensorboard", "wanbd"))
    assert not (tmp_path / "run").exists()


def test_a_metrics_file_that_cannot_be_written_ends_the_run(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(OSError, match=r"metrics\.jsonl"):
        open_writers(tmp_path)


def test_series_picks_one_metric_of_one_split(tmp_path):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    writer.write(1, "train", {"loss": 2.0})
    writer.write(2, "val", {"loss": 9.0})
    writer.write(3, "train", {"loss": 1.0, "grad_norm": 4.0})
    writer.close()
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert series(records, "train", "loss") == ([1, 3], [2.0, 1.0])


def test_loss_terms_leave_out_what_is_no_summand():
    metrics = {"loss": 3, "segmentation": 2, "tags": 1, "grad_norm": 9}
    metrics |= {"learning_rate": 0.1, "learning_rate/encoder": 0.01, "momentum": 0.9}
    metrics |= {"loss_scale": 65536, "skipped": 0, "compilations": 1}
    assert loss_terms(metrics) == {"segmentation": 2, "tags": 1}
