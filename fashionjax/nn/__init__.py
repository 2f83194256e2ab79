"""Linen layers that two or more models share."""

from fashionjax.nn.aspp import ASPP, SeparableConvNormRelu
from fashionjax.nn.branches import BoxBranch, TagBranch
from fashionjax.nn.conv import ConvNormRelu, conv
from fashionjax.nn.conv_transpose import ConvTranspose
from fashionjax.nn.fcn_head import FCNHead
from fashionjax.nn.injection import InjectedConv
from fashionjax.nn.norm import BatchNorm
from fashionjax.nn.residual import BasicBlock, Bottleneck
from fashionjax.nn.upsampled_conv import UpsampledConv, UpsampledConvNormRelu

__all__ = [
    "ASPP",
    "BasicBlock",
    "BatchNorm",
    "Bottleneck",
    "BoxBranch",
    "ConvNormRelu",
    "ConvTranspose",
    "FCNHead",
    "InjectedConv",
    "SeparableConvNormRelu",
    "TagBranch",
    "UpsampledConv",
    "UpsampledConvNormRelu",
    "conv",
]
