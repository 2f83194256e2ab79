"""A frozen encoder, and the three things that its BatchNorm may do meanwhile."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args

import flax.linen as nn
import jax

from fashionjax.constants import FIXED

ENCODER = "encoder"
"""Name of the submodule that is frozen."""

FrozenBatchNorm = Literal["fastai", "affine_frozen_stats_update", "eval"]
"""What BatchNorm in a frozen encoder does.

- "fastai": scale and bias are trained and running statistics updated, as fastai's
  `freeze` with `train_bn=True`; only convolutions are frozen.
- "affine_frozen_stats_update": no parameter is trained; batch statistics normalise and
  running statistics are updated, as `requires_grad=False` in torch's training mode.
- "eval": no parameter is trained; running statistics normalise and stay as they are, as
  Keras does with `trainable=False`.
"""


def check_rule(rule: str, name: str) -> None:
    """Refuses what is no rule.

    Raises:
        ValueError: If `rule` is none of `FrozenBatchNorm`.
    """
    allowed = get_args(FrozenBatchNorm)
    if rule not in allowed:
        raise ValueError(f"{name}={rule!r}; allowed are {', '.join(allowed)}")


def trainable(
    params: Mapping[str, Any],
    batch_stats: Mapping[str, Any],
    rule: FrozenBatchNorm | None,
) -> Any:
    """Tells which parameters are trained.

    Args:
        params: Linen's `params` collection.
        batch_stats: Linen's `batch_stats`: where it has statistics is a BatchNorm.
        rule: What the frozen encoder's BatchNorm does; None: it is not frozen.
            What is named `constants.FIXED…` is not trained in any case.

    Returns:
        A tree like `params` of Python booleans.
    """
    norms = {_keys(path)[:-1] for path, _ in jax.tree.leaves_with_path(batch_stats)}

    def is_trained(path: tuple[Any, ...], _: Any) -> bool:
        keys = _keys(path)
        if any(key.startswith(FIXED) for key in keys):
            return False
        if rule is None or keys[0] != ENCODER:
            return True
        return rule == "fastai" and keys[:-1] in norms

    return jax.tree.map_with_path(is_trained, params)


@contextlib.contextmanager
def freezing(rule: FrozenBatchNorm | None) -> Iterator[None]:
    """Within it, the encoder of a model that is applied obeys the rule "eval".

    The other rules need nothing but `trainable`.
    """
    if rule != "eval":
        yield
        return

    def intercept(
        call: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        if context.module.path == (ENCODER,) and context.method_name == "__call__":
            kwargs = {**kwargs, "train": False}
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield


def _keys(path: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(entry.key for entry in path)
