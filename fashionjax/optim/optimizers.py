"""Optimisers: optax chains that take learning rate and momentum at each update.

`update(grads, state, params, *, learning_rate, momentum)` takes both as float32
scalars, which may be traced. Schedules therefore stay outside: the state holds arrays
alone, of the same structure whatever the schedule, and one compiled step serves
several phases.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import optax

from fashionjax.optim.arguments import check_not_negative, check_positive

Scalar: TypeAlias = float | jax.Array


def adamw(
    *, b2: float, eps: float, weight_decay: float, clip_norm: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """AdamW with decoupled weight decay on every parameter, as fastai applies it.

    `p <- p (1 - learning_rate weight_decay)`, then Adam's step; the bias of the first
    moment is corrected by the momentum of the current step to the power of the count.

    Args:
        b2: Adam's beta2, in [0, 1).
        eps: Adam's epsilon, added to the root; above 0.
        weight_decay: Decay, multiplied by the learning rate; at least 0.
        clip_norm: Largest global norm of the gradients; 0 does not clip.

    Returns:
        An optimiser; its momentum is Adam's beta1.

    Raises:
        ValueError: If an argument is out of range.
    """
    _check_adam(b2, eps)
    check_not_negative(weight_decay=weight_decay, clip_norm=clip_norm)

    def chain(learning_rate: Scalar, momentum: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            _clip(clip_norm),
            optax.scale_by_adam(momentum, b2, eps),
            optax.add_decayed_weights(weight_decay),
            optax.scale_by_learning_rate(learning_rate),
        )

    return _given_at_update(chain)


def adam(
    *, b2: float, eps: float, clip_norm: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """Adam without weight decay.

    Args:
        b2: Adam's beta2, in [0, 1).
        eps: Adam's epsilon, added to the root; above 0.
        clip_norm: Largest global norm of the gradients; 0 does not clip.

    Returns:
        An optimiser; its momentum is Adam's beta1.

    Raises:
        ValueError: If an argument is out of range.
    """
    _check_adam(b2, eps)
    check_not_negative(clip_norm=clip_norm)

    def chain(learning_rate: Scalar, momentum: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            _clip(clip_norm),
            optax.scale_by_adam(momentum, b2, eps),
            optax.scale_by_learning_rate(learning_rate),
        )

    return _given_at_update(chain)


def sgd(
    *, weight_decay: float, nesterov: bool = False, clip_norm: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """SGD with momentum and L2 decay on every parameter, as mmsegmentation runs it.

    `g <- g + weight_decay p`, `m <- momentum m + g`, `p <- p - learning_rate m`; the
    decay also pulls at BatchNorm's scales and biases.

    Args:
        weight_decay: What is added to the gradients, times the parameters; at least 0.
        nesterov: Whether the step is `g + momentum m` instead of m.
        clip_norm: Largest global norm of the gradients, before the decay; 0 does not
            clip.

    Returns:
        An optimiser.

    Raises:
        ValueError: If an argument is out of range.
    """
    check_not_negative(weight_decay=weight_decay, clip_norm=clip_norm)

    def chain(learning_rate: Scalar, momentum: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            _clip(clip_norm),
            optax.add_decayed_weights(weight_decay),
            # optax names its decay a float; a scalar array does as well.
            optax.trace(momentum, nesterov),  # pyright: ignore[reportArgumentType]
            optax.scale_by_learning_rate(learning_rate),
        )

    return _given_at_update(chain)


def _given_at_update(
    chain: Callable[[Scalar, Scalar], optax.GradientTransformation],
) -> optax.GradientTransformationExtraArgs:
    """Builds the chain anew at each update, with what the update is given."""

    def init(params: optax.Params) -> optax.OptState:
        return chain(0.0, 0.0).init(params)  # neither value is part of the state

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
        *,
        learning_rate: Scalar,
        momentum: Scalar,
        **extra_args: Any,
    ) -> tuple[optax.Updates, optax.OptState]:
        del extra_args  # optax asks to ignore what is meant for others of a chain
        return chain(learning_rate, momentum).update(updates, state, params)

    # optax's type knows no keyword that an update requires, though its doc allows it.
    return optax.GradientTransformationExtraArgs(
        init,
        update,  # pyright: ignore[reportArgumentType]
    )


def _clip(clip_norm: float) -> optax.GradientTransformation:
    return optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()


def _check_adam(b2: float, eps: float) -> None:
    if not 0 <= b2 < 1:
        raise ValueError(f"b2 is {b2}; allowed is [0, 1)")
    check_positive(eps=eps)
