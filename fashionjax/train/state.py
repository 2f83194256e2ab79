"""The training state and how it begins."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import flax.linen as nn
import flax.struct
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int, PRNGKeyArray

from fashionjax.train.precision import LossScale
from fashionjax.train.sharding import replicated

# A program that runs once: on CPUs LLVM takes six times as long to optimise the many
# random draws as unoptimised draws take.
_FAST_COMPILE = {"cpu": {"xla_backend_optimization_level": 0}}


@flax.struct.dataclass
class TrainState:
    """Everything that a step changes.

    Attributes:
        step: Number of steps so far, int32; those that were skipped count.
        params: Parameters, float32.
        batch_stats: Running statistics of BatchNorm, float32.
        opt_state: State of the optimiser.
        ema: Moving averages of `params` and `batch_stats`, float32; None without.
        loss_scale: Loss scale of float16; None for other types.
        num_skipped: Steps in a row, up to this one, whose loss or gradient was not
            finite, int32; overflows that the loss scale mends do not count.
    """

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema: dict[str, Any] | None
    loss_scale: LossScale | None
    num_skipped: Int[Array, ""]

    @property
    def variables(self) -> dict[str, Any]:
        """What evaluation and prediction use: the averages, where there are any."""
        if self.ema is not None:
            return self.ema
        return {"params": self.params, "batch_stats": self.batch_stats}


Init: TypeAlias = Callable[..., TrainState]
"""From a random key, and pretrained variables or none, to the state at step 0."""


def make_init(
    model: nn.Module,
    optimizer: optax.GradientTransformationExtraArgs,
    *,
    image_size: tuple[int, int],
    ema: bool = False,
    loss_scale: bool = False,
) -> Init:
    """Returns the function from a random key to the state at step 0.

    The function also takes pretrained variables, arrays by path
    ("params/encoder/…/kernel"), which then stand where random ones would.

    Args:
        model: The model.
        optimizer: The optimiser.
        image_size: (height, width) of the images to come.
        ema: Whether to keep moving averages.
        loss_scale: Whether to scale the loss, as float16 needs.
    """

    def init(
        key: PRNGKeyArray, pretrained: Mapping[str, Any] | None = None
    ) -> TrainState:
        image = jnp.zeros((1, *image_size, 3), jnp.float32)
        variables = model.init({"params": key}, image, train=False)
        if pretrained:
            variables = _overwrite(variables, pretrained)
        params, batch_stats = variables["params"], variables.get("batch_stats", {})
        average = {"params": params, "batch_stats": batch_stats} if ema else None
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=batch_stats,
            opt_state=optimizer.init(params),
            # Copies: a buffer can be donated once only.
            ema=jax.tree.map(jnp.copy, average),
            loss_scale=LossScale.create() if loss_scale else None,
            num_skipped=jnp.zeros((), jnp.int32),
        )

    return init


def _overwrite(
    variables: Mapping[str, Any], pretrained: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Puts arrays in the place of a module's variables, by path."""
    flat: dict[str, Any] = flax.traverse_util.flatten_dict(variables, sep="/")
    for path, array in pretrained.items():
        ours = flat.get(path)
        if ours is None or (ours.shape, ours.dtype) != (array.shape, array.dtype):
            raise ValueError(
                f"the model has no {path} of {array.dtype}{list(array.shape)}"
            )
    return flax.traverse_util.unflatten_dict({**flat, **pretrained}, sep="/")


def init_state(
    init: Init,
    key: PRNGKeyArray,
    mesh: Mesh,
    pretrained: Mapping[str, np.ndarray] | None = None,
) -> TrainState:
    """Initialises parameters and optimiser directly in their place on the devices.

    Args:
        init: What `make_init` returned.
        key: Random key of the initial parameters.
        mesh: The mesh of the run.
        pretrained: Variables to begin with, by path, the same on all processes; all
            others are random.

    Returns:
        A state at step 0.
    """
    platform = mesh.devices.flat[0].platform
    compiled = jax.jit(
        init,
        out_shardings=replicated(mesh),
        compiler_options=_FAST_COMPILE.get(platform),
    )
    return compiled(key, pretrained)


def abstract_state(init: Init, mesh: Mesh) -> TrainState:
    """Describes the state without allocating it, to size or to restore it."""
    shapes = jax.eval_shape(init, jax.random.key(0))
    sharding = replicated(mesh)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes
    )


def restart_optimizer(
    state: TrainState, optimizer: optax.GradientTransformationExtraArgs, mesh: Mesh
) -> TrainState:
    """Gives the state a new optimiser state, as fastai does when it unfreezes."""
    init = jax.jit(optimizer.init, out_shardings=replicated(mesh))
    return dataclasses.replace(state, opt_state=init(state.params))
