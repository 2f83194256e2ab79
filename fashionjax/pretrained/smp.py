"""Models of segmentation_models_pytorch."""

from collections.abc import Callable, Mapping

import flax.linen as nn

from fashionjax.builders import build_encoder
from fashionjax.encoders import ResNet
from fashionjax.models.deeplab import DeepLabV3, DeepLabV3Plus
from fashionjax.models.linknet import LinkNet
from fashionjax.models.panoptic_fpn import PanopticFPN
from fashionjax.models.pspnet import PSPNet
from fashionjax.models.unet import UNet
from fashionjax.pretrained import torchvision, torchvision_segmentation
from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.rules import Rule, Rules, prefixed


def _encoder_rules(name: str) -> Rules:
    """Rules of an encoder by its name in `fashionjax.builders`."""
    is_vgg = name.startswith("vgg")
    rules = torchvision.vgg_rules(name) if is_vgg else torchvision.RESNET_RULES
    return prefixed(rules, "encoder.", "encoder/")


def _reference(
    encoder: str, make: Callable[[Options], nn.Module], decoder: Rules
) -> Reference:
    rules = (*decoder, *_encoder_rules(encoder), Rule(r"segmentation_head\.0", "head"))
    return Reference(
        make=make,
        rules=lambda _: rules,
        classes=("segmentation_head.0.weight",),
        num_classes=1,
    )


_UNET_RULES: Rules = (
    Rule(r"decoder\.center\.(\d)\.0", r"center\1/conv"),
    Rule(r"decoder\.center\.(\d)\.1", r"center\1/norm"),
    Rule(r"decoder\.blocks\.(\d)\.conv(\d)\.0", r"decoder\1_conv\2/conv"),
    Rule(r"decoder\.blocks\.(\d)\.conv(\d)\.1", r"decoder\1_conv\2/norm"),
)


def _unet(encoder: str) -> Reference:
    def make(options: Options) -> UNet:
        return UNet(
            build_encoder(encoder),
            options.num_classes,
            full_size_skip=False,
            center=encoder.startswith("vgg"),
        )

    return _reference(encoder, make, _UNET_RULES)


_LINKNET_RULES: Rules = (
    Rule(r"decoder\.blocks\.(\d)\.block\.0\.0", r"decoder\1_reduce/conv"),
    Rule(r"decoder\.blocks\.(\d)\.block\.0\.1", r"decoder\1_reduce/norm"),
    Rule(r"decoder\.blocks\.(\d)\.block\.1\.0", r"decoder\1_up", "transposed"),
    Rule(r"decoder\.blocks\.(\d)\.block\.1\.1", r"decoder\1_up_norm"),
    Rule(r"decoder\.blocks\.(\d)\.block\.2\.0", r"decoder\1_expand/conv"),
    Rule(r"decoder\.blocks\.(\d)\.block\.2\.1", r"decoder\1_expand/norm"),
)


def _linknet(encoder: str) -> Reference:
    def make(options: Options) -> LinkNet:
        return LinkNet(build_encoder(encoder), options.num_classes)

    return _reference(encoder, make, _LINKNET_RULES)


_FPN_RULES: Rules = (
    Rule(r"decoder\.p5", "lateral4"),
    Rule(r"decoder\.p4\.skip_conv", "lateral3"),
    Rule(r"decoder\.p3\.skip_conv", "lateral2"),
    Rule(r"decoder\.p2\.skip_conv", "lateral1"),
    # Theirs count from the deepest level and from 0, ours from the finest and from 1.
    *(
        rule
        for block, level in enumerate((4, 3, 2, 1))
        for i in range(3)
        for rule in (
            Rule(
                rf"decoder\.seg_blocks\.{block}\.block\.{i}\.block\.0",
                f"level{level}_conv{i + 1}",
            ),
            Rule(
                rf"decoder\.seg_blocks\.{block}\.block\.{i}\.block\.1",
                f"level{level}_conv{i + 1}_norm",
            ),
        )
    ),
)


def _fpn(encoder: str) -> Reference:
    def make(options: Options) -> PanopticFPN:
        return PanopticFPN(build_encoder(encoder), options.num_classes)

    return _reference(encoder, make, _FPN_RULES)


_DEEPLAB_RULES: Rules = (
    # Before version 0.4 the decoder was a sequence: 0 and 1 and 2.
    *prefixed(torchvision_segmentation.ASPP_RULES, "decoder.aspp.", "aspp/"),
    *prefixed(torchvision_segmentation.ASPP_RULES, "decoder.0.", "aspp/"),
    Rule(r"decoder\.(?:conv|1)", "decoder_conv/conv"),
    Rule(r"decoder\.(?:bn|2)", "decoder_conv/norm"),
)


def _deeplab(encoder: str) -> Reference:
    def make(options: Options) -> DeepLabV3:
        dilated = build_encoder(encoder, output_stride=8, dilation_style="smp")
        return DeepLabV3(dilated, options.num_classes, align_corners=True)

    return _reference(encoder, make, _DEEPLAB_RULES)


_DEEPLAB_PLUS_RULES: Rules = (
    Rule(r"decoder\.aspp\.0\.convs\.([123])\.0\.0", r"aspp/branch\1/depthwise"),
    Rule(r"decoder\.aspp\.0\.convs\.([123])\.0\.1", r"aspp/branch\1/pointwise"),
    *prefixed(torchvision_segmentation.ASPP_RULES, "decoder.aspp.0.", "aspp/"),
    Rule(r"decoder\.aspp\.1\.0", "aspp_conv/depthwise"),
    Rule(r"decoder\.aspp\.1\.1", "aspp_conv/pointwise"),
    Rule(r"decoder\.aspp\.2", "aspp_conv/norm"),
    Rule(r"decoder\.block1\.0", "low_level_conv/conv"),
    Rule(r"decoder\.block1\.1", "low_level_conv/norm"),
    Rule(r"decoder\.block2\.0\.0", "fuse_conv/depthwise"),
    Rule(r"decoder\.block2\.0\.1", "fuse_conv/pointwise"),
    Rule(r"decoder\.block2\.1", "fuse_conv/norm"),
)


def _deeplab_plus(encoder: str) -> Reference:
    def make(options: Options) -> DeepLabV3Plus:
        dilated = build_encoder(encoder, output_stride=16, dilation_style="smp")
        return DeepLabV3Plus(dilated, options.num_classes)

    return _reference(encoder, make, _DEEPLAB_PLUS_RULES)


_PSPNET_RULES: Rules = (
    # The library keeps the stages that it does not use.
    Rule(r"encoder\.layer[34]\..*", None),
    Rule(r"decoder\.psp\.blocks\.0\.pool\.1\.0", "pool1"),
    *(
        rule
        for block, grid in ((1, 2), (2, 3), (3, 6))
        for rule in (
            Rule(rf"decoder\.psp\.blocks\.{block}\.pool\.1\.0", f"pool{grid}/conv"),
            Rule(rf"decoder\.psp\.blocks\.{block}\.pool\.1\.1", f"pool{grid}/norm"),
        )
    ),
    Rule(r"decoder\.conv\.0", "project/conv"),
    Rule(r"decoder\.conv\.1", "project/norm"),
)


def _pspnet_resnet34() -> Reference:
    def make(options: Options) -> PSPNet:
        return PSPNet(ResNet(stage_sizes=(3, 4)), options.num_classes)

    return _reference("resnet34", make, _PSPNET_RULES)


REFERENCES: Mapping[str, Reference] = {
    "smp/unet-resnet34": _unet("resnet34"),
    "smp/unet-vgg16": _unet("vgg16"),
    "smp/unet-vgg16_bn": _unet("vgg16_bn"),
    "smp/unet-vgg19": _unet("vgg19"),
    "smp/linknet-resnet34": _linknet("resnet34"),
    "smp/fpn-resnet34": _fpn("resnet34"),
    "smp/deeplabv3-resnet34": _deeplab("resnet34"),
    "smp/deeplabv3plus-resnet34": _deeplab_plus("resnet34"),
    "smp/pspnet-resnet34": _pspnet_resnet34(),
}
