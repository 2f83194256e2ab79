"""The last operation of a head."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def to_float32(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Converts what a layer of half precision returns, for a loss or a softmax.

    On CPUs the compiler must not fuse what follows into the layer: jaxlib 0.12.0 makes
    NaN of a maximum or a sum over the channels of a bfloat16 convolution.

    Args:
        x: Values of any floating type.

    Returns:
        The same in float32.
    """
    if x.dtype == jnp.float32:
        return x
    return jax.lax.platform_dependent(
        x,
        cpu=lambda x: jax.lax.optimization_barrier(x.astype(jnp.float32)),
        default=lambda x: x.astype(jnp.float32),
    )
