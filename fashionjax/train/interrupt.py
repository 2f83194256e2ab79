"""Being asked to stop: SIGTERM of a scheduler, or Ctrl-C."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

EXIT_STATUS = 75
"""Status of a run that stopped early and goes on when it is started again: EX_TEMPFAIL
of sysexits.h. A scheduler that restarts what failed restarts it."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StoppedError(Exception):
    """The run was asked to stop, and has saved what it had."""


class StopRequest:
    """Listens for the signals while it is entered.

    A signal is noted, and the run stops within two steps, or in the evaluation. Another
    SIGTERM changes nothing, since launchers and schedulers may both send one; Ctrl-C
    for the second time interrupts at once. Outside of the main thread, where Python
    allows no handler, it never hears anything.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._num_interrupts = 0
        self._before: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether this process was asked to stop."""
        return self.signal is not None

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._num_interrupts += number == signal.SIGINT
        if self._num_interrupts > 1:
            raise KeyboardInterrupt
        if self.signal is not None:
            return
        self.signal = signal.Signals(number)
        again = "; Ctrl-C again: at once" if number == signal.SIGINT else ""
        text = f"{self.signal.name}: saving after the steps under way{again}\n"
        # Not print(): the handler may have interrupted another one in the middle.
        os.write(2, text.encode())
