"""Clothing parsing in JAX and Flax.

`import fashionjax as fj` gives `fj.models`, `fj.losses` and so on; each is imported
when it is first used, so that processes which only read data never load jax.
"""

import importlib
import importlib.metadata
from types import ModuleType

__version__ = importlib.metadata.version("fashionjax")

__all__ = [
    "augment",
    "builders",
    "data",
    "encoders",
    "inference",
    "losses",
    "metrics",
    "models",
    "nn",
    "ops",
    "optim",
    "predict",
    "train",
    "types",
    "visualize",
]


def __getattr__(name: str) -> ModuleType:
    """Imports a submodule on first use."""
    if name in __all__:
        return importlib.import_module(f"fashionjax.{name}")
    raise AttributeError(f"module 'fashionjax' has no attribute {name!r}")
