"""The compiled training step."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from fashionjax.augment import Prepare
from fashionjax.constants import EXAMPLE_INDEX, IMAGE, LABEL, STOP
from fashionjax.losses import Objective
from fashionjax.train.freezing import trainable
from fashionjax.train.gradients import Metrics, make_gradients
from fashionjax.train.phases import Phase
from fashionjax.train.resident import pick_examples
from fashionjax.train.sharding import (
    by_example,
    compiler_options,
    on_mesh,
    replicated,
    spread_pixels,
)
from fashionjax.train.state import TrainState

Batch: TypeAlias = Mapping[str, jax.Array]


@flax.struct.dataclass
class Health:
    """What the host has to know of every step.

    Attributes:
        harmless: Whether loss and gradients were finite, or float16 overflowed, which
            its loss scale mends.
        num_skipped: Steps in a row, up to this one, that were not harmless.
        stop: Above 0 if any process was asked to stop.
    """

    harmless: Bool[Array, ""]
    num_skipped: Int[Array, ""]
    stop: Int[Array, ""]


TrainStep: TypeAlias = Callable[
    [TrainState, Batch, PRNGKeyArray], tuple[TrainState, Metrics, Health]
]


def make_train_step(
    model: nn.Module,
    objective: Objective,
    optimizer: optax.GradientTransformationExtraArgs,
    prepare: Prepare,
    phase: Phase,
    *,
    mesh: Mesh,
    accumulate_steps: int = 1,
    ema_decay: float = 0.0,
) -> TrainStep:
    """Builds the compiled data-parallel update of a phase.

    Args:
        model: Returns `types.Outputs`.
        objective: What to minimise.
        optimizer: How; its update takes `learning_rate` and `momentum`.
        prepare: From raw batch to model input and targets.
        phase: Its schedules and what is frozen.
        mesh: Devices that share each batch.
        accumulate_steps: Parts that a batch is cut into, one after another, to save
            memory; their gradients are averaged. BatchNorm and losses that divide by a
            sum over the batch see one part at a time.
        ema_decay: Decay of the moving averages, where the state has any.

    Returns:
        A jitted function of (state, batch, key) to the new state, scalars ("loss", the
        terms of the objective before weighting, "grad_norm", "learning_rate",
        "momentum", "skipped" 0 or 1, "loss_scale" of float16) and `Health`. The batch
        has images and labels, or what `pick_examples` picks them from. The state is
        donated: the one passed in must not be used again. Where loss or gradient is
        not finite, nothing but `step`, `num_skipped` and the loss scale changes. The
        randomness of a step is a function of the key and `state.step`.
    """
    gradients = make_gradients(model, objective, phase.frozen, accumulate_steps)

    def train_step(
        state: TrainState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[TrainState, Metrics, Health]:
        augment_key, dropout_key = jax.random.split(jax.random.fold_in(key, state.step))
        batch = pick_examples(batch, mesh)
        prepared = prepare(
            batch[IMAGE], batch[LABEL], augment_key, batch[EXAMPLE_INDEX]
        )
        prepared = spread_pixels(*prepared, mesh)
        grads, batch_stats, metrics = gradients(state, prepared, dropout_key)
        metrics["grad_norm"] = optax.tree.norm(grads)
        since = state.step - phase.start
        rates = {
            "learning_rate": jnp.asarray(phase.learning_rate(since), jnp.float32),
            "momentum": jnp.asarray(phase.momentum(since), jnp.float32),
        }
        updates, opt_state = optimizer.update(
            grads, state.opt_state, state.params, **rates
        )
        mask = trainable(state.params, state.batch_stats, phase.frozen)
        params = jax.tree.map(
            lambda p, u, train: p + u if train else p, state.params, updates, mask
        )
        new_state = dataclasses.replace(
            state,
            params=params,
            batch_stats=batch_stats,
            opt_state=opt_state,
            ema=_average(state, params, batch_stats, ema_decay),
        )
        finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
        metrics["skipped"] = 1 - finite.astype(jnp.float32)
        new_state, health = _keep_finite(state, new_state, finite, batch[STOP])
        return new_state, metrics | rates, health

    everywhere = replicated(mesh)
    return jax.jit(
        on_mesh(train_step, mesh),
        in_shardings=(everywhere, by_example(mesh), everywhere),
        out_shardings=everywhere,
        donate_argnums=0,
        compiler_options=compiler_options(mesh),
    )


def _average(
    state: TrainState, params: Any, batch_stats: Any, decay: float
) -> dict[str, Any] | None:
    """Moves the averages; at first faster, so that they forget the initial values.

    The decay of TensorFlow's ExponentialMovingAverage with `num_updates`.
    """
    if state.ema is None:
        return None
    step = state.step.astype(jnp.float32)
    rest = 1 - jnp.minimum(decay, (1 + step) / (10 + step))
    new = {"params": params, "batch_stats": batch_stats}
    return jax.tree.map(lambda a, x: a + rest * (x - a), state.ema, new)


def _keep_finite(
    old: TrainState, new: TrainState, finite: jax.Array, stop: jax.Array
) -> tuple[TrainState, Health]:
    """Takes the new state where it is finite, else the old one; counts the step."""
    kept = jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)
    harmless = finite
    if old.loss_scale is not None:
        # At scale 1 there is nothing left to lower: the model itself overflows.
        harmless = finite | (old.loss_scale.scale > 1)
        kept = kept.replace(loss_scale=old.loss_scale.update(finite))
    num_skipped = jnp.where(harmless, 0, old.num_skipped + 1)
    kept = kept.replace(step=old.step + 1, num_skipped=num_skipped)
    return kept, Health(harmless, num_skipped, jnp.max(stop))
