"""timm's models."""

import functools
from collections.abc import Mapping

import flax.linen as nn

from fashionjax.builders import build_encoder
from fashionjax.models.classifier import Classifier
from fashionjax.models.hrnet_head import HRNetHead
from fashionjax.pretrained.reference import (
    Options,
    Published,
    Reference,
    encoder_rules,
)
from fashionjax.pretrained.rules import Rule, Rules
from fashionjax.pretrained.torchvision import resnet

_FUSE = (
    r"stage(\d)\.(\d+)\.fuse_layers\.(\d)\.(\d)",
    r"stage\1_module\2/fuse\3_from\4",
)


def _block_rules(pattern: str, path: str, groups: int) -> Rules:
    """Rules of a residual block; `groups` is the number of groups of its pattern."""
    return (
        Rule(rf"{pattern}\.conv(\d)", rf"{path}/conv\{groups + 1}"),
        Rule(rf"{pattern}\.bn(\d)", rf"{path}/norm\{groups + 1}"),
        Rule(rf"{pattern}\.downsample\.0", f"{path}/downsample_conv"),
        Rule(rf"{pattern}\.downsample\.1", f"{path}/downsample_norm"),
    )


HRNET_RULES: Rules = (
    Rule(r"conv(\d)", r"stem_conv\1"),
    Rule(r"bn(\d)", r"stem_norm\1"),
    *_block_rules(r"layer1\.(\d+)", r"stage1_block\1", 1),
    *_block_rules(
        r"stage(\d)\.(\d+)\.branches\.(\d)\.(\d+)",
        r"stage\1_module\2/branch\3_block\4",
        4,
    ),
    # A branch that only keeps its size is one level less deep.
    Rule(r"transition(\d)\.(\d)(?:\.0)?\.0", r"transition\1_branch\2_conv"),
    Rule(r"transition(\d)\.(\d)(?:\.0)?\.1", r"transition\1_branch\2_norm"),
    Rule(rf"{_FUSE[0]}\.0", rf"{_FUSE[1]}_conv"),
    Rule(rf"{_FUSE[0]}\.1", rf"{_FUSE[1]}_norm"),
    Rule(rf"{_FUSE[0]}\.(\d)\.0", rf"{_FUSE[1]}_conv\5"),
    Rule(rf"{_FUSE[0]}\.(\d)\.1", rf"{_FUSE[1]}_norm\5"),
)
"""HRNet, in timm and mmseg."""

_HRNET_HEAD: Rules = (
    *_block_rules(r"incre_modules\.(\d)\.0", r"widen\1", 1),
    Rule(r"downsamp_modules\.(\d)\.0", r"halve\1_conv"),
    Rule(r"downsamp_modules\.(\d)\.1", r"halve\1_norm"),
    Rule(r"final_layer\.0", "final_conv"),
    Rule(r"final_layer\.1", "final_norm"),
    Rule(r"classifier", "linear"),
)


def _make_hrnet(name: str, options: Options) -> nn.Module:
    encoder = build_encoder(name, fuse="nearest")
    if not options.head:
        return encoder
    return Classifier(encoder, HRNetHead(options.num_classes))


def _hrnet(name: str, *published: Published) -> Reference:
    return Reference(
        make=functools.partial(_make_hrnet, name),
        rules=encoder_rules(
            HRNET_RULES,
            _HRNET_HEAD,
            dropped=r"(?:incre_modules|downsamp_modules|final_layer)\..*|classifier",
        ),
        classes=("classifier.weight",),
        num_classes=1000,
        published=published,
    )


REFERENCES: Mapping[str, Reference] = {
    "timm/hrnet_w18": _hrnet(
        "hrnet_w18", Published("timm/hrnet_w18.ms_in1k", licence="MIT")
    ),
    "timm/resnext101_32x4d": resnet(
        "resnext101_32x4d",
        Published("timm/resnext101_32x4d.gluon_in1k", licence="Apache-2.0"),
    ),
}
