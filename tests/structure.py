"""What a compiled function consists of."""

import re
from collections.abc import Callable
from typing import Any

import jax

PLATFORMS = ("cpu", "cuda", "tpu")

_INDEXED = re.compile(
    # StableHLO, then the CPU compiler's HLO.
    r"stablehlo\.(?:dynamic_)?(?:gather|scatter|select_and_scatter)\b"
    r"|\b(?:gather|scatter|select-and-scatter)\("
)


def indexed_operations(function: Callable[..., Any], *args: Any) -> set[str]:
    """Every kind of scatter and gather in a function.

    Args:
        function: What to trace.
        *args: Its arguments.

    Returns:
        Operations as lowered for each platform, and as compiled for this one.
    """
    traced = jax.jit(function).trace(*args)
    texts = [
        traced.lower(lowering_platforms=(platform,)).as_text() for platform in PLATFORMS
    ]
    texts.append(traced.lower().compile().as_text() or "")
    return {match for text in texts for match in find_indexed(text)}


def find_indexed(text: str) -> set[str]:
    """Every kind of scatter and gather in a program, lowered or compiled."""
    return set(_INDEXED.findall(text))


def convolution_types(text: str) -> set[str]:
    """Types of what the convolutions of a lowered program take and return.

    Args:
        text: StableHLO; the CPU's compiler makes other types of some.
    """
    signatures = re.findall(r"stablehlo\.convolution\(.* : (\(.*)", text)
    return {name for line in signatures for name in re.findall(r"x([a-z]\w+)>", line)}


def convolution_channels(text: str) -> set[int]:
    """How many channels and features the convolutions of a lowered program have.

    Args:
        text: StableHLO of maps, kernels and results whose channels come last.
    """
    signatures = re.findall(r"stablehlo\.convolution\(.* : (\(.*)", text)
    return {int(n) for line in signatures for n in re.findall(r"x(\d+)x[a-z]", line)}


def aliased_outputs(text: str) -> dict[int, int]:
    """The arguments of a compiled program in whose memory its results lie, by result.

    Args:
        text: The program, as `compiled.as_text()` writes it.
    """
    header = text.split("\n", 1)[0]
    pairs = re.findall(r"\{(\d+)\}: \((\d+), \{\}", header)
    return {int(result): int(argument) for result, argument in pairs}
