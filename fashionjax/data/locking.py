"""One process at a time."""

import contextlib
import fcntl
import pathlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
    """Holds a lock that the system releases when the process ends in any way.

    Whoever waits for another process is told so on stderr.

    Args:
        path: A file in a folder that exists; it stays.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another process prepares this dataset; waiting …", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
