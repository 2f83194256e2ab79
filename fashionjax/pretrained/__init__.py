"""Published weights: read, checked, converted."""

from fashionjax.pretrained.convert import ConversionError
from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.read import read_state
from fashionjax.pretrained.references import (
    convert,
    normalization,
    reference_module,
)

__all__ = [
    "ConversionError",
    "WeightsError",
    "convert",
    "normalization",
    "read_state",
    "reference_module",
]
