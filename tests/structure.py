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
    return {match for text in texts for match in _INDEXED.findall(text)}
