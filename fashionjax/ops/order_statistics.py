"""Order statistics without sorting."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def kth_smallest(x: Float[Array, "*shape"], k: int) -> Float[Array, ""]:
    """Finds the value that would be at position k if all values were sorted.

    Thirty-one counts, one for each bit of the answer: of an array that is spread over
    devices only counts travel, where sorting would bring all of it to every device.

    Args:
        x: Float32 values, 0 or above, infinity included; fewer than 2**31.
        k: Position from 0, below the number of values.

    Returns:
        The value.

    Raises:
        ValueError: If there is no such position.
    """
    if not 0 <= k < x.size:
        raise ValueError(f"position {k} of {x.size} values")
    # Floats that are not negative are in the order of their bits.
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.int32)

    def add_bit(i: Int[Array, ""], found: Int[Array, ""]) -> Int[Array, ""]:
        larger = found | (1 << (30 - i))
        # At most k values are smaller: the answer is no smaller either.
        return jnp.where(jnp.sum(bits < larger, dtype=jnp.int32) <= k, larger, found)

    found = jax.lax.fori_loop(0, 31, add_bit, jnp.int32(0))
    return jax.lax.bitcast_convert_type(found, jnp.float32)
