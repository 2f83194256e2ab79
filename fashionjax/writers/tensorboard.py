"""TensorBoard's event files."""

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import (  # protobuf makes both at run time
    Event,  # pyright: ignore[reportAttributeAccessIssue]
    SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
)
from tensorboardX.summary import scalar


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
