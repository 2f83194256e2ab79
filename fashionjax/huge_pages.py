"""Large memory pages for the arrays of a program on CPUs; see decision 005."""

import os
import sys
from pathlib import Path

_MODE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_VARIABLE = "GLIBC_TUNABLES"
_TUNABLE = "glibc.malloc.hugetlb=1"
_FIRST_GLIBC = (2, 35)


def restart_with_huge_pages() -> None:
    """Starts this very command again with large pages, where they must be asked for.

    The C library reads the wish only while a program starts. Nothing happens, and the
    function returns, where the kernel gives large pages anyway or never, the C library
    is another or too old, or the variable `GLIBC_TUNABLES` is set already.
    """
    if _VARIABLE in os.environ or not _are_on_request() or _glibc() < _FIRST_GLIBC:
        return
    # The same process: its number, its files and its parent stay.
    command = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, command, os.environ | {_VARIABLE: _TUNABLE})


def _are_on_request() -> bool:
    """Whether the kernel gives large pages to programs that ask for them."""
    try:
        return "[madvise]" in _MODE.read_text()
    except OSError:
        return False


def _glibc() -> tuple[int, ...]:
    """Version of the GNU C library; () on any other."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError, OSError):
        return ()
    return tuple(map(int, version.split("."))) if name == "glibc" else ()
