"""`metrics.jsonl`, written and read. The report is made from what is in it."""

import dataclasses
import json
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

from fashionjax.writers.records import MetricRecord


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
        resume_step: Step that the run goes on from. Later lines and those of the
            split `test` are removed, since the run is about to write them again. None
            keeps every whole line.

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
            # A run that goes on also tests again at its end.
            records = [
                record
                for record in records
                if record.step <= resume_step and record.split != "test"
            ]
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
