"""BatchNorm folded into the convolution before it.

In evaluation mode BatchNorm multiplies every channel by a constant and adds another.
Where a convolution's result goes nowhere else, its kernel takes the factor in advance
and a bias is all that is left. Kernels that a model rounds to half precision at every
call are rounded in advance too.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from flax.typing import Dtype
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jaxtyping import Array, Float

from fashionjax.nn import ConvTranspose, UpsampledConv
from fashionjax.types import Image

ModulePath: TypeAlias = tuple[str, ...]
Values: TypeAlias = dict[tuple[str, ...], Any]

_CONVOLUTIONS = (nn.Conv, ConvTranspose, UpsampledConv)
"""Layers whose parameters are `kernel`, output channels last, and perhaps `bias`."""

_CASTING = (nn.Conv, nn.Dense, ConvTranspose)
"""Layers that cast their `kernel` before all else; `UpsampledConv` adds taps first."""


@dataclasses.dataclass(frozen=True)
class FoldedModel:
    """A model in evaluation mode, some of whose BatchNorms are folded.

    Attributes:
        model: The model.
        folded: From the path of a folded BatchNorm to that of the convolution before
            it.
        kernel_dtypes: From the path of a layer to the type that it casts its kernel to.
    """

    model: nn.Module
    folded: Mapping[ModulePath, ModulePath]
    kernel_dtypes: Mapping[ModulePath, Dtype]

    def apply(self, variables: Mapping[str, Any], image: Image, **inputs: Any) -> Any:
        """Applies the model in evaluation mode.

        Args:
            variables: The folded variables.
            image: Normalised image, of any size that the model takes.
            **inputs: What else the model takes.

        Returns:
            What the model returns: `Outputs`, or an encoder's feature maps.
        """
        with nn.intercept_methods(self._replace_norm):
            return self.model.apply(variables, image, train=False, **inputs)

    def cast_kernels(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Casts kernels in advance, where layers cast them before all else.

        No bit of what the model returns changes, but for roundings that a compiler
        leaves out (`xla_allow_excess_precision`). In half precision a call reads fewer
        bytes, and writes no kernels.

        Args:
            variables: The folded variables.

        Returns:
            The variables; kernels that were cast are NumPy arrays.
        """
        values: Values = flatten_dict(variables)
        for path, dtype in self.kernel_dtypes.items():
            kernel = ("params", *path, "kernel")
            values[kernel] = np.asarray(values[kernel]).astype(dtype)
        return unflatten_dict(values)

    def _replace_norm(
        self,
        method: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        norm = context.module
        if not isinstance(norm, nn.BatchNorm) or norm.path not in self.folded:
            return method(*args, **kwargs)
        (x,) = args
        bias = norm.get_variable("params", "bias")
        # None: the convolution had a bias of its own, which is now that of both.
        return x if bias is None else jnp.asarray(x + bias, norm.dtype)


def fold_batch_norm(
    model: nn.Module, variables: Mapping[str, Any], image_shape: tuple[int, ...]
) -> tuple[FoldedModel, dict[str, Any]]:
    """Folds every BatchNorm that a convolution's result goes into, and nowhere else.

    Between the two there may be a crop. BatchNorm stays as it is where something else
    comes before it, such as a ReLU or a concatenation, and where either of the two
    layers is used more than once.

    Args:
        model: A model or an encoder, called with an image and `train`.
        variables: Its variables, `params` and `batch_stats`.
        image_shape: (batch, height, width, 3) of an image that the model takes; it is
            traced, not computed.

    Returns:
        The model, and its variables without those of the folded BatchNorms; the folded
        ones are NumPy arrays, computed in float64.
    """
    pairs, kernel_dtypes = _read_layers(model, variables, image_shape)
    values: Values = flatten_dict(variables)
    for pair in pairs:
        factor, shift = _take_affine(values, pair)
        kernel, bias = (("params", *pair.conv, name) for name in ("kernel", "bias"))
        values[kernel] = _scaled(values[kernel], factor)
        if bias in values:
            values[bias] = _scaled(values[bias], factor, shift)
        else:
            values["params", *pair.norm, "bias"] = shift.astype(np.float32)
    folded = {pair.norm: pair.conv for pair in pairs}
    return FoldedModel(model, folded, kernel_dtypes), unflatten_dict(values)


@dataclasses.dataclass(frozen=True)
class _Pair:
    """A BatchNorm and the convolution before it, by their paths."""

    norm: ModulePath
    conv: ModulePath
    epsilon: float


def _take_affine(
    values: Values, pair: _Pair
) -> tuple[Float[np.ndarray, " channels"], Float[np.ndarray, " channels"]]:
    """Removes a BatchNorm's variables; returns its factor and shift, float64."""

    def take(collection: str, name: str, default: float) -> np.ndarray:
        return np.asarray(values.pop((collection, *pair.norm, name), default), float)

    mean, variance = take("batch_stats", "mean", 0.0), take("batch_stats", "var", 1.0)
    scale, bias = take("params", "scale", 1.0), take("params", "bias", 0.0)
    factor = scale / np.sqrt(variance + pair.epsilon)
    return factor, bias - mean * factor


def _scaled(
    x: Any, factor: np.ndarray, shift: np.ndarray | float = 0.0
) -> Float[np.ndarray, "..."]:
    return (np.asarray(x, float) * factor + shift).astype(x.dtype)


def _read_layers(
    model: nn.Module, variables: Mapping[str, Any], image_shape: tuple[int, ...]
) -> tuple[list[_Pair], dict[ModulePath, Dtype]]:
    """Reads off the model's trace which BatchNorm follows which convolution.

    Returns:
        The pairs, and the types that layers cast their kernels to, by their paths.
    """
    dtypes: dict[ModulePath, Dtype] = {}
    convs: dict[str, ModulePath] = {}
    norms: dict[str, nn.BatchNorm] = {}
    calls = collections.Counter()

    def mark(
        method: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: nn.module.InterceptorContext,
    ) -> Any:
        layer = context.module
        name = "/".join(layer.path)
        if isinstance(layer, nn.BatchNorm):
            calls[name] += 1
            norms[name] = layer
            x, *others = args
            return method(checkpoint_name(x, name), *others, **kwargs)
        if isinstance(layer, _CASTING) and layer.dtype is not None:
            dtypes[layer.path] = layer.dtype
        result = method(*args, **kwargs)
        if isinstance(layer, _CONVOLUTIONS) and context.method_name == "__call__":
            calls[name] += 1
            convs[name] = layer.path
            return checkpoint_name(result, name)
        return result

    def apply(variables: Mapping[str, Any], image: Float[Array, "..."]) -> Any:
        with nn.intercept_methods(mark):
            return model.apply(variables, image, train=False)

    image = jax.ShapeDtypeStruct(image_shape, jnp.float32)
    jaxpr = jax.make_jaxpr(apply)(variables, image).jaxpr
    pairs = [
        _Pair(norms[after].path, convs[before], norms[after].epsilon)
        for before, after in _adjacent_marks(jaxpr)
        if before in convs and after in norms and calls[before] == calls[after] == 1
    ]
    return pairs, dtypes


def _adjacent_marks(jaxpr: Jaxpr) -> Iterator[tuple[str, str]]:
    """Pairs of marks of which the first one's value goes to the second, and only there.

    A value may be cropped on the way.
    """
    makers: dict[Any, JaxprEqn] = {
        variable: eqn for eqn in jaxpr.eqns for variable in eqn.outvars
    }
    uses: collections.Counter[Any] = collections.Counter(
        variable
        for variables in (*(eqn.invars for eqn in jaxpr.eqns), jaxpr.outvars)
        for variable in variables
        if not isinstance(variable, Literal)
    )
    for eqn in jaxpr.eqns:
        if eqn.primitive.name != "name":
            continue
        value = eqn.invars[0]
        maker = makers.get(value)
        while maker and uses[value] == 1 and maker.primitive.name == "slice":
            value = maker.invars[0]
            maker = makers.get(value)
        if maker and uses[value] == 1 and maker.primitive.name == "name":
            yield maker.params["name"], eqn.params["name"]
