import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import ResNet
from fashionjax.models.fpn import FPN
from fashionjax.models.panoptic_fpn import PanopticFPN
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
)

GIVEN = Given(reductions=(2, 4, 8, 16, 32))


def _fpn(**changes):
    options = {"encoder": GIVEN, "num_classes": 5, "pyramid_features": 8, "features": 8}
    return FPN(**options | changes)


def _panoptic(**changes):
    options = {"encoder": GIVEN, "num_classes": 5, "num_groups": 2}
    return PanopticFPN(**options | {"pyramid_features": 8, "features": 8} | changes)


MODELS = {"fpn": _fpn, "panoptic": _panoptic}


@pytest.mark.parametrize(
    ("encoder", "num_classes", "count"),
    [
        ("resnext50_32x4d", 25, 25_172_697),
        ("resnext50_32x4d", 23, 25_170_391),
        ("resnext101_32x4d", 25, 44_321_497),
        ("resnext101_32x4d", 23, 44_319_191),
        ("resnext101_32x8d", 25, 88_935_129),
        ("densenet121", 25, 8_884_505),
        ("densenet121", 23, 8_882_199),
        ("densenet169", 25, 14_644_505),
    ],
)
def test_parameter_counts_are_those_of_the_specification(encoder, num_classes, count):
    assert num_params(FPN(build_encoder(encoder), num_classes)) == count


@pytest.mark.parametrize(
    ("encoder", "count"),
    [
        ("resnet34", 23_156_425),
        ("resnet50", 26_117_065),
        ("resnext50_32x4d", 25_588_937),
    ],
)
def test_parameter_counts_of_the_panoptic_are_those_of_the_specification(
    encoder, count
):
    assert num_params(PanopticFPN(build_encoder(encoder), 9)) == count


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("size", [(64, 32), (61, 37)])
def test_logits_are_float32_and_as_large_as_the_image(make, size):
    dtype = jnp.bfloat16
    encoder = ResNet((1, 1, 1, 1), features=4, dtype=dtype)
    outputs, _ = shapes(make(encoder=encoder, dtype=dtype), size)
    assert outputs.logits.shape == (1, *size, 5)
    assert outputs.logits.dtype == jnp.float32


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_all_maps_but_the_finest_reach_the_logits(make):
    gradients = feature_gradients(make(), size=(64, 32))
    assert [g > 0 for g in gradients] == [False, True, True, True, True]


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_an_encoder_that_is_too_shallow_is_refused(make):
    with pytest.raises(ValueError, match="3 maps; a pyramid needs 4"):
        shapes(make(encoder=Given()), (32, 32))


@functools.cache
def _probabilities_and_logits():
    image = np.random.RandomState(0).randn(1, 61, 37, 3)
    image = jnp.asarray(image, jnp.float32)
    encoder = ResNet((1, 1, 1, 1), features=4)
    model = _fpn(encoder=encoder)
    variables = jax.jit(functools.partial(model.init, train=False))(
        jax.random.key(0), image
    )
    # Confident enough for the two orders to differ, and for the cut to be reached.
    head = jax.tree.map(lambda x: 40 * x, variables["params"]["head"])
    variables = {**variables, "params": {**variables["params"], "head": head}}
    results = []
    for before in (True, False):
        variant = model.clone(softmax_before_upsample=before)
        apply = jax.jit(functools.partial(variant.apply, train=False))
        results.append(np.asarray(apply(variables, image).logits))
    return results


def test_upsampled_probabilities_come_as_logarithms():
    log_probabilities, logits = _probabilities_and_logits()
    np.testing.assert_allclose(np.exp(log_probabilities).sum(-1), 1, atol=1e-5)
    assert log_probabilities.min() >= np.log(1e-7) - 1e-5
    difference = np.exp(log_probabilities) - np.asarray(nn.softmax(logits))
    assert np.abs(difference).max() > 0.01


@pytest.mark.slow
def test_probabilities_are_those_of_the_logits_where_nothing_is_interpolated():
    model = _fpn(softmax_before_upsample=True, encoder=Given(reductions=(1, 2, 4, 8)))
    image = jnp.zeros((1, 16, 8, 3))
    maps = tuple(
        jnp.asarray(np.random.RandomState(i).randn(*x.shape), jnp.float32)
        for i, x in enumerate(model.encoder(image, train=False))
    )
    model = model.clone(encoder=model.encoder.clone(maps=maps))
    variables = model.init(jax.random.key(0), image, train=False)
    probabilities = model.apply(variables, image, train=False).logits
    plain = model.clone(softmax_before_upsample=False)
    logits = plain.apply(variables, image, train=False).logits
    expected = np.maximum(nn.log_softmax(logits), np.log(1e-7))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_the_image_is_padded_with_zeros_at_the_bottom_and_on_the_right():
    image = jnp.asarray(np.random.RandomState(0).randn(1, 61, 37, 3), jnp.float32)
    model = _fpn(encoder=ResNet((1, 1, 1, 1), features=4))
    variables = jax.jit(functools.partial(model.init, train=False))(
        jax.random.key(0), image
    )
    apply = jax.jit(functools.partial(model.apply, train=False))
    padded = jnp.pad(image, ((0, 0), (0, 3), (0, 27), (0, 0)))
    np.testing.assert_allclose(
        apply(variables, image).logits,
        apply(variables, padded).logits[:, :61, :37],
        atol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_convolutions_run_in_bfloat16_where_asked(make):
    dtype = jnp.bfloat16
    encoder = ResNet((1, 1, 1, 1), features=4, dtype=dtype)
    assert convolution_dtypes(make(encoder=encoder, dtype=dtype)) == {"bf16"}
