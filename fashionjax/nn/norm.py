"""Normalisation with the constants of the reference implementations."""

import functools

import flax.linen as nn

BatchNorm = functools.partial(nn.BatchNorm, epsilon=1e-5, momentum=0.9)
"""torch's BatchNorm2d(eps=1e-5, momentum=0.1).

Under `jax.jit` with a batch sharded over devices, mean and variance are those of the
whole batch. Flax keeps the biased variance among the running statistics and torch the
unbiased one; in evaluation the two agree exactly.
"""
