"""mmsegmentation's models.

A published file holds the state dict under "state_dict", beside what training needs.
"""

from collections.abc import Mapping

import flax.linen as nn

from fashionjax.builders import build_encoder
from fashionjax.models.ocrnet import OCRNet
from fashionjax.pretrained.reference import Options, Published, Reference
from fashionjax.pretrained.rules import Rule, Rules, prefixed
from fashionjax.pretrained.timm import HRNET_RULES


def _unit(pattern: str, path: str) -> Rules:
    """Rules of convolution and BatchNorm, as `nn.ConvNormRelu` has them."""
    return (
        Rule(rf"{pattern}\.conv", f"{path}/conv"),
        Rule(rf"{pattern}\.bn", f"{path}/norm"),
    )


_OCR = r"decode_head\.1\."
_ATTENTION = rf"{_OCR}object_context_block\."

_OCRNET_RULES: Rules = (
    *prefixed(HRNET_RULES, "backbone.", "encoder/"),
    *_unit(r"decode_head\.0\.convs\.0", "aux_conv"),
    Rule(r"decode_head\.0\.conv_seg", "aux_head"),
    *_unit(rf"{_OCR}bottleneck", "pixel_conv"),
    *_unit(rf"{_ATTENTION}query_project\.0", "query1"),
    *_unit(rf"{_ATTENTION}query_project\.1", "query2"),
    *_unit(rf"{_ATTENTION}key_project\.0", "key1"),
    *_unit(rf"{_ATTENTION}key_project\.1", "key2"),
    *_unit(rf"{_ATTENTION}value_project", "value"),
    *_unit(rf"{_ATTENTION}out_project", "out_conv"),
    *_unit(rf"{_ATTENTION}bottleneck", "context_conv"),
    Rule(rf"{_OCR}conv_seg", "head"),
)


def _ocrnet_rules(options: Options) -> Rules:
    # The auxiliary head is no option: the final head reads its scores.
    del options
    return _OCRNET_RULES


def _make_ocrnet(options: Options) -> nn.Module:
    return OCRNet(build_encoder("hrnet_w18"), options.num_classes)


def _file(schedule: str, suffix: str) -> Published:
    name = f"ocrnet_hr18_512x512_{schedule}_voc12aug_{suffix}.pth"
    return Published(name, suffix.rpartition("-")[-1], "Apache-2.0")


REFERENCES: Mapping[str, Reference] = {
    "mmseg/ocrnet_hr18": Reference(
        make=_make_ocrnet,
        rules=_ocrnet_rules,
        classes=("decode_head.1.conv_seg.weight",),
        num_classes=21,
        published=(
            _file("20k", "20200617_233932-8954cbb7"),
            _file("40k", "20200614_015958-714302be"),
        ),
    ),
}
