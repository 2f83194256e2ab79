"""Encoders: an image in, a tuple of feature maps out, the finest first."""

from fashionjax.encoders.resnet import ResNet

__all__ = ["ResNet"]
