"""The training state and how it begins."""

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int, PRNGKeyArray

from fashionjax.train.sharding import replicated

# A program that runs once: on CPUs LLVM takes six times as long to optimise the many
# random draws as the draws take without.
_FAST_COMPILE = {"cpu": {"xla_backend_optimization_level": 0}}


@flax.struct.dataclass
class TrainState:
    """Everything that a step changes.

    Attributes:
        step: Number of updates so far, int32.
        params: Parameters, float32.
        batch_stats: Running statistics of BatchNorm, float32.
        opt_state: State of the optimiser.
    """

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    opt_state: optax.OptState


def init_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    *,
    image_size: tuple[int, int],
    mesh: Mesh,
) -> TrainState:
    """Initialises parameters and optimiser directly in their place on the devices.

    Args:
        model: The model.
        optimizer: The optimiser.
        key: Random key of the initial parameters.
        image_size: (height, width) of the images to come.
        mesh: The mesh of the run.

    Returns:
        A state at step 0.
    """
    init = jax.jit(
        make_init(model, optimizer, image_size),
        out_shardings=replicated(mesh),
        compiler_options=_FAST_COMPILE.get(mesh.devices.flat[0].platform),
    )
    return init(key)


def abstract_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    *,
    image_size: tuple[int, int],
    mesh: Mesh,
) -> TrainState:
    """Describes the state without allocating it, to size or to restore it."""
    shapes = jax.eval_shape(make_init(model, optimizer, image_size), jax.random.key(0))
    sharding = replicated(mesh)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes
    )


def make_init(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    image_size: tuple[int, int],
) -> Any:
    """Returns the function from a random key to the state at step 0."""

    def init(key: PRNGKeyArray) -> TrainState:
        image = jnp.zeros((1, *image_size, 3), jnp.float32)
        variables = model.init({"params": key}, image, train=False)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=variables["params"],
            batch_stats=variables.get("batch_stats", {}),
            opt_state=optimizer.init(variables["params"]),
        )

    return init
