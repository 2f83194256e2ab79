import re
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.encoders import VGG
from fashionjax.pretrained import (
    convert,
    keras,
    normalization,
    reference_module,
    torchvision,
)
from fashionjax.pretrained.references import REFERENCES, to_rgb
from tests.references import fixture

CLASSIFIERS = [*torchvision.REFERENCES, *keras.REFERENCES]


def _state(reference):
    """A state dict that tells by each value what tensor it is of."""
    shapes = fixture.load(fixture.path_of(reference)).shapes
    return {
        name: np.full(shape, zlib.crc32(name.encode()) % 1000, np.float32)
        for name, shape in shapes.items()
        if not name.startswith(("classifier", "fc", "predictions"))
    }


@pytest.mark.parametrize("reference", CLASSIFIERS)
def test_every_published_tensor_of_an_encoder_finds_its_place(reference):
    variables = convert(reference, _state(reference))
    values = {float(np.ravel(leaf)[0]) for leaf in jax.tree.leaves(variables)}
    assert len(values) > len(jax.tree.leaves(variables)) / 2


def test_the_oldest_names_of_densenet_mean_the_same():
    state = _state("torchvision/densenet121")
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): tensor
        for name, tensor in state.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    jax.tree.map(
        np.testing.assert_array_equal,
        convert("torchvision/densenet121", old),
        convert("torchvision/densenet121", state),
    )


@pytest.mark.parametrize("reference", CLASSIFIERS)
def test_published_files_tell_licence_and_checksum(reference):
    published = REFERENCES[reference].published
    assert published
    for file in published:
        assert "not stated" not in file.licence
        assert bool(file.sha256) == file.url.endswith(".pth")
        assert file.sha256 in file.url


def test_the_vgg16_with_convolutions_alone_names_its_own_normalization():
    (file,) = (f for f in REFERENCES["torchvision/vgg16"].published if f.normalization)
    assert "features" in file.url
    assert file.normalization.std == (1 / 255, 1 / 255, 1 / 255)


@pytest.mark.parametrize("size", [(97, 65), (256, 256)])
def test_the_head_of_keras_vgg_takes_no_size_but_its_own(size):
    module = reference_module("keras/vgg16", head=True)
    with pytest.raises(ValueError, match="takes 7×7 alone, which images of 224×224"):
        jax.eval_shape(
            lambda: module.init(
                jax.random.key(0), jnp.zeros((1, *size, 3)), train=False
            )
        )


def test_keras_weights_turned_to_rgb_see_in_rgb_what_they_saw_in_bgr():
    rgb = jax.random.uniform(jax.random.key(0), (1, 8, 8, 3))
    bgr = rgb[..., ::-1] * 255 - jnp.array([103.939, 116.779, 123.68])
    normalized = normalization("keras/vgg16")
    rgb = (rgb - jnp.array(normalized.mean)) / jnp.array(normalized.std)
    encoder = VGG((1, 1), features=4, output_stride=8)
    variables = encoder.init(jax.random.key(1), bgr, train=False)
    expected = encoder.apply(variables, bgr, train=False)
    maps = encoder.apply(to_rgb("keras/vgg16", variables), rgb, train=False)
    for ours, theirs in zip(maps, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-3)


def test_the_first_kernel_is_found_inside_a_model_and_what_was_given_stays():
    kernel = np.arange(3.0).reshape(1, 1, 3, 1)
    variables = {"params": {"encoder": {"block1_conv1": {"kernel": kernel}}}}
    turned = to_rgb("keras/vgg19", variables)
    ours = turned["params"]["encoder"]["block1_conv1"]["kernel"]
    assert ours.ravel().tolist() == [2, 1, 0]
    assert variables["params"]["encoder"]["block1_conv1"]["kernel"] is kernel
    with pytest.raises(ValueError, match="0 of the variables are block1_conv1/kernel"):
        to_rgb("keras/vgg19", {"params": {}})


def test_a_reference_that_takes_rgb_stays_as_it_is():
    variables = {"params": {"block1_conv1": {"kernel": np.ones((3, 3, 3, 4))}}}
    assert to_rgb("torchvision/vgg16", variables) == variables
