"""torchvision's segmentation models."""

from collections.abc import Callable, Mapping

import flax.linen as nn

from fashionjax.builders import build_encoder
from fashionjax.models.deeplab import DeepLabV3
from fashionjax.models.fcn import FCN
from fashionjax.pretrained.reference import Options, Published, Reference
from fashionjax.pretrained.rules import Rule, Rules, prefixed
from fashionjax.pretrained.torchvision import RESNET_RULES

ASPP_RULES: Rules = (
    Rule(r"convs\.4\.1", "pooled/conv"),
    Rule(r"convs\.4\.2", "pooled/norm"),
    Rule(r"convs\.(\d)\.0", r"branch\1/conv"),
    Rule(r"convs\.(\d)\.1", r"branch\1/norm"),
    Rule(r"project\.0", "project/conv"),
    Rule(r"project\.1", "project/norm"),
)
"""Atrous spatial pyramid pooling, here and in segmentation_models_pytorch."""

_FCN_HEAD_RULES: Rules = (
    Rule("0", "hidden/conv"),
    Rule("1", "hidden/norm"),
    Rule("4", "scores"),
)

_DEEPLAB_HEAD_RULES: Rules = (
    *prefixed(ASPP_RULES, "0.", "aspp/"),
    Rule("1", "decoder_conv/conv"),
    Rule("2", "decoder_conv/norm"),
    Rule("4", "head"),
)

_LICENCE = "BSD-3-Clause; trained on COCO images (various licences)"


def _reference(
    make: Callable[[Options], nn.Module], head: Rules, published: Published
) -> Reference:
    def rules(options: Options) -> Rules:
        aux = prefixed(_FCN_HEAD_RULES, "aux_classifier.", "aux_head/")
        return (
            *prefixed(RESNET_RULES, "backbone.", "encoder/"),
            *prefixed(head, "classifier.", ""),
            *(aux if options.aux else (Rule(r"aux_classifier\..*", None),)),
        )

    return Reference(
        make=make,
        rules=rules,
        classes=("classifier.4.weight",),
        num_classes=21,
        published=(published,),
    )


def _fcn(options: Options) -> FCN:
    encoder = build_encoder("resnet50", output_stride=8)
    return FCN(encoder, options.num_classes, aux_head=options.aux)


def _deeplab(options: Options) -> DeepLabV3:
    encoder = build_encoder("resnet50", output_stride=8)
    return DeepLabV3(encoder, options.num_classes, aux_head=options.aux)


REFERENCES: Mapping[str, Reference] = {
    "torchvision/fcn_resnet50": _reference(
        _fcn,
        prefixed(_FCN_HEAD_RULES, "", "head/"),
        Published("fcn_resnet50_coco-1167a1af.pth", "1167a1af", _LICENCE),
    ),
    "torchvision/deeplabv3_resnet50": _reference(
        _deeplab,
        _DEEPLAB_HEAD_RULES,
        Published("deeplabv3_resnet50_coco-cd0a2569.pth", "cd0a2569", _LICENCE),
    ),
}
