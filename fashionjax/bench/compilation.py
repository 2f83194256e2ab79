"""What compiling costs, with an empty cache and with a full one."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from jax.experimental.compilation_cache import compilation_cache

from fashionjax.compilation_cache import CacheWatch

_OPTIONS: dict[str, Any] = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}


class Compilation(NamedTuple):
    """A compiled program.

    Attributes:
        program: What `jax.stages.Lowered.compile` returned.
        trace_seconds: What tracing and lowering took.
        compile_seconds: What compiling took.
        was_read: Whether it was read from the compilation cache instead.
    """

    program: Any
    trace_seconds: float
    compile_seconds: float
    was_read: bool

    def record(self) -> dict[str, Any]:
        """The row's numbers of compiling: seconds mean nothing without the cache."""
        return {
            "compile_s": self.compile_seconds,
            "compile_cached": self.was_read,
        }


def compile_program(function: Callable[..., Any], *arguments: Any) -> Compilation:
    """Compiles a jitted function for its arguments.

    Args:
        function: What `jax.jit` returned.
        *arguments: Arrays, or their shapes and types.
    """
    start = time.perf_counter()
    lowered = function.lower(*arguments)  # pyright: ignore[reportFunctionMemberAccess]
    traced = time.perf_counter()
    with CacheWatch() as cache:
        program = lowered.compile()
    seconds = time.perf_counter() - traced
    return Compilation(program, traced - start, seconds, cache.was_read)


@contextlib.contextmanager
def empty_cache() -> Iterator[None]:
    """Gives the process an empty compilation cache of its own, and the old one back."""
    names = ("jax_compilation_cache_dir", *_OPTIONS)
    old = {name: getattr(jax.config, name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        try:
            _configure({"jax_compilation_cache_dir": folder} | _OPTIONS)
            yield
        finally:
            _configure(old)


def _configure(options: dict[str, Any]) -> None:
    for name, value in options.items():
        jax.config.update(name, value)
    # The cache opens its folder once, at the first compilation.
    compilation_cache.reset_cache()
