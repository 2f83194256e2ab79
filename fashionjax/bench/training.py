"""A model in training, on batches that do not change."""

import time
from collections.abc import Callable

import flax.linen as nn
import jax
import numpy as np

from fashionjax import losses
from fashionjax.augment import Normalization, Prepare
from fashionjax.builders import build_encoder
from fashionjax.constants import EXAMPLE_INDEX, IMAGE, LABEL
from fashionjax.losses import Objective, Term
from fashionjax.models import FPN, UNet
from fashionjax.optim import optimizers, schedules
from fashionjax.train.phases import Phase
from fashionjax.train.sharding import make_mesh, put_batch
from fashionjax.train.state import init_state, make_init
from fashionjax.train.step import make_train_step

MODELS: dict[str, Callable[[int], nn.Module]] = {
    "unet-resnet34": lambda classes: UNet(build_encoder("resnet34"), classes),
    "fpn-resnext50": lambda classes: FPN(build_encoder("resnext50_32x4d"), classes),
}
"""By their names on the command line, from a number of classes."""

_WARM_UP = 2


class Training:
    """State, compiled step and batch of one model, on one device, in float32.

    Attributes:
        num_params: Number of trained parameters.
        compile_seconds: What tracing and compiling the step took.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        batch_size: int,
        image_size: tuple[int, int],
        num_classes: int,
    ) -> None:
        mesh = make_mesh(jax.devices()[:1])
        optimizer = optimizers.adam(b2=0.999, eps=1e-8)
        phase = Phase(
            "benchmark", 0, 1, schedules.constant(1e-4), schedules.constant(0.9)
        )
        step = make_train_step(
            model,
            _OBJECTIVE,
            optimizer,
            Prepare(num_classes, Normalization()),
            phase,
            mesh=mesh,
        )
        init = make_init(model, optimizer, image_size=image_size)
        self._state = init_state(init, jax.random.key(0), mesh)
        self._batch = put_batch(draw_batch(batch_size, image_size, num_classes), mesh)
        self._key = jax.random.key(1)
        self.num_params = sum(x.size for x in jax.tree.leaves(self._state.params))
        start = time.perf_counter()
        self._step = step.lower(self._state, self._batch, self._key).compile()
        self.compile_seconds = time.perf_counter() - start
        for _ in range(_WARM_UP):
            self.time_step()

    def time_step(self) -> float:
        """Makes a step; returns its seconds."""
        start = time.perf_counter()
        self._state, *rest = self._step(self._state, self._batch, self._key)
        jax.block_until_ready((self._state, rest))
        return time.perf_counter() - start


def draw_batch(
    batch_size: int, image_size: tuple[int, int], num_classes: int
) -> dict[str, np.ndarray]:
    """Draws images and labels of no meaning, as the data pipeline yields them."""
    rng = np.random.default_rng(0)
    shape = (batch_size, *image_size)
    return {
        IMAGE: rng.integers(0, 256, (*shape, 3), np.uint8),
        LABEL: rng.integers(0, num_classes, shape, np.uint8),
        EXAMPLE_INDEX: np.arange(batch_size, dtype=np.int32),
    }


_OBJECTIVE = Objective(
    (
        Term(
            "segmentation",
            1.0,
            lambda outputs, targets: losses.softmax_cross_entropy(
                outputs.logits, targets.label
            ),
        ),
    )
)
