"""Checkpoints: the last one to go on from, the best one to use."""

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from fashionjax.train.selection import (
    Scored,
    Selection,
    read_history,
    select,
    write_history,
)
from fashionjax.train.state import TrainState

HISTORY = "evaluations.json"
"""File beside the checkpoints: step and metrics of each evaluation so far."""


_MARGIN = 4 << 20
"""Bytes for the names, shapes and settings in a checkpoint, amply."""


class Checkpoints:
    """The checkpoints of a run: always the latest, and the best so far.

    A checkpoint holds the training state and, as JSON, what is needed to use it:
    configuration, classes and normalisation. It is saved before it is evaluated;
    `record` adds the evaluation. A process that is killed at any moment leaves at least
    one whole checkpoint and the evaluations of no later step.

    Attributes:
        directory: Where they lie, one folder a step.
    """

    def __init__(
        self,
        directory: Path,
        *,
        best_metric: str,
        min_delta: float = 0.0,
        read_only: bool = False,
    ) -> None:
        """Opens the folder; removes what an interrupted save left behind.

        Args:
            directory: Where checkpoints lie.
            best_metric: Metric that makes the best checkpoint; see `selection.select`.
            min_delta: Smallest improvement of it.
            read_only: Whether nothing will be saved.

        Raises:
            FileNotFoundError: If it is opened to read and is not there.
        """
        self.directory = Path(directory).absolute()
        if read_only and not self.directory.is_dir():
            raise FileNotFoundError(
                f"no checkpoints in {self.directory}; train first, or name the workdir"
                " of a run"
            )
        self._best_metric, self._min_delta = best_metric, min_delta
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                cleanup_tmp_directories=not read_only, read_only=read_only
            ),
            item_handlers={
                "state": ocp.PyTreeCheckpointHandler(),
                "meta": ocp.JsonCheckpointHandler(),
            },
        )
        latest = self.latest_step or 0
        history = read_history(self.directory / HISTORY)
        self._history = [scored for scored in history if scored.step <= latest]

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._manager.wait_until_finished()
        self._manager.close()

    @property
    def latest_step(self) -> int | None:
        """Step of the latest checkpoint; None if there is none."""
        return self._manager.latest_step()

    @property
    def best_step(self) -> int | None:
        """Step of the best evaluated checkpoint; None if there is none."""
        saved = set(self._manager.all_steps())
        # Under another metric than before, the best one may be gone.
        history = [scored for scored in self._history if scored.step in saved]
        best = self.selection.best_step
        return best if best in saved else self._select(history).best_step

    @property
    def selection(self) -> Selection:
        """What the evaluations so far say."""
        return self._select(self._history)

    def num_stale_since(self, step: int) -> int:
        """Evaluations after `step`, and after the best one, that improved nothing."""
        later = sum(scored.step > step for scored in self._history)
        return min(self.selection.num_stale, later)

    def is_evaluated(self, step: int) -> bool:
        """Whether the evaluation of a step has been recorded."""
        return any(scored.step == step for scored in self._history)

    def save(self, state: TrainState, meta: Mapping[str, Any]) -> None:
        """Saves in the background, unless this step is saved already.

        Args:
            state: The training state; may be donated right afterwards.
            meta: What JSON can hold.

        Raises:
            OSError: If the disk is full; what was saved before is whole.
        """
        step = int(state.step)
        self.wait()
        if step in self._manager.all_steps():
            return
        self._prune()
        self._check_room(state, step)
        # On CPU the writer reads the very buffers that the next step overwrites.
        state = jax.tree.map(jnp.copy, state)
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeSave(state), meta=ocp.args.JsonSave(dict(meta))
            ),
        )

    def record(self, step: int, metrics: Mapping[str, float]) -> Selection:
        """Adds the evaluation of a step that has been saved.

        Args:
            step: The step.
            metrics: Its finite validation metrics.

        Returns:
            What the evaluations so far say.
        """
        # Never an evaluation of what a kill may take away.
        self.wait()
        scored = Scored(step, {name: float(value) for name, value in metrics.items()})
        self._history = [s for s in self._history if s.step != step] + [scored]
        if jax.process_index() == 0:
            write_history(self.directory / HISTORY, self._history)
        self._prune()
        return self.selection

    def wait(self) -> None:
        """Returns when all saves are on disk.

        Raises:
            OSError: If one could not be written.
        """
        try:
            self._manager.wait_until_finished()
        except ValueError as error:
            # Behind its reason, tensorstore prints all of its settings.
            reason = str(error).partition(" [tensorstore_spec=")[0]
            raise OSError(f"cannot save to {self.directory}: {reason}") from error

    def restore(self, step: int, abstract: TrainState) -> TrainState:
        """Reads a whole training state, onto the devices that `abstract` names."""
        return self._restore(step, abstract, partial=False)

    def restore_variables(
        self, step: int, abstract: Mapping[str, Any], *, ema: bool = False
    ) -> dict[str, Any]:
        """Reads "params" and "batch_stats" only, onto the devices `abstract` names.

        Args:
            step: The checkpoint's step.
            abstract: Shapes, types and places.
            ema: Whether to read their moving averages, which the run has kept.
        """
        if ema:
            return self._restore(step, {"ema": dict(abstract)}, partial=True)["ema"]
        return self._restore(step, dict(abstract), partial=True)

    def meta(self, step: int) -> dict[str, Any]:
        """Reads what was saved beside the state."""
        restored = self._manager.restore(
            step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())
        )
        return restored["meta"]

    def _check_room(self, state: TrainState, step: int) -> None:
        """Refuses in time: where orbax's threads fail, they print hundreds of lines."""
        needed = _MARGIN + sum(leaf.nbytes for leaf in jax.tree.leaves(state)) * 5 // 4
        free = shutil.disk_usage(self.directory).free
        if free < needed:
            raise OSError(
                errno.ENOSPC,
                f"the checkpoint of step {step} needs {needed / 1e6:.1f} MB, and"
                f" {free / 1e6:.1f} MB are free",
                str(self.directory),
            )

    def _select(self, history: list[Scored]) -> Selection:
        return select(history, self._best_metric, min_delta=self._min_delta)

    def _prune(self) -> None:
        """Deletes all but the latest and the best; nothing may be under way."""
        for step in set(self._manager.all_steps()) - {self.latest_step, self.best_step}:
            self._manager.delete(step)

    def _restore(self, step: int, abstract: Any, *, partial: bool) -> Any:
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeRestore(
                    abstract,
                    restore_args=ocp.checkpoint_utils.construct_restore_args(abstract),
                    partial_restore=partial,
                )
            ),
        )
        return restored["state"]
