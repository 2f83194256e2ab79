"""Linen layers that two or more models share."""

from fashionjax.nn.branches import BoxBranch, TagBranch
from fashionjax.nn.conv import ConvNormRelu, conv
from fashionjax.nn.conv_transpose import ConvTranspose
from fashionjax.nn.injection import InjectedConv
from fashionjax.nn.norm import BatchNorm
from fashionjax.nn.residual import BasicBlock, Bottleneck

__all__ = [
    "BasicBlock",
    "BatchNorm",
    "Bottleneck",
    "BoxBranch",
    "ConvNormRelu",
    "ConvTranspose",
    "InjectedConv",
    "TagBranch",
    "conv",
]
