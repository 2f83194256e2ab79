"""Published weights: read, checked, converted."""

from fashionjax.pretrained.convert import ConversionError
from fashionjax.pretrained.references import (
    convert,
    normalization,
    reference_module,
)

__all__ = ["ConversionError", "convert", "normalization", "reference_module"]
