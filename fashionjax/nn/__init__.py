"""Linen layers that two or more models share."""

from fashionjax.nn.branches import BoxBranch, TagBranch
from fashionjax.nn.conv import conv
from fashionjax.nn.norm import BatchNorm
from fashionjax.nn.residual import BasicBlock

__all__ = ["BasicBlock", "BatchNorm", "BoxBranch", "TagBranch", "conv"]
