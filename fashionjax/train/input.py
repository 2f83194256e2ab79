"""The ways of training data into the step: `config.data.input`.

Both give the same batches, each a function of (seed, step).
"""

import dataclasses
import math
from collections.abc import Callable, Generator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from fashionjax.constants import EXAMPLE_INDEX, EXAMPLES, IMAGE, LABEL, STOP
from fashionjax.data.dataset import Dataset
from fashionjax.data.pipeline import train_batches, train_indices
from fashionjax.data.reading_speed import ReadingSpeed
from fashionjax.train.resident import load_split, split_shape
from fashionjax.train.sharding import by_example, put_batch

Rows = Mapping[str, np.ndarray]


class Feed:
    """The batches of the steps that remain, from the host onto the devices."""

    def __init__(
        self,
        rows: Generator[Rows],
        mesh: Mesh,
        *,
        load: Callable[[], Mapping[str, jax.Array]] = dict,
        speed: ReadingSpeed | None = None,
    ) -> None:
        """Takes over an iterator.

        Args:
            rows: This process's rows of each batch, with `EXAMPLE_INDEX`.
            mesh: The mesh of the run.
            load: Makes what stays on the devices and is part of every batch.
            speed: Measures the reading of the rows, if there is any.
        """
        self._rows, self._mesh = rows, mesh
        self._load, self._speed = load, speed
        self._resident: Mapping[str, jax.Array] | None = None

    def load(self) -> None:
        """Puts on the devices what stays there, if that has not been done.

        Raises:
            ValueError: As `resident.load_split`.
        """
        if self._resident is None:
            self._resident = self._load()

    def __next__(self) -> Rows:
        """Waits for this process's rows of the next batch."""
        return next(self._rows)

    def close(self) -> None:
        """Ends the threads and processes that read."""
        self._rows.close()

    def put(self, rows: Rows, *, stop: bool = False) -> dict[str, jax.Array]:
        """Begins to send a batch, as bytes, and returns without waiting.

        In the training loop the step before is running meanwhile.

        Args:
            rows: What `next` returned.
            stop: Whether this process was asked to stop.

        Returns:
            The batch as the training step takes it.
        """
        self.load()
        return put_batch(rows, self._mesh, stop=stop) | dict(self._resident or {})

    def metrics(self) -> dict[str, float]:
        """What was measured since the last call.

        `host_images_per_second` of all processes, if each reads as fast as this one;
        nothing where nothing was read here.
        """
        speed = math.nan if self._speed is None else self._speed.take()
        if math.isnan(speed):
            return {}
        return {"host_images_per_second": speed * jax.process_count()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Input:
    """A way of training data into the step; see `INPUTS`.

    Attributes:
        dataset: The examples; those of "train" are used.
        mesh: The mesh of the run.
        batch_size: Rows of the whole batch.
        seed: Determines the order.
        num_threads: Threads that read.
        num_workers: Processes that read; 0 for this one.
        repeat_factors: How often an epoch has each example; None for once.
    """

    dataset: Dataset
    mesh: Mesh
    batch_size: int
    seed: int
    num_threads: int
    num_workers: int = 0
    repeat_factors: np.ndarray | None = None

    @property
    def abstract_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes, types and places of a batch as the training step takes it."""
        rows = (self.batch_size,)
        shapes = {EXAMPLE_INDEX: (rows, np.int32), STOP: (rows, np.int32)}
        shapes |= {name: (s, np.uint8) for name, s in self._image_shapes().items()}
        sharding = by_example(self.mesh)
        return {
            name: jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)
            for name, (shape, dtype) in shapes.items()
        }

    def open(self, start_step: int) -> Feed:
        """Feeds the steps from `start_step` on.

        Raises:
            ValueError: As `data.pipeline.train_batches`.
        """
        raise NotImplementedError

    def _image_shapes(self) -> dict[str, tuple[int, ...]]:
        raise NotImplementedError

    def _order(self, start_step: int) -> dict[str, Any]:
        """What determines this process's rows of each batch."""
        return {
            "batch_size": self.batch_size,
            "seed": self.seed,
            "start_step": start_step,
            "process_index": jax.process_index(),
            "process_count": jax.process_count(),
            "repeat_factors": self.repeat_factors,
        }


class Stream(Input):
    """Examples are read when their step comes, and sent while the one before runs."""

    def open(self, start_step: int) -> Feed:
        """See `Input`."""
        speed = ReadingSpeed()
        rows = train_batches(
            self.dataset.sources["train"],
            **self._order(start_step),
            num_threads=self.num_threads,
            num_workers=self.num_workers,
            num_classes=self.dataset.label_map.num_classes,
            speed=speed,
        )
        return Feed(rows, self.mesh, speed=speed)

    def _image_shapes(self) -> dict[str, tuple[int, ...]]:
        shape = (self.batch_size, *self.dataset.image_size)
        return {IMAGE: (*shape, 3), LABEL: shape}


class Resident(Input):
    """Examples lie in the devices' memory, divided among them; indices are sent."""

    def open(self, start_step: int) -> Feed:
        """See `Input`; the split is read when the feed loads."""
        source = self.dataset.sources["train"]
        rows = train_indices(len(source), **self._order(start_step))

        def load() -> dict[str, jax.Array]:
            examples = load_split(
                source,
                self.mesh,
                image_size=self.dataset.image_size,
                num_threads=self.num_threads,
                num_classes=self.dataset.label_map.num_classes,
            )
            return {EXAMPLES: examples}

        return Feed(rows, self.mesh, load=load)

    def _image_shapes(self) -> dict[str, tuple[int, ...]]:
        num_examples = len(self.dataset.sources["train"])
        return {EXAMPLES: split_shape(num_examples, self.dataset.image_size, self.mesh)}


INPUTS: Mapping[str, type[Input]] = {"stream": Stream, "resident": Resident}
"""By the values of `config.data.input`."""


def find_input(name: str) -> type[Input]:
    """Finds a way by its name in the config.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in INPUTS:
        raise ValueError(f"config.data.input={name!r}; allowed are {', '.join(INPUTS)}")
    return INPUTS[name]
