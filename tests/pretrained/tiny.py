"""A reference small enough for tests: ResNet18 with a sixteenth of its width."""

import functools

from fashionjax.augment import Normalization
from fashionjax.builders import build_encoder
from fashionjax.models.classifier import Classifier, LinearHead
from fashionjax.pretrained.reference import Published, Reference, encoder_rules
from fashionjax.pretrained.rules import Rule
from fashionjax.pretrained.torchvision import RESNET_RULES
from tests.references.draw import draw_state

NAME = "tiny/resnet18"
NORMALIZATION = Normalization(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
LICENCE = "free to test with"


def _make(features, options):
    encoder = build_encoder("resnet18", features=features)
    if not options.head:
        return encoder
    return Classifier(encoder, LinearHead(options.num_classes))


def reference(sha256="", *, features=4, normalization=NORMALIZATION):
    return Reference(
        make=functools.partial(_make, features),
        rules=encoder_rules(RESNET_RULES, (Rule("fc", "linear"),), dropped="fc"),
        classes=("fc.weight",),
        num_classes=7,
        normalization=normalization,
        published=(Published("tiny-0123.pth", sha256, LICENCE),),
    )


def shapes(features=4):
    """Names and shapes of torch's tensors."""
    found = {"conv1.weight": (features, 3, 7, 7), **_norm("bn1", features)}
    before = features
    for stage in range(4):
        width = features << stage
        for block in range(2):
            name = f"layer{stage + 1}.{block}"
            found[f"{name}.conv1.weight"] = (width, before, 3, 3)
            found |= _norm(f"{name}.bn1", width)
            found[f"{name}.conv2.weight"] = (width, width, 3, 3)
            found |= _norm(f"{name}.bn2", width)
            if before != width:
                found[f"{name}.downsample.0.weight"] = (width, before, 1, 1)
                found |= _norm(f"{name}.downsample.1", width)
            before = width
    return {**found, "fc.weight": (7, 8 * features), "fc.bias": (7,)}


def _norm(name, width):
    leaves = ("weight", "bias", "running_mean", "running_var")
    count = {f"{name}.num_batches_tracked": ()}
    return {f"{name}.{leaf}": (width,) for leaf in leaves} | count


def state():
    return draw_state(shapes())
