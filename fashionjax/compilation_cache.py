"""Compiled programs kept on disk, for the next start; see decision 009."""

import os
import tempfile
from pathlib import Path
from typing import Self

import jax

NONE = "none"
"""The choice not to keep any."""

_FOLDER = "JAX_COMPILATION_CACHE_DIR"
_KEEP_ALL = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
"""Small programs too: a start compiles dozens of them."""

_ASKED = "/jax/compilation_cache/compile_requests_use_cache"
_READ = "/jax/compilation_cache/cache_hits"

_SILENT_ON_CPU = (0, 10, 2)
"""Before this JAX, every program read on a CPU is an error message of a screen."""


def use_compilation_cache(choice: str | None = None) -> str | None:
    """Sets where this process keeps compiled programs; before it compiles any.

    JAX's environment variables win over the defaults here.

    Args:
        choice: A folder, made if it is missing, or "none". None for the folder that
            `JAX_COMPILATION_CACHE_DIR` names; without it, a run of one process has
            `default_folder()`, and one of several none: their disks may differ, and
            processes that do not compile the same programs wait for each other forever.

    Returns:
        None, or a line that says why nothing is kept.
    """
    if choice == NONE:
        jax.config.update("jax_enable_compilation_cache", False)
        return None
    folder = choice or os.environ.get(_FOLDER) or default_folder()
    if folder is None:
        return None
    if "://" not in str(folder):
        # Programs are found again only under the same name of their folder.
        folder = Path(folder).absolute()
        problem = _problem(folder)
        if problem:
            jax.config.update("jax_enable_compilation_cache", False)
            return f"warning: compiled programs are not kept in {folder}: {problem}"
    jax.config.update("jax_compilation_cache_dir", str(folder))
    for option, value in _KEEP_ALL.items():
        if option.upper() not in os.environ:
            jax.config.update(option, value)
    return None


def default_folder() -> Path | None:
    """The folder of compiled programs in the user's cache folder.

    On CPUs it is one for each number of cores: programs are compiled for so many, and
    JAX tells machines apart, but not that number.

    Returns:
        A folder; None in a run of several processes, or on CPUs where this JAX reports
        every program that it reads as an error.
    """
    if jax.process_count() > 1:
        return None
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache) / "fashionjax" / "jax"
    if jax.default_backend() != "cpu":
        return folder
    if jax.__version_info__ < _SILENT_ON_CPU:
        return None
    return folder / f"{_num_cores()}-cores"


def _num_cores() -> int:
    """The cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on Linux.
        return os.cpu_count() or 1


def _problem(folder: Path) -> str | None:
    """Why a folder cannot be written to, if so."""
    try:
        # Who can write here can run code as the user: nobody else may.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


class CacheWatch:
    """Looks, while entered, whether programs are compiled or read from the cache.

    Attributes:
        was_read: Whether the latest program was read.
    """

    def __init__(self) -> None:
        self.was_read = False

    def __enter__(self) -> Self:
        jax.monitoring.register_event_listener(self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        jax.monitoring.unregister_event_listener(self._hear)

    def _hear(self, event: str, **kwargs: str | int) -> None:
        del kwargs
        if event in (_ASKED, _READ):
            self.was_read = event == _READ
