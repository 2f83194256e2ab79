"""Work on the host in several threads."""

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MAX_THREADS = 16


def map_in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Maps over threads, a few items ahead.

    Args:
        function: What to call; decoding and encoding of images release the
            interpreter's lock.
        items: Its arguments.

    Yields:
        The results in the order of the items; what a call raises is raised here.
    """
    num_threads = min(os.cpu_count() or 1, _MAX_THREADS)
    pool = concurrent.futures.ThreadPoolExecutor(num_threads)
    ahead: collections.deque[concurrent.futures.Future[R]] = collections.deque()
    try:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 2 * num_threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        # Whoever stops early, or is collected in one of these threads, must not wait.
        pool.shutdown(wait=False, cancel_futures=True)
