"""SegNet, whose public implementation is not in torch.

The names are those of the restatement in torch that it is compared with; those of the
encoder are torchvision's.
"""

from collections.abc import Mapping

from fashionjax.builders import build_encoder
from fashionjax.models.segnet import SegNet
from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.rules import Rule, Rules, prefixed
from fashionjax.pretrained.torchvision import vgg_rules

_ENCODER = "vgg16_bn"


def _rules(options: Options) -> Rules:
    del options
    # Convolution, BatchNorm and ReLU of a stage are numbered on.
    decoder = [
        Rule(rf"decoder\.(\d)\.{3 * i + offset}", rf"decoder\1_{kind}{i + 1}")
        for i in range(3)
        for offset, kind in enumerate(("conv", "norm"))
    ]
    encoder = prefixed(vgg_rules(_ENCODER), "encoder.", "encoder/")
    return (*encoder, *decoder, Rule("classifier", "head"))


def _make(options: Options) -> SegNet:
    return SegNet(build_encoder(_ENCODER), options.num_classes)


REFERENCES: Mapping[str, Reference] = {
    f"segnet-{_ENCODER}": Reference(
        make=_make,
        rules=_rules,
        classes=("classifier.weight",),
        num_classes=12,
    )
}
