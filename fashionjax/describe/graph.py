"""The parts of a model and how they feed each other, read off its trace."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal

from fashionjax.describe.flops import count_flops, name_path, shape_of
from fashionjax.ops.counted_arithmetic import is_mark

INPUT = "image"
OUTPUT = "logits"


@dataclasses.dataclass
class Part:
    """Some layers of a model that belong together.

    Attributes:
        name: What their names share: "encoder/stage1" for its blocks.
        shape: Shape of what they return: (height, width, channels), or (values,).
        flops: Floating point operations, forward, of one image.
        sources: Names of the parts that they read.
    """

    name: str
    shape: tuple[int, ...] = ()
    flops: int = 0
    sources: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(frozen=True)
class Graph:
    """A model at one size of image.

    Attributes:
        parts: By name, in the order of the computation, from `INPUT` to `OUTPUT`.
        num_params: Number of trained parameters.
        size: (height, width) of the image.
    """

    parts: Mapping[str, Part]
    num_params: int
    size: tuple[int, int]

    @property
    def flops(self) -> int:
        """Floating point operations of one image, forward."""
        return sum(part.flops for part in self.parts.values())


def trace_model(model: nn.Module, size: tuple[int, int]) -> Graph:
    """Traces a model in evaluation mode; nothing is computed.

    Args:
        model: A segmentation model.
        size: (height, width) of the image.

    Returns:
        Its graph. Operations outside any layer (concatenations, resizing) are edges.
    """
    image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), image
    )

    def logits(x: jax.Array, variables: Any) -> jax.Array:
        outputs: Any = model.apply(variables, x, train=False)
        return outputs.logits

    jaxpr = jax.make_jaxpr(logits)(image, variables).jaxpr
    num_params = sum(x.size for x in jax.tree.leaves(variables["params"]))
    parts = _without_passive(_live(_read(jaxpr)))
    return Graph(parts, num_params, size)


def _read(jaxpr: Jaxpr) -> dict[str, Part]:
    parts = {INPUT: Part(INPUT, shape_of(jaxpr.invars[0])[1:])}
    # The parts that each array comes from.
    origins: dict[Any, set[str]] = {jaxpr.invars[0]: {INPUT}}
    for eqn in jaxpr.eqns:
        read = [v for v in eqn.invars if not isinstance(v, Literal)]
        sources = set().union(*(origins.get(v, set()) for v in read))
        # What depends on no image is a weight on its way to a layer.
        if not sources:
            continue
        name = _part_name(eqn)
        if name is not None:
            part = parts.setdefault(name, Part(name))
            part.flops += count_flops(eqn)
            part.sources |= sources - {name}
            part.shape = shape_of(eqn.outvars[0])[1:]
            sources = {name}
        for variable in eqn.outvars:
            origins[variable] = sources
    (result,) = jaxpr.outvars
    parts[OUTPUT] = Part(OUTPUT, shape_of(result)[1:], 0, set(origins[result]))
    return parts


def _part_name(eqn: JaxprEqn) -> str | None:
    """Blocks of a stage are "encoder/stage1", layers "decoder0"; None outside both."""
    _, *path = (part for part in name_path(eqn) if not is_mark(part))
    if not path:
        return None
    if path[0] == "encoder":
        return f"encoder/{_stem(path[1])}" if len(path) > 1 else None
    return _stem(path[0])


def _stem(layer: str) -> str:
    """First word and first number of a layer's name."""
    word = re.match(r"[a-z]*", layer)
    number = re.search(r"\d+", layer)
    assert word is not None, layer
    return word.group() + (number.group() if number else "")


def _live(parts: dict[str, Part]) -> dict[str, Part]:
    """The parts that the logits depend on, each after those that it reads.

    Layers that share a name may read each other by way of others; a part then comes
    after as many of its sources as can be.
    """
    ordered: dict[str, Part] = {}
    pending = [(OUTPUT, iter(sorted(parts[OUTPUT].sources)))]
    seen = {OUTPUT}
    while pending:
        name, sources = pending[-1]
        following = next((s for s in sources if s not in seen), None)
        if following is None:
            ordered[name] = parts[name]
            pending.pop()
        else:
            seen.add(following)
            pending.append((following, iter(sorted(parts[following].sources))))
    return ordered


def _without_passive(parts: dict[str, Part]) -> dict[str, Part]:
    """Leaves out parts without arithmetic, such as a lone normalisation."""
    origins: dict[str, set[str]] = {}
    kept = {}
    for name, part in parts.items():
        sources = set().union(*(origins.get(source, set()) for source in part.sources))
        passive = part.flops == 0 and name not in (INPUT, OUTPUT)
        origins[name] = sources if passive else {name}
        if not passive:
            kept[name] = dataclasses.replace(part, sources=sources)
    return kept
