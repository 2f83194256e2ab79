"""How fast the threads of this process read."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sized
from typing import TypeVar

S = TypeVar("S", bound=Sized)
R = TypeVar("R")


class ReadingSpeed:
    """Counts examples, and the time in which at least one thread reads.

    That is a rate also where the reading is ahead and has nothing to do: no slower
    than what the devices get, and the same where they wait for all of it.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Starts at zero.

        Args:
            clock: Returns seconds; only differences count.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._examples = self._readers = 0
        self._seconds = self._since = 0.0

    def measuring(self, read: Callable[[S], R]) -> Callable[[S], R]:
        """Wraps a function that reads examples, for any number of threads.

        Args:
            read: Takes what has as many items as it reads examples.
        """

        def measured(items: S) -> R:
            with self._reading(len(items)):
                return read(items)

        return measured

    def take(self) -> float:
        """Examples a second since the last call; NaN if none was read."""
        with self._lock:
            self._pass_time()
            examples, seconds = self._examples, self._seconds
            self._examples, self._seconds = 0, 0.0
        return examples / seconds if examples and seconds > 0 else math.nan

    @contextlib.contextmanager
    def _reading(self, examples: int) -> Iterator[None]:
        with self._lock:
            self._pass_time()
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._pass_time()
                self._readers -= 1
                self._examples += examples

    def _pass_time(self) -> None:
        now = self._clock()
        if self._readers:
            self._seconds += now - self._since
        self._since = now
