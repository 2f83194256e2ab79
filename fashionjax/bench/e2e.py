"""The real training loop beside its bare step: what the way in costs."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import jax
from ml_collections import ConfigDict

from fashionjax.bench.timing import time_windows
from fashionjax.data.dataset import Source
from fashionjax.train import loop
from fashionjax.train.interrupt import StopRequest
from fashionjax.train.phases import make_phases
from fashionjax.train.run import Run, open_run
from fashionjax.train.state import init_state

_NEVER = 1e6


def measure_e2e(config: ConfigDict, *, num_steps: int, window: int) -> dict[str, Any]:
    """Trains a config as `fashionjax.main` does, and times its bare step.

    The loop is the project's own, with its input pipeline, its look at every step and
    its log; what it leaves out of its own speed (compilation, checkpoints, evaluation)
    is left out here. The bare step sees one batch, before the loop and after it.

    Args:
        config: The whole config; nothing pretrained, nothing frozen.
        num_steps: Steps of the loop, at least two windows: the first does not count.
        window: Steps between two readings of the clock.

    Returns:
        What was measured, by name; `ratio` is the loop's speed over the bare step's.

    Raises:
        ValueError: If there are too few steps.
    """
    if num_steps < 2 * window:
        raise ValueError(
            f"--steps={num_steps} is too few: two windows are {2 * window} at least"
        )
    with tempfile.TemporaryDirectory() as folder:
        run = _open(config, Path(folder), num_steps, window)
        bare = _time_bare(run, num_steps // 2, window)
        speeds = _train(run)
        bare += _time_bare(run, num_steps // 2, window)
    rows = run.config.batch_size
    looped, bare_speed = median(speeds.images_per_second[1:]), rows / median(bare)
    return {
        "model": run.config.model.name,
        "encoder": run.config.model.encoder,
        "dtype": run.config.model.dtype,
        "dataset": run.dataset.name,
        "batch": rows,
        "size": "x".join(map(str, run.experiment.image_size)),
        "classes": run.experiment.label_map.num_classes,
        "input": run.config.data.input,
        "threads": run.config.data.num_threads,
        "workers": run.config.data.num_workers,
        "images_per_second": looped,
        "bare_images_per_second": bare_speed,
        "ratio": looped / bare_speed,
        "data_wait": median(speeds.data_wait[1:]),
        "steps": num_steps,
        "window": window,
        "seed": run.config.seed,
    }


def _open(config: ConfigDict, workdir: Path, num_steps: int, window: int) -> Run:
    config = ConfigDict(config.to_dict())
    config.model.pretrained = "none"
    config.freeze.num_epochs = 0.0
    config.log_every_steps = window
    config.checkpoint_every_steps = 0
    config.eval_every_epochs = _NEVER
    config.writers = ()
    run = open_run(config, workdir)
    # The loop ends with an evaluation: of one batch.
    val = _First(run.dataset.sources["val"], config.eval_batch_size)
    sources = {**run.dataset.sources, "val": val}
    return dataclasses.replace(
        run,
        dataset=dataclasses.replace(run.dataset, sources=sources),
        num_steps=num_steps,
        phases=make_phases(config, num_steps, run.steps_per_epoch),
    )


@dataclasses.dataclass(frozen=True)
class _First:
    """The first examples of a split."""

    source: Source
    count: int

    def __len__(self) -> int:
        return min(self.count, len(self.source))

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.source[index]


class _Speeds:
    """A writer of metrics that keeps what the loop says of its speed."""

    def __init__(self) -> None:
        self.images_per_second: list[float] = []
        self.data_wait: list[float] = []

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Keeps the speed of a window of training."""
        del step, epoch
        if split == "train":
            self.images_per_second.append(metrics["images_per_second"])
            self.data_wait.append(metrics["data_wait"])

    def close(self) -> None:
        """Does nothing."""


def _train(run: Run) -> _Speeds:
    speeds = _Speeds()
    state = init_state(run.init, jax.random.key(run.config.seed), run.mesh)
    with StopRequest() as stop, run.open_checkpoints() as checkpoints:
        loop.train(run, state, 0, checkpoints, speeds, stop)
    return speeds


def _time_bare(run: Run, num_steps: int, window: int) -> list[float]:
    """Seconds a step, of each window, on one batch."""
    step = run.compile_train_step(run.phases[-1])
    feed = run.input.open(0)
    batch = feed.put(next(feed))
    key = jax.random.key(run.config.seed + 1)
    state = init_state(run.init, jax.random.key(run.config.seed), run.mesh)

    def dispatch() -> Any:
        nonlocal state
        state, *rest = step(state, batch, key)
        return state, rest

    time_windows(dispatch, num_steps=2, window=2)
    return time_windows(dispatch, num_steps=num_steps, window=window)
