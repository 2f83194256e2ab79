import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import ResNet
from fashionjax.models import OCRNet
from fashionjax.models.ocrnet import attend, gather_regions
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
)


def _tiny(**changes):
    options = {"encoder": Given(reductions=(4, 8, 16, 32)), "num_classes": 5}
    return OCRNet(**{**options, "features": 8, "key_features": 4} | changes)


@pytest.mark.parametrize(
    ("classes", "count"),
    [(47, 12_101_988), pytest.param(21, 12_081_604, marks=pytest.mark.slow)],
)
def test_it_has_the_published_number_of_parameters(classes, count):
    assert num_params(OCRNet(build_encoder("hrnet_w18"), classes)) == count


@pytest.mark.parametrize("size", [(64, 32), (61, 37)])
def test_both_logits_are_float32_and_as_large_as_the_image(size):
    outputs, _ = shapes(_tiny(dtype=jnp.bfloat16), size)
    for logits in (outputs.logits, outputs.aux_logits):
        assert logits.shape == (1, *size, 5)
        assert logits.dtype == jnp.float32


def test_the_logits_depend_on_every_map():
    gradients = feature_gradients(_tiny(), (64, 32))
    assert len(gradients) == 4
    assert min(gradients) > 0


@pytest.mark.slow
def test_gradients_of_the_logits_pass_through_the_auxiliary_ones():
    image = jnp.zeros((1, 16, 16, 3))
    features = jax.random.normal(jax.random.key(0), (1, 4, 4, 4))
    model = _tiny(encoder=Given(maps=(features,)))
    _, variables = shapes(model, (16, 16))
    keys = iter(jax.random.split(jax.random.key(1), 100))
    variables = jax.tree.map(
        lambda x: jax.random.uniform(next(keys), x.shape), variables
    )

    def loss(params):
        outputs = model.apply({**variables, "params": params}, image, train=False)
        return jnp.sin(outputs.logits).sum()

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    assert jnp.abs(gradients["aux_head"]["kernel"]).max() > 0
    assert jnp.abs(gradients["aux_conv"]["conv"]["kernel"]).max() > 0


def test_a_region_is_the_weighted_mean_of_the_pixels():
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(2, 3, 4, 6)).astype(np.float32)
    scores = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    weights = np.exp(scores)
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    expected = np.einsum("bhwk,bhwc->bkc", weights, pixels)
    regions = gather_regions(pixels, scores)
    np.testing.assert_allclose(regions, expected, rtol=1e-5, atol=1e-6)


def test_a_region_of_a_far_higher_score_is_that_pixel():
    pixels = jnp.arange(12.0).reshape(1, 3, 4, 1)
    scores = jnp.zeros((1, 3, 4, 2)).at[0, 1, 2, 0].set(1e6)
    regions = gather_regions(pixels, scores)
    np.testing.assert_allclose(regions[0, :, 0], [6.0, 5.5], rtol=1e-6)


def test_pixels_attend_to_the_regions_of_their_own_image():
    rng = np.random.default_rng(0)
    query = rng.normal(size=(2, 3, 4, 9)).astype(np.float32)
    key, value = rng.normal(size=(2, 2, 5, 9)).astype(np.float32)
    weights = np.exp(np.einsum("bhwc,bkc->bhwk", query, key) / 3)
    weights /= weights.sum(axis=-1, keepdims=True)
    expected = np.einsum("bhwk,bkc->bhwc", weights, value)
    mixed = attend(query, key, value)
    np.testing.assert_allclose(mixed, expected, rtol=1e-5, atol=1e-5)


def test_weights_of_attention_sum_to_one():
    query = jax.random.normal(jax.random.key(0), (1, 3, 4, 9)) * 100
    key = jax.random.normal(jax.random.key(1), (1, 5, 9))
    mixed = attend(query, key, jnp.full((1, 5, 2), 3.0))
    np.testing.assert_allclose(mixed, 3.0, rtol=1e-6)


@pytest.mark.slow
def test_softmaxes_are_float32_in_bfloat16_and_products_are_not():
    model = _tiny(dtype=jnp.bfloat16)
    _, variables = shapes(model, (32, 32))
    image = jnp.zeros((1, 32, 32, 3))
    text = str(jax.make_jaxpr(lambda v: model.apply(v, image, train=False))(variables))
    assert re.findall(r":(\w+)\[[^\]]*\] = exp ", text) == ["f32", "f32"]
    pixels = jnp.zeros((1, 3, 4, 8), jnp.bfloat16)
    regions = jnp.zeros((1, 5, 8), jnp.bfloat16)
    assert gather_regions(pixels, jnp.zeros((1, 3, 4, 5))).dtype == jnp.bfloat16
    assert attend(pixels, regions, regions).dtype == jnp.bfloat16


@pytest.mark.slow
def test_convolutions_run_in_bfloat16_where_asked():
    encoder = ResNet((1, 1), features=4, dtype=jnp.bfloat16)
    model = _tiny(encoder=encoder, dtype=jnp.bfloat16)
    assert convolution_dtypes(model) == {"bf16"}
