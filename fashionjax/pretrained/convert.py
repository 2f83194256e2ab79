"""From a published state dict to the variables of our module."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.rules import Rule, Rules, find_rule

_LEAVES: Mapping[str, tuple[str, str]] = {
    "bias": ("params", "bias"),
    "beta": ("params", "bias"),
    "gamma": ("params", "scale"),
    "kernel": ("params", "kernel"),
    "running_mean": ("batch_stats", "mean"),
    "moving_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
    "moving_variance": ("batch_stats", "var"),
}
"""Collection and name of each tensor but torch's "weight", which may be either kind."""

_UNUSED_LEAF = "num_batches_tracked"
"""torch's count of the batches that a BatchNorm has seen: nothing reads it."""

_NUM_SHOWN = 8


class ConversionError(ValueError):
    """A state dict is not that of the reference.

    Attributes:
        num_problems: Number of tensors that are wrong or missing.
    """

    def __init__(self, message: str, num_problems: int = 1) -> None:
        super().__init__(message)
        self.num_problems = num_problems


def convert_state(
    reference: Reference,
    name: str,
    state: Mapping[str, np.ndarray],
    options: Options,
) -> dict[str, Any]:
    """Renames and transposes a state dict.

    Args:
        reference: The public implementation that it is of.
        name: Its name, for messages.
        state: Tensors by their published names.
        options: What module the variables are for.

    Returns:
        Variables, NumPy float32.

    Raises:
        ConversionError: If a tensor is missing, unknown, of another shape, not a number
            or not finite; all of them are named.
    """
    module = reference.make(options)
    expected = expected_shapes(module, reference.image_size)
    rules = reference.rules(options)
    variables: dict[str, np.ndarray] = {}
    problems: list[str] = []
    for key, tensor in state.items():
        try:
            found = _place(rules, key, np.asarray(tensor))
            if found is None:
                continue
            path, value = found
            _check(path, value, expected, taken=path in variables)
        except ConversionError as error:
            problems.append(f"{key}: {error}")
        else:
            variables[path] = value
    # A tensor that was refused is not also missing.
    if not problems:
        missing = [path for path in expected if path not in variables]
        problems += [f"nothing for our {path}" for path in missing]
    if problems:
        raise ConversionError(_message(name, problems), len(problems))
    return flax.traverse_util.unflatten_dict(variables, sep="/")


def knows(rules: Rules, key: str) -> bool:
    """Whether there is a rule for a published name, be it that it is dropped."""
    module, _, leaf = key.rpartition(".")
    known = leaf in _LEAVES or leaf in ("weight", _UNUSED_LEAF)
    return known and find_rule(rules, module) is not None


def expected_shapes(
    module: nn.Module, image_size: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """Shapes of a module's variables, by path ("params/encoder/…/kernel")."""
    image = jnp.zeros((1, *image_size, 3))
    variables = jax.eval_shape(
        lambda: module.init(jax.random.key(0), image, train=False)
    )
    flat: dict[str, Any] = flax.traverse_util.flatten_dict(variables, sep="/")
    return {path: leaf.shape for path, leaf in flat.items()}


def _place(rules: Rules, key: str, tensor: np.ndarray) -> tuple[str, np.ndarray] | None:
    """Our path of a tensor and the tensor in our layout; None for what is dropped."""
    module, _, leaf = key.rpartition(".")
    found = find_rule(rules, module)
    if found is None:
        raise ConversionError("unknown; the reference has no such tensor")
    rule, path = found
    if path is None or leaf == _UNUSED_LEAF:
        return None
    if not jnp.issubdtype(tensor.dtype, jnp.floating):
        raise ConversionError(f"is {tensor.dtype}; floating point is needed")
    value = tensor.astype(np.float32)
    if not np.isfinite(value).all():
        raise ConversionError("has values that are not finite")
    if leaf == "weight":
        collection, name = "params", "scale" if value.ndim == 1 else "kernel"
        value = _to_our_layout(value, rule)
    elif leaf in _LEAVES:
        collection, name = _LEAVES[leaf]
    else:
        raise ConversionError("unknown; the reference has no such tensor")
    return "/".join(part for part in (collection, path, name) if part), value


def _to_our_layout(value: np.ndarray, rule: Rule) -> np.ndarray:
    by_rank = {4: "conv", 2: "linear"}
    layout = rule.layout or by_rank.get(value.ndim, "same")
    rank = {"conv": 4, "transposed": 4, "linear": 2, "linear_chw": 2}.get(layout)
    if rank is not None and value.ndim != rank:
        raise ConversionError(f"has shape {value.shape}; {rank} axes are needed")
    if layout == "conv":
        return value.transpose(2, 3, 1, 0)
    if layout == "transposed":
        return value.transpose(2, 3, 0, 1)
    if layout == "linear":
        return value.T
    if layout == "linear_chw":
        assert rule.map_size is not None, rule
        height, width = rule.map_size
        if value.shape[1] % (height * width):
            raise ConversionError(
                f"has shape {value.shape}; its second axis flattens maps of"
                f" {height}×{width}"
            )
        maps = value.reshape(len(value), -1, height, width)
        return maps.transpose(2, 3, 1, 0).reshape(-1, len(value))
    return value


def _check(
    path: str,
    value: np.ndarray,
    expected: Mapping[str, tuple[int, ...]],
    *,
    taken: bool,
) -> None:
    if path not in expected:
        raise ConversionError(f"would be our {path}, which the module does not have")
    if value.shape != expected[path]:
        raise ConversionError(
            f"has shape {value.shape} in our layout; {path} needs {expected[path]}"
        )
    if taken:
        raise ConversionError(f"is a second one for our {path}")


def _message(name: str, problems: list[str]) -> str:
    shown = problems[:_NUM_SHOWN]
    if len(problems) > _NUM_SHOWN:
        shown.append(f"and {len(problems) - _NUM_SHOWN} more")
    lines = "\n  ".join(shown)
    return f"these are not the weights of {name}:\n  {lines}"
