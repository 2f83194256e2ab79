"""A progress line for the work on the host that takes more than a moment."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_SECONDS_ON_TERMINAL = 0.2
_SECONDS_IN_LOG = 10.0


def progress(items: Iterable[T], total: int | None, title: str) -> Iterator[T]:
    """Passes items on and tells on stderr how far it is.

    A terminal gets one line that is rewritten, a file or pipe a line now and then.

    Args:
        items: What to pass on.
        total: How many there are, None if that is unknown.
        title: What they are, for the line.

    Yields:
        The items.
    """
    terminal = sys.stderr.isatty()
    interval = _SECONDS_ON_TERMINAL if terminal else _SECONDS_IN_LOG
    start = shown = time.monotonic()
    count = 0
    of = "" if total is None else f"/{total}"
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - shown >= interval:
            shown = now
            _show(f"{title}: {count}{of}, {now - start:.0f} s", terminal, False)
    seconds = time.monotonic() - start
    _show(f"{title}: {count}{of} in {seconds:.1f} s", terminal, True)


def _show(line: str, terminal: bool, last: bool) -> None:
    erase, end = ("\r\033[K", "\n" if last else "") if terminal else ("", "\n")
    print(erase + line, end=end, file=sys.stderr, flush=True)
