"""U-Nets without public implementation compute what their restatements in torch do."""

import functools

import jax
import numpy as np
import pytest

from fashionjax.encoders import VGG
from fashionjax.models.classic_unet import ClassicUNet
from fashionjax.models.unet import UNet
from fashionjax.pretrained.convert import convert_state
from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.rules import Rule
from tests.references import fixture
from tests.references.draw import draw_image, draw_state

TOLERANCE = 1e-4
FIVE = (4, 6, 8, 10, 12)
MODELS = {
    "classic_unet-same": ClassicUNet(5, FIVE, batch_norm=True),
    "classic_unet-valid": ClassicUNet(5, FIVE, padding="valid"),
    "unet-vgg16": UNet(
        VGG(features=4), 5, (32, 16, 16, 8, 4), upsampling="deconv", head_size=1
    ),
}
RULES = (
    Rule(r"(\w+_up)", r"\1", "transposed"),
    Rule(r"(\w+)", r"\1"),
    Rule(r"(\w+)\.(\w+)", r"\1/\2"),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_logits_equal_those_of_the_restatement(name):
    stored = fixture.load(fixture.path_of(name, folder="restated"))
    module = MODELS[name]
    # Shapes are checked at a size that not every module takes; variables are the same.
    checked = module.clone(padding="same") if name.startswith("classic") else module
    reference = Reference(lambda _: checked, lambda _: RULES, "", 5)
    state = draw_state(stored.shapes)
    variables = convert_state(reference, name, state, Options(5))
    apply = jax.jit(functools.partial(module.apply, train=False))
    assert stored.samples
    for key, sample in stored.samples.items():
        size = tuple(map(int, key.split("/")[1].split("x")))
        with jax.default_matmul_precision("highest"):
            logits = apply(variables, draw_image(size)).logits
        ours = fixture.sample(key, np.asarray(logits))
        assert ours.shape == sample.shape
        assert np.abs(ours.values - sample.values).max() <= TOLERANCE * sample.scale
