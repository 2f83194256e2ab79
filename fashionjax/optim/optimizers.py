"""Optimisers: optax chains whose hyper-parameters follow schedules."""

import optax


def adamw(
    learning_rate: optax.Schedule,
    momentum: optax.Schedule,
    *,
    b2: float,
    eps: float,
    weight_decay: float,
) -> optax.GradientTransformation:
    """AdamW with decoupled weight decay on every parameter, as fastai applies it.

    Args:
        learning_rate: Step size at each step.
        momentum: Adam's beta1 at each step.
        b2: Adam's beta2.
        eps: Adam's epsilon.
        weight_decay: Decay, multiplied by the learning rate.

    Returns:
        An optimiser; its state holds the current "learning_rate" and "b1".
    """
    return optax.inject_hyperparams(
        optax.adamw, static_args=("b2", "eps", "weight_decay")
    )(
        learning_rate=learning_rate,
        b1=momentum,
        b2=b2,
        eps=eps,
        weight_decay=weight_decay,
    )
