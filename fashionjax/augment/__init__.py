"""Augmentation on the accelerator, inside the compiled step."""

from fashionjax.augment.augmentation import (
    CCP_UNET,
    CCP_UNET_ZOOM,
    EXTENDED_UNET,
    MIRROR,
    NO_AUGMENTATION,
    Augmentation,
)
from fashionjax.augment.normalize import Normalization, normalize
from fashionjax.augment.prepare import Prepare

__all__ = [
    "CCP_UNET",
    "CCP_UNET_ZOOM",
    "EXTENDED_UNET",
    "MIRROR",
    "NO_AUGMENTATION",
    "Augmentation",
    "Normalization",
    "Prepare",
    "normalize",
]
