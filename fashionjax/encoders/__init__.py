"""Encoders: an image in, a tuple of feature maps out, the finest first."""

from fashionjax.encoders.densenet import DenseNet
from fashionjax.encoders.efficientnet_lite import EfficientNetLite
from fashionjax.encoders.hrnet import HRNet
from fashionjax.encoders.resnet import ResNet
from fashionjax.encoders.vgg import VGG

__all__ = ["VGG", "DenseNet", "EfficientNetLite", "HRNet", "ResNet"]
