"""A model that compiles in a second, with everything that training looks at."""

import flax.linen as nn
import jax
import numpy as np

from fashionjax import losses
from fashionjax.augment import MIRROR, Normalization, Prepare
from fashionjax.losses import Objective, Term
from fashionjax.optim import optimizers, schedules
from fashionjax.train.phases import Phase
from fashionjax.train.sharding import make_mesh, put_batch
from fashionjax.train.state import init_state, make_init
from fashionjax.train.step import make_train_step
from fashionjax.types import Outputs

SIZE = (8, 8)
CLASSES = 3


class Encoder(nn.Module):
    dtype: type = np.float32

    @nn.compact
    def __call__(self, image, *, train):
        x = nn.Conv(4, (3, 3), use_bias=True, dtype=self.dtype, name="conv")(image)
        x = nn.BatchNorm(
            use_running_average=not train, momentum=0.9, dtype=self.dtype, name="norm"
        )(x)
        return nn.relu(x)


class Toy(nn.Module):
    encoder: nn.Module
    dtype: type = np.float32
    dropout_rate: float = 0.0

    @nn.compact
    def __call__(self, image, *, train):
        x = self.encoder(image.astype(self.dtype), train=train)
        x = nn.BatchNorm(
            use_running_average=not train, momentum=0.9, dtype=self.dtype, name="norm"
        )(x)
        x = nn.Dropout(self.dropout_rate, deterministic=not train)(x)
        logits = nn.Conv(CLASSES, (1, 1), dtype=self.dtype, name="head")(x)
        return Outputs(logits=logits.astype(np.float32))


def toy(dtype=np.float32, **options):
    return Toy(Encoder(dtype), dtype, **options)


OBJECTIVE = Objective(
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
PREPARE = Prepare(CLASSES, Normalization(), MIRROR)


def phase(rate=0.1, momentum=0.0, **options):
    options = {"name": "all trained", "start": 0, "end": 100} | options
    return Phase(
        learning_rate=schedules.constant(rate),
        momentum=schedules.constant(momentum),
        **options,
    )


def batch(seed=0, rows=8):
    rng = np.random.RandomState(seed)
    label = rng.randint(0, CLASSES, (rows, *SIZE)).astype(np.uint8)
    image = np.stack([label * 60 + 40] * 3, axis=-1).astype(np.uint8)
    index = np.arange(rows, dtype=np.int32)
    return {"image": image, "label": label, "example_index": index}


class Training:
    """State and compiled step; `run` makes steps on batches of seeds 0, 1, …"""

    def __init__(
        self,
        *,
        model=None,
        optimizer=None,
        num_devices=1,
        prepare=PREPARE,
        phase=phase(),  # noqa: B008 (immutable)
        objective=OBJECTIVE,
        ema=False,
        loss_scale=False,
        **options,
    ):
        model = model or toy()
        self.optimizer = optimizer or optimizers.sgd(weight_decay=0.0)
        self.mesh = make_mesh(jax.devices()[:num_devices])
        init = make_init(
            model, self.optimizer, image_size=SIZE, ema=ema, loss_scale=loss_scale
        )
        self.state = init_state(init, jax.random.key(0), self.mesh)
        self.step = make_train_step(
            model, objective, self.optimizer, prepare, phase, mesh=self.mesh, **options
        )
        self.history = []

    def run(self, num_steps=1, rows=8, stop=False):
        for _ in range(num_steps):
            raw = put_batch(batch(int(self.state.step), rows), self.mesh, stop=stop)
            self.state, *rest = self.step(self.state, raw, jax.random.key(1))
            self.history.append(jax.device_get(rest))
        return jax.device_get(self.state)

    @property
    def metrics(self):
        return [metrics for metrics, _ in self.history]

    @property
    def health(self):
        return [health for _, health in self.history]
