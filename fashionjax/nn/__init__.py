"""Linen layers that two or more models share."""

from fashionjax.nn.branches import BoxBranch, TagBranch
from fashionjax.nn.conv import conv
from fashionjax.nn.injection import InjectedConv
from fashionjax.nn.norm import BatchNorm
from fashionjax.nn.residual import BasicBlock

__all__ = ["BasicBlock", "BatchNorm", "BoxBranch", "InjectedConv", "TagBranch", "conv"]
