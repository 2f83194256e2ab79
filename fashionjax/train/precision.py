"""Dynamic loss scaling for float16, whose small gradients would vanish.

Micikevicius et al., Mixed Precision Training, 2017; the rule is that of fastai 1's
`MixedPrecision`: from 2^16 on, halved when a gradient is not finite, doubled after
1,000 steps in a row that were.
"""

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

INITIAL_SCALE = 2.0**16
MAX_SCALE = 2.0**24
GROWTH_INTERVAL = 1_000


@flax.struct.dataclass
class LossScale:
    """Factor of the loss before differentiation, and how it has done.

    Attributes:
        scale: The factor, float32, a power of two from 1 to 2^24.
        num_good: Steps in a row with finite gradients at this scale, int32.
    """

    scale: Float[Array, ""]
    num_good: Int[Array, ""]

    @classmethod
    def create(cls) -> "LossScale":
        """The scale at the start of a run."""
        return cls(jnp.float32(INITIAL_SCALE), jnp.int32(0))

    def update(self, finite: Bool[Array, ""]) -> "LossScale":
        """Adjusts the scale after a step.

        Args:
            finite: Whether loss and gradients were finite.
        """
        num_good = jnp.where(finite, self.num_good + 1, 0)
        grow = num_good >= GROWTH_INTERVAL
        grown = jnp.where(grow, jnp.minimum(self.scale * 2, MAX_SCALE), self.scale)
        return LossScale(
            scale=jnp.where(finite, grown, jnp.maximum(self.scale / 2, 1.0)),
            num_good=jnp.where(grow, 0, num_good),
        )
