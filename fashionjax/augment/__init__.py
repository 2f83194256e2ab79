"""Augmentation on the accelerator, inside the compiled step."""

from fashionjax.augment.flip import random_horizontal_flip
from fashionjax.augment.normalize import Normalization, normalize
from fashionjax.augment.prepare import Prepare

__all__ = ["Normalization", "Prepare", "normalize", "random_horizontal_flip"]
