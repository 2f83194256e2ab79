"""Where the numbers of a run go: `metrics.jsonl`, TensorBoard, or both.

The report (`fashionjax.report`) reads what `JsonlWriter` wrote.
"""

import dataclasses
import json
import math
import os
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import (  # protobuf makes both at run time
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)
from tensorboardX.summary import scalar

NOT_LOSS_TERMS = frozenset(
    {"loss", "grad_norm", "learning_rate", "images_per_second", "data_wait"}
)
"""Training metrics that are no summand of the objective; nor is a name with a slash
(`learning_rate/encoder`). Every other training metric is taken for a loss term."""


@dataclasses.dataclass(frozen=True)
class MetricRecord:
    """One line of `metrics.jsonl`.

    Attributes:
        step: Number of finished updates.
        epoch: Passes over the training split, a fraction; None where unknown.
        split: `train`, `val` or `test`.
        metrics: Value by name; NaN where the value was not finite.
    """

    step: int
    epoch: float | None
    split: str
    metrics: dict[str, float]


class MetricWriter(Protocol):
    """Takes the metrics of one split at one step."""

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Writes scalars; Python, NumPy and JAX scalars are all fine."""
        ...

    def close(self) -> None:
        """Flushes and closes; a second call does nothing."""
        ...


def _to_line(record: MetricRecord) -> bytes:
    """JSON has no NaN and no infinity, so that both become null."""
    fields = dataclasses.asdict(record)
    fields["metrics"] = {
        name: value if math.isfinite(value) else None
        for name, value in record.metrics.items()
    }
    return json.dumps(fields, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _from_line(line: bytes) -> MetricRecord | None:
    """Returns None for a line that is torn or not ours."""
    try:
        fields = json.loads(line)
        metrics = {
            name: math.nan if value is None else float(value)
            for name, value in fields["metrics"].items()
        }
        return MetricRecord(
            int(fields["step"]), fields.get("epoch"), str(fields["split"]), metrics
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _read_lines(path: Path) -> tuple[list[MetricRecord], int]:
    """Returns the whole records and the number of lines that are broken."""
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    records = [_from_line(line) for line in lines]
    whole = [record for record in records if record is not None]
    return whole, len(records) - len(whole)


def read_metrics(path: str | os.PathLike[str]) -> list[MetricRecord]:
    """Reads a `metrics.jsonl`, also one that a run is still writing.

    Args:
        path: The file; one that does not exist counts as empty.

    Returns:
        The records in file order. Broken lines (a killed run leaves at most one) are
        left out.
    """
    path = Path(path)
    return _read_lines(path)[0] if path.exists() else []


class JsonlWriter:
    """Appends to `metrics.jsonl`: `{"step", "epoch", "split", "metrics": {…}}` a line.

    A line goes to the system in one piece as soon as it is written, so that a killed
    process loses nothing that `write` has returned from.

    Args:
        path: The file; its folder is created.
        resume_step: Step that the run goes on from. Later lines are removed, since
            the run is about to write them again. None keeps every whole line.

    Raises:
        OSError: If the file cannot be read or opened for writing.
    """

    def __init__(
        self, path: str | os.PathLike[str], resume_step: int | None = None
    ) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._repair(resume_step)
        self._file = self._path.open("ab", buffering=0)
        self._torn = False

    def _repair(self, resume_step: int | None) -> None:
        """Drops broken lines and those after `resume_step`; the swap is atomic."""
        if not self._path.exists():
            return
        records, num_broken = _read_lines(self._path)
        if num_broken > 1:
            warnings.warn(
                f"{self._path}: {num_broken} broken lines removed", stacklevel=3
            )
        if resume_step is not None:
            records = [record for record in records if record.step <= resume_step]
        content = b"".join(_to_line(record) for record in records)
        if content != self._path.read_bytes():
            repaired = self._path.with_name(self._path.name + ".repaired")
            repaired.write_bytes(content)
            repaired.replace(self._path)

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Appends one line.

        Raises:
            OSError: If the line did not fit (a full disk); the next line starts anew.
        """
        values = {name: float(value) for name, value in metrics.items()}
        fraction = None if epoch is None else float(epoch)
        line = _to_line(MetricRecord(int(step), fraction, split, values))
        if self._torn:
            line = b"\n" + line
        self._torn = True
        written = self._file.write(line)
        if written != len(line):
            raise OSError(f"{self._path}: {written} of {len(line)} bytes written")
        self._torn = False

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class TensorBoardWriter:
    """Writes TensorBoard events `SPLIT/NAME`, leaving out values that are not finite.

    Uses the synchronous event writer: tensorboardX's `SummaryWriter` hands events to a
    thread over a queue of ten, and when that thread ends (a full disk) the next events
    block the training for ever.

    Args:
        folder: Folder of the event files; created.
        resume_step: Step that the run goes on from; TensorBoard hides the later
            events of earlier files.

    Raises:
        OSError: If the folder cannot be written.
    """

    def __init__(
        self, folder: str | os.PathLike[str], resume_step: int | None = None
    ) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        prefix = os.path.join(folder, "events")
        self._events = EventsWriter(prefix, f".{os.getpid()}")
        self._closed = False
        if resume_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._add(Event(step=resume_step + 1, session_log=start))
        self._events.flush()

    def _add(self, event: Event) -> None:
        event.wall_time = time.time()
        self._events.write_event(event)

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Writes one event a finite metric, and `SPLIT/epoch` where it is given."""
        values = dict(metrics) if epoch is None else {**metrics, "epoch": epoch}
        for name, value in values.items():
            if math.isfinite(value):
                summary = scalar(f"{split}/{name}", float(value))
                self._add(Event(step=int(step), summary=summary))
        self._events.flush()

    def close(self) -> None:
        """Flushes and closes the event file."""
        if not self._closed:
            self._closed = True
            self._events.close()


class WriterGroup:
    """Several writers as one; what fails in a writer never ends a run.

    A failing writer is warned about once, by name, and is still given the later
    metrics: a disk that was full may have room again.

    Args:
        writers: Writers, served in this order.
    """

    def __init__(self, writers: Sequence[MetricWriter]) -> None:
        self._writers = tuple(writers)
        self._warned: set[int] = set()

    def _warn(self, position: int, error: Exception) -> None:
        if position not in self._warned:
            self._warned.add(position)
            name = type(self._writers[position]).__name__
            warnings.warn(
                f"{name} failed, the run goes on without complete metrics there: "
                f"{type(error).__name__}: {error}",
                stacklevel=3,
            )

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Passes the metrics to every writer."""
        for position, writer in enumerate(self._writers):
            try:
                writer.write(step, split, metrics, epoch)
            except Exception as error:  # a log must not cost the training
                self._warn(position, error)

    def close(self) -> None:
        """Closes every writer."""
        for position, writer in enumerate(self._writers):
            try:
                writer.close()
            except Exception as error:  # the others still have to be closed
                self._warn(position, error)


def open_writers(
    workdir: str | os.PathLike[str], resume_step: int | None = None
) -> WriterGroup:
    """Opens what every run writes: `metrics.jsonl` and `tensorboard/`.

    Args:
        workdir: Folder of the run; created.
        resume_step: Step that the run goes on from; 0 for a run from the start.

    Returns:
        The group. Where TensorBoard's files cannot be opened, a warning and the
        JSON lines alone.

    Raises:
        OSError: If `metrics.jsonl` cannot be written.
    """
    writers: list[MetricWriter] = [
        JsonlWriter(Path(workdir) / "metrics.jsonl", resume_step)
    ]
    try:
        writers.append(TensorBoardWriter(Path(workdir) / "tensorboard", resume_step))
    except OSError as error:
        warnings.warn(f"no TensorBoard files for this run: {error}", stacklevel=2)
    return WriterGroup(writers)


def loss_terms(metrics: Mapping[str, float]) -> dict[str, float]:
    """Picks the terms of the objective out of the metrics of a training step."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if name not in NOT_LOSS_TERMS and "/" not in name
    }


def series(
    records: Iterable[MetricRecord], split: str, name: str
) -> tuple[list[int], list[float]]:
    """Picks one metric out of the records.

    Args:
        records: As `read_metrics` returns them.
        split: `train`, `val` or `test`.
        name: Name of the metric.

    Returns:
        Steps and values where the split has the metric; values may be NaN.
    """
    pairs = [
        (record.step, record.metrics[name])
        for record in records
        if record.split == split and name in record.metrics
    ]
    return [step for step, _ in pairs], [value for _, value in pairs]
