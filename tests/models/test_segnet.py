import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import VGG, ResNet
from fashionjax.models.segnet import SegNet
from tests.models.probing import (
    Given,
    convolution_dtypes,
    num_params,
    shapes,
)
from tests.structure import indexed_operations


def tiny(num_classes=3, **options):
    encoder = VGG((1, 2), features=4, batch_norm=True, **options)
    return SegNet(encoder, num_classes, decoder_sizes=(2, 1), **options)


@pytest.mark.parametrize(("num_classes", "count"), [(12, 29_449_932), (47, 29_470_127)])
def test_it_has_the_published_number_of_parameters(num_classes, count):
    assert num_params(SegNet(build_encoder("vgg16_bn"), num_classes)) == count


@pytest.mark.parametrize("size", [(64, 96), (97, 65)])
def test_logits_are_as_large_as_any_image(size):
    model = SegNet(build_encoder("vgg16_bn", features=2), 5)
    outputs, _ = shapes(model, size, batch=2)
    assert outputs.logits.shape == (2, *size, 5)
    assert outputs.logits.dtype == jnp.float32


def test_the_decoder_mirrors_the_encoder():
    _, variables = shapes(SegNet(build_encoder("vgg16_bn"), 12), (64, 64))
    kernels = {
        name: value["kernel"].shape[2:]
        for name, value in variables["params"].items()
        if "conv" in name
    }
    assert kernels == {
        "decoder0_conv1": (512, 512),
        "decoder0_conv2": (512, 512),
        "decoder0_conv3": (512, 512),
        "decoder1_conv1": (512, 512),
        "decoder1_conv2": (512, 512),
        "decoder1_conv3": (512, 256),
        "decoder2_conv1": (256, 256),
        "decoder2_conv2": (256, 256),
        "decoder2_conv3": (256, 128),
        "decoder3_conv1": (128, 128),
        "decoder3_conv2": (128, 64),
        "decoder4_conv1": (64, 64),
    }


@pytest.mark.slow
def test_every_pooling_of_the_encoder_tells_the_decoder_where():
    image = jnp.zeros((1, 8, 8, 3))

    def model(fine, coarse):
        # Only where the maxima are differs from case to case.
        maps = (
            _maxima_at(fine, 8, 4),
            _maxima_at(coarse, 4, 8),
            jnp.ones((1, 2, 2, 8)),
        )
        return SegNet(Given(maps, reductions=(1, 2, 4)), 3, decoder_sizes=(2, 1))

    init = functools.partial(model(0, 0).init, train=False)
    variables = jax.jit(init)(jax.random.key(0), image)

    @jax.jit
    def logits(fine, coarse):
        return model(fine, coarse).apply(variables, image, train=False).logits

    cases = itertools.product(range(4), repeat=2)
    assert len({np.asarray(logits(*case)).tobytes() for case in cases}) == 16


def _maxima_at(position, size, channels):
    """A map of ones at one position of each window, zeros elsewhere."""
    window = (jnp.arange(4) == position).reshape(1, 2, 2, 1).astype(jnp.float32)
    return jnp.tile(window, (1, size // 2, size // 2, channels))


@pytest.fixture(scope="module")
def step():
    """Loss and gradients of a training step, its parameters and an image."""
    model = tiny()
    image = jax.random.normal(jax.random.key(1), (2, 9, 8, 3))
    init = functools.partial(model.init, train=False)
    variables = jax.jit(init)(jax.random.key(0), image)

    def loss(params, image):
        outputs, _ = model.apply(
            {**variables, "params": params}, image, train=True, mutable="batch_stats"
        )
        return jnp.sum(jnp.sin(outputs.logits))

    return jax.value_and_grad(loss), variables["params"], image


@pytest.mark.slow
def test_a_training_step_scatters_and_gathers_nowhere(step):
    assert not indexed_operations(*step)


@pytest.mark.slow
def test_gradients_reach_the_first_convolution(step):
    function, params, image = step
    _, grads = jax.jit(function)(params, image)
    first = grads["encoder"]["block1_conv1"]["kernel"]
    assert bool(jnp.isfinite(first).all())
    assert float(jnp.abs(first).max()) > 0


@pytest.mark.slow
def test_every_convolution_runs_in_bfloat16_where_asked():
    assert convolution_dtypes(tiny(dtype=jnp.bfloat16)) == {"bf16"}


def test_encoders_that_it_cannot_mirror_are_refused():
    with pytest.raises(ValueError, match=r"reductions are \(2, 4, 8\)"):
        shapes(SegNet(ResNet((1, 1), features=4), 3), (32, 32))
    with pytest.raises(ValueError, match="needs 2"):
        shapes(SegNet(VGG((1, 2), features=4), 3), (32, 32))
