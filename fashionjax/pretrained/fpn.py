"""The feature pyramid network for fashion images, which has no public implementation.

The names are those of the restatement in torch that it is compared with.
"""

from collections.abc import Mapping

from fashionjax.builders import build_encoder
from fashionjax.models.fpn import FPN
from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.rules import Rule, Rules, prefixed
from fashionjax.pretrained.torchvision import RESNET_RULES

_RULES: Rules = (
    *prefixed(RESNET_RULES, "encoder.", "encoder/"),
    Rule(r"laterals\.0", "lateral1"),
    Rule(r"laterals\.1", "lateral2"),
    Rule(r"laterals\.2", "lateral3"),
    Rule(r"laterals\.3", "lateral4"),
    Rule("conv1", "fuse_conv/conv"),
    Rule("bn1", "fuse_conv/norm"),
    Rule("conv2", "head"),
)


def _make(options: Options) -> FPN:
    return FPN(build_encoder("resnext50_32x4d"), options.num_classes)


REFERENCES: Mapping[str, Reference] = {
    "fpn-resnext50": Reference(
        make=_make,
        rules=lambda _: _RULES,
        classes=("conv2.weight",),
        num_classes=25,
    )
}
