"""A model in training, on a batch that does not change."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from fashionjax.augment import Normalization, Prepare
from fashionjax.bench.compilation import compile_program
from fashionjax.bench.models import Setting
from fashionjax.bench.timing import time_windows
from fashionjax.constants import EXAMPLE_INDEX, IMAGE, LABEL
from fashionjax.optim import optimizers, schedules
from fashionjax.train.phases import Phase
from fashionjax.train.sharding import make_mesh, put_batch
from fashionjax.train.state import Init, init_state, make_init
from fashionjax.train.step import TrainStep, make_train_step

WARM_UP = 2


class Training:
    """State, compiled step and batch of one model.

    Attributes:
        setting: What is trained.
        num_params: Number of trained parameters.
        compilation: The compiled step, and what compiling it took.
    """

    def __init__(self, setting: Setting, devices: Sequence[Any] | None = None) -> None:
        """Compiles the step and makes a few to warm up.

        Args:
            setting: What to train; its batch is that of all devices together.
            devices: Devices that share the batch; None for the first one alone.
        """
        self.setting = setting
        mesh = make_mesh(jax.devices()[:1] if devices is None else devices)
        self._step, init = build_step(setting, mesh)
        self._state = init_state(init, jax.random.key(setting.seed), mesh)
        self._batch = put_batch(draw_batch(setting), mesh)
        self._key = jax.random.key(setting.seed + 1)
        self.num_params = sum(x.size for x in jax.tree.leaves(self._state.params))
        self.compilation = compile_program(
            self._step, self._state, self._batch, self._key
        )
        self.time_steps(WARM_UP)

    def compile_again(self) -> float:
        """Returns the seconds of compiling the step with what the cache has of it."""
        jax.clear_caches()
        again = compile_program(self._step, self._state, self._batch, self._key)
        return again.compile_seconds

    def dispatch(self) -> Any:
        """Begins a step; what it returns is ready when the step is over."""
        program = self.compilation.program
        self._state, *rest = program(self._state, self._batch, self._key)
        return self._state, rest

    def time_steps(self, num_steps: int = 1) -> float:
        """Makes steps, waiting after the last; returns the seconds of one."""
        (seconds,) = time_windows(self.dispatch, num_steps=num_steps, window=num_steps)
        return seconds


def build_step(setting: Setting, mesh: Mesh) -> tuple[TrainStep, Init]:
    """The step that is measured: bytes in, forward, loss, gradient, Adam.

    Args:
        setting: What to train.
        mesh: Devices that share its batch.

    Returns:
        The jitted step, and the function from a random key to its first state.
    """
    model = setting.build()
    optimizer = optimizers.adam(b2=0.999, eps=1e-8)
    phase = Phase("benchmark", 0, 1, schedules.constant(1e-4), schedules.constant(0.9))
    step = make_train_step(
        model,
        setting.build_objective(model),
        optimizer,
        Prepare(setting.num_classes, Normalization()),
        phase,
        mesh=mesh,
    )
    return step, make_init(model, optimizer, image_size=setting.image_size)


def draw_batch(setting: Setting) -> dict[str, np.ndarray]:
    """Draws images and labels of no meaning, as the data pipeline yields them."""
    rng = np.random.default_rng(setting.seed)
    shape = (setting.batch_size, *setting.image_size)
    return {
        IMAGE: rng.integers(0, 256, (*shape, 3), np.uint8),
        LABEL: rng.integers(0, setting.num_classes, shape, np.uint8),
        EXAMPLE_INDEX: np.arange(setting.batch_size, dtype=np.int32),
    }
