"""Batches for training and evaluation, for one process or several.

A training batch is a function of (seed, step) and of nothing else, so there is no
iterator state to save: a run that resumes at step s asks for the batches from s on.
"""

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import numpy as np
from absl import flags

from fashionjax.constants import (
    EXAMPLE_INDEX,
    EXAMPLE_MASK,
    IGNORE_INDEX,
    IMAGE,
    LABEL,
)
from fashionjax.data.dataset import RowSource, Source
from fashionjax.data.reading_speed import ReadingSpeed
from fashionjax.data.repeated_examples import RepeatedExamples

Batch = dict[str, np.ndarray]

T = TypeVar("T")

_PADDING_INDEX = -1


def train_batches(  # noqa: PLR0913 (keywords of independent meaning)
    source: Source,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    num_threads: int | None = None,
    num_workers: int = 0,
    prefetch: int | None = None,
    num_classes: int | None = None,
    speed: ReadingSpeed | None = None,
    repeat_factors: np.ndarray | None = None,
) -> Generator[Batch]:
    """Endless shuffled batches; the first is that of `start_step`.

    The examples come as one endless stream, epoch after epoch, each epoch in an order
    of its own that contains every example once. Step s takes the examples from
    s * batch_size on. A batch may thus hold the end of one epoch and the start of the
    next, and no example is left out. If there are fewer examples than rows in a batch,
    a batch spans several epochs and holds examples more than once. With repeat factors
    an epoch is longer, see `RepeatedExamples`.

    The batch of a step is the same for any number of processes, threads and workers;
    process p has its rows [p * rows, (p + 1) * rows), rows = batch_size /
    process_count.

    Args:
        source: The examples.
        batch_size: Rows of the whole batch, of all processes together.
        seed: Determines the orders; 0..2**32-1.
        start_step: The step to begin with.
        process_index: Which of the processes this is.
        process_count: How many processes share a batch.
        num_threads: Threads that make batches, in each worker if there are workers;
            None for the CPUs that this process may use, divided among the workers.
        num_workers: Processes that make batches; 0 makes them in this one, which
            is faster unless decoding holds the interpreter lock. They re-import the
            main module, which must guard its work by `__name__ == "__main__"`. On a
            busy machine closing can take 25 s a worker, after which grain kills it.
        prefetch: Batches to hold ready (for each worker); None for one a thread.
        num_classes: If given, labels are checked to lie below it.
        speed: Measures the reading, if it is done in this process: without workers.
        repeat_factors: How often an epoch has each example, on average: 1 or more of
            each; None for once.

    Returns:
        Iterator over dicts of `image` uint8 `[rows, height, width, 3]`, `label` uint8
        `[rows, height, width]` and `example_index` int32 `[rows]`. Its `close()` ends
        threads and workers; so does forgetting it.

    Raises:
        ValueError: At once for arguments that do not fit; while iterating (as
            `ExampleError`) for an example that cannot be read or does not fit.
    """
    order = _Order(
        len(source),
        batch_size,
        seed,
        start_step,
        process_index,
        process_count,
        _repeated(repeat_factors, len(source), seed),
    )
    if num_workers < 0:
        raise ValueError(f"num_workers {num_workers}; allowed is 0 or more")
    load: Callable[[np.ndarray], Batch]
    load = _Loader(source, num_classes, _shape_of_first(source, num_classes))
    if speed is not None and not num_workers:
        load = speed.measuring(load)
    threads = num_threads or max(1, _usable_cpus() // max(1, num_workers))

    def iterator() -> Iterator[Batch]:
        import grain  # imports jax, which reading a label map must not

        options = grain.ReadOptions(threads, prefetch or threads)
        batches = order.batches().map(load).to_iter_dataset(options)
        if num_workers:
            batches = _in_workers(batches, num_workers, prefetch or threads)
        return iter(batches)

    return _closing(iterator)


def train_indices(
    num_examples: int,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    repeat_factors: np.ndarray | None = None,
) -> Generator[Batch]:
    """The batches of `train_batches` by the numbers of their examples alone.

    Args:
        num_examples: How many there are.
        batch_size: As `train_batches`.
        seed: As `train_batches`.
        start_step: As `train_batches`.
        process_index: As `train_batches`.
        process_count: As `train_batches`.
        repeat_factors: As `train_batches`.

    Returns:
        Iterator over dicts of `example_index` int32 `[rows]`.

    Raises:
        ValueError: At once for arguments that do not fit.
    """
    order = _Order(
        num_examples,
        batch_size,
        seed,
        start_step,
        process_index,
        process_count,
        _repeated(repeat_factors, num_examples, seed),
    )

    def iterator() -> Iterator[Batch]:
        import grain  # imports jax, which reading a label map must not

        # One thread, a few batches ahead: shuffling costs 13 us an example.
        indices = order.batches().map(lambda i: {EXAMPLE_INDEX: i.astype(np.int32)})
        return iter(indices.to_iter_dataset(grain.ReadOptions(1, 8)))

    return _closing(iterator)


def read_examples(
    source: Source,
    rows: range,
    *,
    num_threads: int | None = None,
    num_classes: int | None = None,
) -> Iterator[np.ndarray]:
    """Examples as they are kept in memory, in order, read by threads.

    Args:
        source: The examples.
        rows: Which to read.
        num_threads: Threads that read; None for the CPUs that this process may use.
        num_classes: If given, labels are checked to lie below it.

    Returns:
        Iterator over uint8 `[height, width, 4]`: the image, and the label behind it.

    Raises:
        ValueError: At once if there are no examples; while iterating (as
            `ExampleError`) for an example that cannot be read or does not fit.
    """
    _check_length(len(source))
    size = _shape_of_first(source, num_classes)
    threads = num_threads or _usable_cpus()

    def read(index: int) -> np.ndarray:
        image, label = _example(source, int(index), num_classes, size)
        return np.concatenate([image, label[..., None]], axis=-1)

    def iterator() -> Iterator[np.ndarray]:
        import grain  # imports jax, which reading a label map must not

        indices = grain.MapDataset.range(rows.start, rows.stop)
        return iter(indices.map(read).to_iter_dataset(grain.ReadOptions(threads, 64)))

    return _closing(iterator)


def eval_batches(
    source: Source,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
    num_threads: int | None = None,
    prefetch: int | None = None,
    num_classes: int | None = None,
) -> Iterator[Batch]:
    """Every example exactly once, in order.

    All processes get the same number of batches of the same shape, so that their
    collective operations match; rows that are left over are padding.

    Args:
        source: The examples.
        batch_size: Rows of the whole batch, of all processes together.
        process_index: Which of the processes this is.
        process_count: How many processes share a batch.
        num_threads: Threads that make batches; None for the CPUs that this process
            may use.
        prefetch: Batches to hold ready; None for one a thread.
        num_classes: If given, labels are checked to lie below it.

    Returns:
        Iterator over dicts as `train_batches` has, with `example_mask` bool `[rows]`.
        Where it is False the image is black, the label all `IGNORE_INDEX` and the
        index -1.

    Raises:
        ValueError: As `train_batches`.
    """
    _check_processes(len(source), batch_size, process_index, process_count)
    load = _Loader(source, num_classes, _shape_of_first(source, num_classes))
    threads = num_threads or _usable_cpus()
    rows = batch_size // process_count
    num_batches = -(-len(source) // batch_size)

    def batch(step: int) -> Batch:
        start = step * batch_size + process_index * rows
        return load.padded(np.arange(start, start + rows))

    def iterator() -> Iterator[Batch]:
        import grain  # imports jax, which reading a label map must not

        options = grain.ReadOptions(threads, prefetch or threads)
        steps = grain.MapDataset.range(num_batches)
        return iter(steps.map(batch).to_iter_dataset(options))

    return _closing(iterator)


class ExampleError(ValueError):
    """An example cannot be read, or is not what a batch can hold."""


def _repeated(
    factors: np.ndarray | None, num_examples: int, seed: int
) -> RepeatedExamples | None:
    return None if factors is None else RepeatedExamples(factors, num_examples, seed)


@dataclasses.dataclass(frozen=True)
class _Order:
    """Which examples each training batch holds: all that seed and step determine."""

    num_examples: int
    batch_size: int
    seed: int
    start_step: int
    process_index: int
    process_count: int
    repeated: RepeatedExamples | None

    def __post_init__(self) -> None:
        _check_processes(
            self.num_examples, self.batch_size, self.process_index, self.process_count
        )
        if self.start_step < 0 or not 0 <= self.seed < 2**32:
            raise ValueError(
                f"start_step {self.start_step}, seed {self.seed}: allowed are"
                " start_step from 0 on, seed in 0..2**32-1"
            )

    def batches(self) -> Any:
        """This process's rows of the batches from `start_step` on, a MapDataset."""
        import grain  # imports jax, which reading a label map must not

        # Batches of indices first: loading comes after every choice of rows, so that
        # a process reads its own rows only.
        length = self.num_examples if self.repeated is None else self.repeated.length
        indices = grain.MapDataset.range(length).seed(self.seed)
        indices = indices.shuffle().repeat()
        if self.repeated is not None:
            indices = indices.map_with_index(self.repeated)
        rows = self.batch_size // self.process_count
        batches = indices.batch(rows, drop_remainder=True)
        return batches[self.process_index :: self.process_count][self.start_step :]


@dataclasses.dataclass(frozen=True)
class _Loader:
    """Makes batches from the indices of their rows."""

    source: Source
    num_classes: int | None
    size: tuple[int, ...]

    def __call__(self, indices: np.ndarray) -> Batch:
        images = np.empty((len(indices), *self.size, 3), np.uint8)
        labels = np.empty((len(indices), *self.size), np.uint8)
        filler = self.source if isinstance(self.source, RowSource) else None
        for row, index in enumerate(map(int, indices)):
            if filler is None:
                images[row], labels[row] = _example(
                    self.source, index, self.num_classes, self.size
                )
            else:
                with _telling(index):
                    filler.read_into(index, images[row], labels[row])
                _check_classes(labels[row], self.num_classes, f"example {index}")
        return {
            IMAGE: images,
            LABEL: labels,
            EXAMPLE_INDEX: np.asarray(indices, np.int32),
        }

    def padded(self, indices: np.ndarray) -> Batch:
        """As calling it, with padding for the indices behind the last example."""
        mask = indices < len(self.source)
        rows = len(indices)
        batch = {
            IMAGE: np.zeros((rows, *self.size, 3), np.uint8),
            LABEL: np.full((rows, *self.size), IGNORE_INDEX, np.uint8),
            EXAMPLE_INDEX: np.full(rows, _PADDING_INDEX, np.int32),
            EXAMPLE_MASK: mask,
        }
        if mask.any():
            for key, values in self(indices[mask]).items():
                batch[key][mask] = values
        return batch


def _example(
    source: Source, index: int, num_classes: int | None, size: tuple[int, ...] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Reads an example and checks that it fits; errors name it."""
    with _telling(index):
        example = source[index]
    image, label = example[IMAGE], example[LABEL]
    name = f"example {index} (image {example.get('image_id')!r})"
    height_width = label.shape if size is None else size
    if (
        image.dtype != np.uint8
        or label.dtype != np.uint8
        or image.shape != (*height_width, 3)
        or label.shape != height_width
        or len(height_width) != 2
    ):
        raise ExampleError(
            f"{name} has image {image.dtype}{list(image.shape)} and label "
            f"{label.dtype}{list(label.shape)}; allowed are uint8 [H, W, 3] and uint8 "
            f"[H, W] with (H, W) = {height_width}, the size of the first example"
        )
    _check_classes(label, num_classes, name)
    return image, label


def _check_classes(label: np.ndarray, num_classes: int | None, name: str) -> None:
    # The maximum alone is many times faster to find, and most labels ignore nothing.
    if num_classes is None or label.max() < num_classes:
        return
    wrong = (label >= num_classes) & (label != IGNORE_INDEX)
    if wrong.any():
        raise ExampleError(
            f"{name} has label ids {np.unique(label[wrong]).tolist()}; allowed are "
            f"0..{num_classes - 1} and {IGNORE_INDEX}"
        )


@contextlib.contextmanager
def _telling(index: int) -> Iterator[None]:
    """Tells which example it is about, whatever a source raises."""
    try:
        yield
    except Exception as error:
        raise ExampleError(
            f"cannot read example {index}: {type(error).__name__}: {error}"
        ) from error


def _shape_of_first(source: Source, num_classes: int | None) -> tuple[int, ...]:
    _, label = _example(source, 0, num_classes, None)
    return label.shape


def _check_length(num_examples: int) -> None:
    if num_examples == 0:
        raise ValueError("the source has no examples; allowed is one or more")


def _check_processes(
    num_examples: int, batch_size: int, process_index: int, process_count: int
) -> None:
    _check_length(num_examples)
    if not 0 <= process_index < process_count:
        raise ValueError(
            f"process_index {process_index}; allowed are 0..{process_count - 1}"
        )
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(
            f"batch_size {batch_size}; allowed are positive multiples of the "
            f"{process_count} processes"
        )


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _in_workers(batches: Any, num_workers: int, prefetch: int) -> Any:
    import grain

    if not flags.FLAGS.is_parsed():
        # grain hands its absl flags to the workers, and outside of app.run() nobody
        # has parsed them.
        flags.FLAGS.mark_as_parsed()
    options = grain.MultiprocessingOptions(num_workers, prefetch)
    return batches.mp_prefetch(options, worker_init_fn=_end_with_parent)


def _end_with_parent(worker_index: int, worker_count: int) -> None:
    """Lets a worker end when its trainer was killed; it would live on otherwise."""
    del worker_index, worker_count
    # Its parent's id would not do: the parent may be gone before this line.
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("runs in worker processes only")
    # Ctrl-C reaches the whole group, and the trainer needs its next batches to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _closing(make: Callable[[], Iterator[T]]) -> Generator[T]:
    """Starts an iterator at the first request and closes it at the end."""
    iterator: Any = make()
    try:
        yield from iterator
    finally:
        iterator.close()
