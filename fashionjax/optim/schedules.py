"""Learning-rate and momentum schedules, functions of the step within a run.

A schedule takes the number of updates before the step, an integer or an array of them
from 0 on, concrete or traced, and returns float32 of the same shape. Except for
`triangular`, which repeats, it stays at its last value after `num_steps`.

Whatever depends on the step alone is computed in integers, and every value as a sum of
terms of one sign: float32 then keeps six digits at the last step of a long run too,
where a cosine plus one or a difference of large steps would have lost them.
"""

import math

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from fashionjax.optim.arguments import check_not_negative, check_positive, check_whole


def constant(value: float) -> optax.Schedule:
    """The same value at every step.

    Args:
        value: At least 0.

    Returns:
        A schedule.

    Raises:
        ValueError: If the value is negative or not finite.
    """
    check_not_negative(value=value)

    def schedule(step: ArrayLike) -> jnp.ndarray:
        return jnp.full(jnp.shape(step), value, jnp.float32)

    return schedule


def poly(
    initial_value: float,
    num_steps: int,
    *,
    end_value: float = 1e-4,
    power: float = 0.9,
) -> optax.Schedule:
    """A power of the remaining part of the run, as mmsegmentation's `poly`.

    `(initial_value - end_value) (1 - t / num_steps)^power + end_value`.

    Args:
        initial_value: The value at step 0.
        num_steps: Length of the run, at least 1.
        end_value: The value at step `num_steps`.
        power: Above 0; 1 is a straight line.

    Returns:
        A schedule.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_not_negative(initial_value=initial_value, end_value=end_value)
    check_whole("num_steps", num_steps, least=1)
    check_positive(power=power)

    def schedule(step: ArrayLike) -> jnp.ndarray:
        remaining = _part(num_steps - _clip(step, num_steps), num_steps)
        return _mix(end_value, initial_value, remaining**power)

    return schedule


def triangular(
    base_value: float, max_value: float, *, step_size: int
) -> optax.Schedule:
    """Smith's triangular cyclical schedule (Cyclical Learning Rates, 2017).

    `cycle = floor(1 + t / 2s)`, `x = |t / s - 2 cycle + 1|`,
    `base + (max - base) max(0, 1 - x)`. Momentum cycles the other way: its base is
    its largest value.

    Args:
        base_value: The value at the start and the end of each cycle.
        max_value: The value in the middle; below the base for momentum.
        step_size: Half the length of a cycle, in steps, at least 1.

    Returns:
        A schedule.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_not_negative(base_value=base_value, max_value=max_value)
    check_whole("step_size", step_size, least=1)

    def schedule(step: ArrayLike) -> jnp.ndarray:
        from_turn = jnp.abs(jnp.asarray(step, jnp.int32) % (2 * step_size) - step_size)
        return _mix(base_value, max_value, _part(step_size - from_turn, step_size))

    return schedule


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
    the other way, which is how momentum cycles. A run so short that no step comes
    before the turn starts at `max_value`.

    Args:
        max_value: The value at the turn.
        num_steps: Length of the run, at least 1.
        warmup_fraction: Share of the steps before the turn, in [0, 1].
        div: What the turn's value is divided by at the start, above 0.
        final_div: What it is divided by at the end, above 0.

    Returns:
        A schedule.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_not_negative(max_value=max_value)
    check_whole("num_steps", num_steps, least=1)
    check_positive(div=div, final_div=final_div)
    if not 0 <= warmup_fraction <= 1:
        raise ValueError(f"warmup_fraction is {warmup_fraction}; allowed is [0, 1]")
    up = int(warmup_fraction * num_steps)
    down = num_steps - up
    start, end = max_value / div, max_value / final_div

    def schedule(step: ArrayLike) -> jnp.ndarray:
        step = _clip(step, num_steps)
        rising = _mix(start, max_value, _half_cosine(_part(step, up)))
        falling = _mix(end, max_value, _half_cosine(_part(num_steps - step, down)))
        return jnp.where(step < up, rising, falling)

    return schedule


def warmup_cosine(
    peak_value: float,
    num_steps: int,
    *,
    warmup_steps: int,
    start_value: float = 0.0,
    end_value: float = 0.0,
) -> optax.Schedule:
    """A straight line up, then half a cosine down (SGDR, 2017, without restarts).

    With w = `warmup_steps`: `start + (peak - start) t / w` for t < w, then
    `end + (peak - end) / 2 (1 + cos(pi (t - w) / (num_steps - w)))`.

    Args:
        peak_value: The value at step `warmup_steps`.
        num_steps: Length of the run, the warm-up included, at least 1.
        warmup_steps: Steps before the peak, in [0, num_steps].
        start_value: The value at step 0, unless there is no warm-up.
        end_value: The value at step `num_steps`.

    Returns:
        A schedule.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_not_negative(
        peak_value=peak_value, start_value=start_value, end_value=end_value
    )
    check_whole("num_steps", num_steps, least=1)
    check_whole("warmup_steps", warmup_steps, least=0)
    if warmup_steps > num_steps:
        raise ValueError(
            f"warmup_steps is {warmup_steps}; allowed is at most num_steps, {num_steps}"
        )
    down = num_steps - warmup_steps

    def schedule(step: ArrayLike) -> jnp.ndarray:
        step = _clip(step, num_steps)
        rising = _mix(start_value, peak_value, _part(step, warmup_steps))
        remaining = _half_cosine(_part(num_steps - step, down))
        falling = _mix(end_value, peak_value, remaining)
        return jnp.where(step < warmup_steps, rising, falling)

    return schedule


def _clip(step: ArrayLike, num_steps: int) -> jnp.ndarray:
    """Takes steps before and after the run for its first and its end."""
    return jnp.clip(jnp.asarray(step, jnp.int32), 0, num_steps)


def _part(steps: jnp.ndarray, whole: int) -> jnp.ndarray:
    """Divides integers; a part of nothing is 0, so that no branch becomes NaN."""
    return steps.astype(jnp.float32) / max(whole, 1)


def _mix(low: float, high: float, share: jnp.ndarray) -> jnp.ndarray:
    """Goes from `low` to `high` while `share` goes from 0 to 1."""
    return low * (1 - share) + high * share


def _half_cosine(progress: jnp.ndarray) -> jnp.ndarray:
    """Rises as `(1 - cos(pi progress)) / 2`, written without the cancellation at 0."""
    return jnp.sin(math.pi / 2 * progress) ** 2
