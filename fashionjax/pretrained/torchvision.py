"""torchvision's classifiers."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import flax.linen as nn

from fashionjax.augment import Normalization
from fashionjax.builders import build_encoder
from fashionjax.encoders import VGG
from fashionjax.models.classifier import Classifier, LinearHead, VGGHead
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

# The oldest files have a point before the number of a layer's norm or convolution.
_DENSENET_LAYER = r"features\.denseblock(\d)\.denselayer(\d+)\.(norm|conv)\.?(\d)"

DENSENET_RULES: Rules = (
    Rule(r"features\.conv0", "stem_conv"),
    Rule(r"features\.norm0", "stem_norm"),
    Rule(_DENSENET_LAYER, r"stage\1_layer\2/\3\4"),
    Rule(r"features\.transition(\d)\.(norm|conv)", r"transition\1_\2"),
    Rule(r"features\.norm5", "last_norm"),
)
"""DenseNet, in torchvision and timm."""

_VGG_HEAD: Rules = (
    Rule(r"classifier\.0", "hidden1", layout="linear_chw", map_size=(7, 7)),
    Rule(r"classifier\.3", "hidden2"),
    Rule(r"classifier\.6", "linear"),
)

_VGG_FEATURES = Normalization((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255))
"""Of the VGG16 whose convolutions alone are published."""

_LICENCE = "BSD-3-Clause; trained on ImageNet (research use)"


def vgg_rules(name: str) -> Rules:
    """Rules of a VGG, whose layers are numbered, the ones without parameters too.

    Args:
        name: Name of the encoder in `fashionjax.builders`.
    """
    encoder = build_encoder(name)
    assert isinstance(encoder, VGG), name
    rules = []
    layer = 0
    for block, num_convs in enumerate(encoder.stage_sizes, start=1):
        for i in range(1, num_convs + 1):
            rules.append(Rule(rf"features\.{layer}", f"block{block}_conv{i}"))
            if encoder.batch_norm:
                layer += 1
                rules.append(Rule(rf"features\.{layer}", f"block{block}_norm{i}"))
            layer += 2  # the convolution or BatchNorm, and ReLU
        layer += 1  # the pooling
    return tuple(rules)


def make_classifier(
    encoder: str, head: Callable[[int], nn.Module], options: Options
) -> nn.Module:
    """An encoder, with its head where that is asked for.

    Args:
        encoder: Name of the encoder in `fashionjax.builders`.
        head: From the number of classes to the head.
        options: What is asked for.
    """
    module = build_encoder(encoder)
    return Classifier(module, head(options.num_classes)) if options.head else module


def resnet(name: str, *published: Published) -> Reference:
    """A ResNet or ResNeXt with torchvision's names.

    Args:
        name: Name of the encoder in `fashionjax.builders`.
        *published: Files with its weights.
    """
    return Reference(
        make=functools.partial(make_classifier, name, LinearHead),
        rules=encoder_rules(RESNET_RULES, (Rule("fc", "linear"),), dropped="fc"),
        classes=("fc.weight",),
        num_classes=1000,
        published=published,
    )


def _densenet(name: str, *published: Published) -> Reference:
    head = functools.partial(LinearHead, relu=True)
    return Reference(
        make=functools.partial(make_classifier, name, head),
        rules=encoder_rules(
            DENSENET_RULES, (Rule("classifier", "linear"),), dropped="classifier"
        ),
        classes=("classifier.weight",),
        num_classes=1000,
        published=published,
    )


def _vgg(name: str, *published: Published) -> Reference:
    return Reference(
        make=functools.partial(make_classifier, name, VGGHead),
        rules=encoder_rules(vgg_rules(name), _VGG_HEAD, dropped=r"classifier\.\d"),
        classes=("classifier.6.weight",),
        num_classes=1000,
        published=published,
    )


def _file(name: str, sha256: str, licence: str = _LICENCE) -> Published:
    return Published(f"{name}-{sha256}.pth", sha256, licence)


def _hub(name: str, licence: str = _LICENCE) -> Published:
    return Published(f"timm/{name}", licence=licence)


_APACHE = "Apache-2.0; trained on ImageNet (research use)"
"""What timm states for its own weights, and for torchvision's DenseNets."""

REFERENCES: Mapping[str, Reference] = {
    "torchvision/vgg16": _vgg(
        "vgg16",
        _file("vgg16", "397923af"),
        # Its classifier is not a number: it serves as an encoder alone.
        dataclasses.replace(
            _file("vgg16_features-amdegroot", "88682ab5"), normalization=_VGG_FEATURES
        ),
        _hub("vgg16.tv_in1k"),
    ),
    "torchvision/vgg16_bn": _vgg(
        "vgg16_bn", _file("vgg16_bn", "6c64b313"), _hub("vgg16_bn.tv_in1k")
    ),
    "torchvision/vgg19": _vgg(
        "vgg19", _file("vgg19", "dcbb9e9d"), _hub("vgg19.tv_in1k")
    ),
    "torchvision/vgg19_bn": _vgg(
        "vgg19_bn", _file("vgg19_bn", "c79401a0"), _hub("vgg19_bn.tv_in1k")
    ),
    "torchvision/densenet121": _densenet(
        "densenet121",
        _file("densenet121", "a639ec97"),
        _hub("densenet121.tv_in1k", _APACHE),
    ),
    "torchvision/densenet169": _densenet(
        "densenet169",
        _file("densenet169", "b2777c0a"),
        _hub("densenet169.tv_in1k", _APACHE),
    ),
    "torchvision/resnet18": resnet(
        "resnet18", _file("resnet18", "f37072fd"), _hub("resnet18.tv_in1k")
    ),
    "torchvision/resnet34": resnet(
        "resnet34", _file("resnet34", "b627a593"), _hub("resnet34.tv_in1k")
    ),
    "torchvision/resnet50": resnet(
        "resnet50",
        _file("resnet50", "0676ba61"),
        _file("resnet50", "11ad3fa6"),
        _hub("resnet50.tv_in1k"),
        _hub("resnet50.a1_in1k", _APACHE),
    ),
    "torchvision/resnet101": resnet(
        "resnet101",
        _file("resnet101", "63fe2227"),
        _file("resnet101", "cd907fc2"),
        _hub("resnet101.tv_in1k"),
    ),
    "torchvision/resnext50_32x4d": resnet(
        "resnext50_32x4d",
        _file("resnext50_32x4d", "7cdf4587"),
        _file("resnext50_32x4d", "1a0047aa"),
        _hub("resnext50_32x4d.tv_in1k"),
        _hub("resnext50_32x4d.a1h_in1k", _APACHE),
    ),
    "torchvision/resnext101_32x8d": resnet(
        "resnext101_32x8d",
        _file("resnext101_32x8d", "8ba56ff5"),
        _file("resnext101_32x8d", "110c445d"),
        _hub("resnext101_32x8d.tv_in1k"),
    ),
}
