"""Checkpoints: the last one to go on from, the best one to use."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from fashionjax.train.state import TrainState


class Checkpoints:
    """The checkpoints of a run: always the latest, and the best so far.

    A checkpoint holds the training state and, as JSON, what is needed to use it:
    configuration, classes and normalisation.

    Attributes:
        directory: Where they lie, one folder a step.
    """

    def __init__(
        self, directory: Path, *, best_metric: str, read_only: bool = False
    ) -> None:
        """Opens the folder; removes what an interrupted save left behind.

        Args:
            directory: Where checkpoints lie.
            best_metric: Metric whose highest value makes the best checkpoint.
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

        def score(metrics: Mapping[str, float]) -> float:
            # Undefined metrics are not saved: a checkpoint without it is the worst.
            return metrics.get(best_metric, -math.inf)

        policy = preservation_policy.AnyPreservationPolicy(
            [
                preservation_policy.LatestN(1),
                preservation_policy.BestN(get_metric_fn=score, n=1),
            ]
        )
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                best_fn=score,
                cleanup_tmp_directories=not read_only,
                read_only=read_only,
            ),
            item_handlers={
                "state": ocp.PyTreeCheckpointHandler(),
                "meta": ocp.JsonCheckpointHandler(),
            },
        )

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
        """Step of the best checkpoint; None if there is none."""
        return self._manager.best_step()

    def save(
        self,
        state: TrainState,
        *,
        metrics: Mapping[str, float],
        meta: Mapping[str, Any],
    ) -> None:
        """Saves in the background.

        Args:
            state: The training state; may be donated right afterwards.
            metrics: Validation metrics at this step.
            meta: What JSON can hold.
        """
        # On CPU the writer reads the very buffers that the next step overwrites.
        state = jax.tree.map(jnp.copy, state)
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(
                state=ocp.args.PyTreeSave(state), meta=ocp.args.JsonSave(dict(meta))
            ),
            metrics={k: float(v) for k, v in metrics.items()},
        )

    def wait(self) -> None:
        """Returns when all saves are on disk."""
        self._manager.wait_until_finished()

    def restore(self, step: int, abstract: TrainState) -> TrainState:
        """Reads a whole training state, onto the devices that `abstract` names."""
        return self._restore(step, abstract, partial=False)

    def restore_variables(
        self, step: int, abstract: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Reads "params" and "batch_stats" only, onto the devices `abstract` names."""
        return self._restore(step, dict(abstract), partial=True)

    def meta(self, step: int) -> dict[str, Any]:
        """Reads what was saved beside the state."""
        restored = self._manager.restore(
            step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())
        )
        return restored["meta"]

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
