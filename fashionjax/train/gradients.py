"""Gradients of a batch: of what is trained, scaled for float16, part by part."""

from collections.abc import Callable
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from fashionjax.losses import Objective
from fashionjax.train.freezing import FrozenBatchNorm, freezing, trainable
from fashionjax.train.state import TrainState
from fashionjax.types import Image, Targets

Metrics: TypeAlias = dict[str, jax.Array]
Gradients: TypeAlias = Callable[
    [TrainState, tuple[Image, Targets], PRNGKeyArray], tuple[Any, Any, Metrics]
]


def make_gradients(
    model: nn.Module,
    objective: Objective,
    frozen: FrozenBatchNorm | None = None,
    accumulate_steps: int = 1,
) -> Gradients:
    """Returns the function that differentiates the objective on a batch.

    Args:
        model: Returns `types.Outputs`.
        objective: What to minimise.
        frozen: What BatchNorm of a frozen encoder does; None: nothing is frozen.
        accumulate_steps: Parts that the batch is cut into, one after another.

    Returns:
        A function of (state, (image, targets), key) to gradients like `state.params`
        (float32, zeros where frozen), the new `batch_stats`, and "loss" and its terms,
        with "loss_scale" where the state has one.
    """

    def of_part(
        state: TrainState,
        batch_stats: Any,
        part: tuple[Image, Targets],
        key: PRNGKeyArray,
    ) -> tuple[Any, Any, Metrics]:
        image, targets = part
        mask = trainable(state.params, state.batch_stats, frozen)
        scale = 1.0 if state.loss_scale is None else state.loss_scale.scale

        def compute_loss(params: Any) -> tuple[jax.Array, tuple[Any, Metrics]]:
            params = jax.tree.map(
                lambda p, train: p if train else jax.lax.stop_gradient(p), params, mask
            )
            with freezing(frozen):
                outputs, updated = model.apply(
                    {"params": params, "batch_stats": batch_stats},
                    image,
                    train=True,
                    mutable=["batch_stats"],
                    rngs={"dropout": key},
                )
            loss, terms = objective(outputs, targets)
            return loss * scale, (
                updated.get("batch_stats", {}),
                {"loss": loss, **terms},
            )

        grads, (batch_stats, metrics) = jax.grad(compute_loss, has_aux=True)(
            state.params
        )
        return grads, batch_stats, metrics

    def of_parts(
        state: TrainState, batch: tuple[Image, Targets], key: PRNGKeyArray
    ) -> tuple[Any, Any, Metrics]:
        """Sums over the parts, then divides; statistics go from part to part."""
        parts = jax.tree.map(lambda x: _split(x, accumulate_steps), batch)
        keys = jax.random.split(key, accumulate_steps)

        def add(carry: tuple[Any, Any], part: Any) -> tuple[tuple[Any, Any], None]:
            batch_stats, sums = carry
            grads, batch_stats, metrics = of_part(state, batch_stats, *part)
            return (batch_stats, jax.tree.map(jnp.add, sums, (grads, metrics))), None

        one = jax.tree.map(lambda x: x[0], (parts, keys))
        shapes = jax.eval_shape(of_part, state, state.batch_stats, *one)
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        start = (state.batch_stats, (zeros[0], zeros[2]))
        (batch_stats, sums), _ = jax.lax.scan(add, start, (parts, keys))
        grads, metrics = jax.tree.map(lambda x: x / accumulate_steps, sums)
        return grads, batch_stats, metrics

    def gradients(
        state: TrainState, batch: tuple[Image, Targets], key: PRNGKeyArray
    ) -> tuple[Any, Any, Metrics]:
        if accumulate_steps == 1:
            grads, batch_stats, metrics = of_part(state, state.batch_stats, batch, key)
        else:
            grads, batch_stats, metrics = of_parts(state, batch, key)
        if state.loss_scale is not None:
            scale = state.loss_scale.scale
            grads = jax.tree.map(lambda g: g / scale, grads)
            metrics["loss_scale"] = scale
        return grads, batch_stats, metrics

    return gradients


def _split(x: jax.Array, parts: int) -> jax.Array:
    """Cuts the first axis so that every device's rows stay on it, in every part."""
    return x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1)
