"""Functions from arrays to arrays, without parameters."""

from fashionjax.ops.max_pooling import max_pool_2x2, max_pool_3x3
from fashionjax.ops.unpooling import (
    argmax_to_flat_index,
    max_pool_with_argmax,
    max_unpool,
)

__all__ = [
    "argmax_to_flat_index",
    "max_pool_2x2",
    "max_pool_3x3",
    "max_pool_with_argmax",
    "max_unpool",
]
