"""Guards of a run: values that are not finite, and programs compiled again."""

import json
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from fashionjax.constants import IMAGE, LABEL
from fashionjax.data.dataset import Source
from fashionjax.train.step import Health

_COMPILED = "/jax/core/compile/backend_compile_duration"


class NonFiniteError(ArithmeticError):
    """Loss or gradient was NaN or infinite in more steps in a row than allowed."""


class HealthWatch:
    """Looks at every step, one step late, so that the device never waits for the host.

    A step that is not finite changes no parameter, so that late is not too late.
    """

    def __init__(self, workdir: Path, source: Source, *, max_skipped: int) -> None:
        """Starts watching.

        Args:
            workdir: Folder of the run, where bad batches are written.
            source: The training split, to name examples.
            max_skipped: Steps in a row that may be skipped for not being finite.
        """
        self._workdir = workdir
        self._source = source
        self._max_skipped = max_skipped
        self._last: tuple[int, np.ndarray, Health] | None = None

    def add(self, step: int, example_index: np.ndarray, health: Health) -> bool:
        """Takes the health of a step that has begun, and looks at the step before.

        Args:
            step: The step.
            example_index: int `[rows]`, this process's examples of its batch.
            health: What the step returned, not waited for.

        Returns:
            Whether any process was asked to stop before the step before.

        Raises:
            NonFiniteError: If too many steps were not finite.
        """
        stop = self.settle()
        self._last = (step, example_index, health)
        return stop

    def settle(self) -> bool:
        """Waits for the last step that was added, and looks at it; as `add`."""
        if self._last is None:
            return False
        step, example_index, health = self._last
        self._last = None
        health = jax.device_get(health)
        if not health.harmless:
            folder = self._workdir / "nonfinite" / f"step-{step:08}"
            if jax.process_count() > 1:
                folder = folder / f"process-{jax.process_index()}"
            write_batch(folder, step, example_index, self._source)
            if health.num_skipped > self._max_skipped:
                raise NonFiniteError(
                    f"step {step}: loss or gradient is not finite; no parameter has"
                    f" changed, the last checkpoint is whole, and {folder} has the"
                    " examples of the batch. --config.max_skipped_steps=N lets N such"
                    " steps in a row pass; with --allow_config_change you may lower"
                    " --config.schedule.learning_rate or set"
                    " --config.optimizer.clip_norm"
                )
        return bool(health.stop)


def write_batch(
    folder: Path, step: int, example_index: np.ndarray, source: Source
) -> None:
    """Writes the examples of a batch: `examples.json`, images and labels as PNGs.

    Args:
        folder: Where to write; made.
        step: The step that the batch belongs to.
        example_index: int `[rows]`, the examples of one process.
        source: Where they come from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    examples = []
    for row, index in enumerate(example_index.tolist()):
        name, example = f"{row:03}-example-{index}", source[index]
        Image.fromarray(example[IMAGE]).save(folder / f"{name}.png")
        Image.fromarray(example[LABEL]).save(folder / f"{name}-label.png")
        image_id = str(example.get("image_id", index))
        examples.append({"row": row, "example_index": index, "image_id": image_id})
    record = {"step": step, "examples": examples}
    (folder / "examples.json").write_text(json.dumps(record, indent=1) + "\n")


class CompilationCount:
    """Counts the programs that the compiler makes in this process, while entered."""

    def __init__(self) -> None:
        self._count = 0

    def take(self) -> int:
        """Returns the number since the last call."""
        count, self._count = self._count, 0
        return count

    def __enter__(self) -> "CompilationCount":
        jax.monitoring.register_event_duration_secs_listener(self._hear)
        return self

    def __exit__(self, *error: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._hear)

    def _hear(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        del duration_secs, kwargs
        self._count += event == _COMPILED
