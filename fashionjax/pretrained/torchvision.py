"""torchvision's models."""

import functools
from collections.abc import Mapping

import flax.linen as nn

from fashionjax.builders import build_encoder
from fashionjax.models.classifier import Classifier, LinearHead
from fashionjax.pretrained.reference import (
    Options,
    Published,
    Reference,
    encoder_rules,
)
from fashionjax.pretrained.rules import Rule, Rules

RESNET_RULES: Rules = (
    Rule(r"conv1", "stem_conv"),
    Rule(r"bn1", "stem_norm"),
    Rule(r"layer(\d)\.(\d+)\.conv(\d)", r"stage\1_block\2/conv\3"),
    Rule(r"layer(\d)\.(\d+)\.bn(\d)", r"stage\1_block\2/norm\3"),
    Rule(r"layer(\d)\.(\d+)\.downsample\.0", r"stage\1_block\2/downsample_conv"),
    Rule(r"layer(\d)\.(\d+)\.downsample\.1", r"stage\1_block\2/downsample_norm"),
)
"""ResNet and ResNeXt, in torchvision and timm."""

_LICENCE = "BSD-3-Clause; trained on ImageNet (research use)"


def _make_resnet(name: str, options: Options) -> nn.Module:
    encoder = build_encoder(name)
    if not options.head:
        return encoder
    return Classifier(encoder, LinearHead(options.num_classes))


def resnet(name: str, *published: Published) -> Reference:
    """A ResNet or ResNeXt with torchvision's names.

    Args:
        name: Name of the encoder in `fashionjax.builders`.
        *published: Files with its weights.
    """
    return Reference(
        make=functools.partial(_make_resnet, name),
        rules=encoder_rules(RESNET_RULES, (Rule("fc", "linear"),), dropped="fc"),
        classes="fc.weight",
        num_classes=1000,
        published=published,
    )


def _file(name: str, sha256: str) -> Published:
    return Published(f"{name}-{sha256}.pth", sha256, _LICENCE)


REFERENCES: Mapping[str, Reference] = {
    "torchvision/resnet34": resnet("resnet34", _file("resnet34", "b627a593")),
    "torchvision/resnet50": resnet(
        "resnet50", _file("resnet50", "0676ba61"), _file("resnet50", "11ad3fa6")
    ),
    "torchvision/resnext50_32x4d": resnet(
        "resnext50_32x4d",
        _file("resnext50_32x4d", "7cdf4587"),
        _file("resnext50_32x4d", "1a0047aa"),
    ),
    "torchvision/resnext101_32x8d": resnet(
        "resnext101_32x8d",
        _file("resnext101_32x8d", "8ba56ff5"),
        _file("resnext101_32x8d", "110c445d"),
    ),
}
