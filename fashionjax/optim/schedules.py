"""Learning-rate and momentum schedules, functions of the step."""

import math

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike


def constant(value: float) -> optax.Schedule:
    """The same value at every step."""
    return optax.constant_schedule(value)


def one_cycle(
    max_value: float,
    num_steps: int,
    *,
    warmup_fraction: float = 0.3,
    div: float = 25.0,
    final_div: float = 25e4,
) -> optax.Schedule:
    """One cosine up and one cosine down, as fastai's `fit_one_cycle`.

    From `max_value / div` to `max_value` in the first `int(warmup_fraction *
    num_steps)` steps, then down to `max_value / final_div`. With div below 1 it goes
    the other way, which is how momentum cycles.

    Args:
        max_value: The value at the turn.
        num_steps: Length of the run, at least 1.
        warmup_fraction: Share of the steps before the turn, in [0, 1].
        div: What the turn's value is divided by at the start.
        final_div: What it is divided by at the end.

    Returns:
        A schedule.
    """
    up = int(warmup_fraction * num_steps)
    down = max(num_steps - up, 1)
    start, end = max_value / div, max_value / final_div

    def schedule(step: ArrayLike) -> jnp.ndarray:
        step = jnp.asarray(step, jnp.float32)
        rising = _cosine(start, max_value, step / max(up, 1))
        falling = _cosine(max_value, end, (step - up) / down)
        return jnp.where(step < up, rising, falling)

    return schedule


def triangular(
    base_value: float, max_value: float, *, step_size: int
) -> optax.Schedule:
    """Smith's triangular cyclical schedule (Cyclical Learning Rates, 2017).

    `cycle = floor(1 + t / 2s)`, `x = |t / s - 2 cycle + 1|`,
    `base + (max - base) max(0, 1 - x)`.

    Args:
        base_value: The value at the start and the end of each cycle.
        max_value: The value in the middle; below the base for momentum.
        step_size: Half the length of a cycle, in steps, at least 1.

    Returns:
        A schedule.
    """

    def schedule(step: ArrayLike) -> jnp.ndarray:
        step = jnp.asarray(step, jnp.float32)
        cycle = jnp.floor(1 + step / (2 * step_size))
        x = jnp.abs(step / step_size - 2 * cycle + 1)
        return base_value + (max_value - base_value) * jnp.maximum(0.0, 1 - x)

    return schedule


def _cosine(start: float, end: float, progress: jnp.ndarray) -> jnp.ndarray:
    """Goes from start to end by half a cosine while progress goes from 0 to 1."""
    return end + (start - end) / 2 * (1 + jnp.cos(math.pi * progress))
