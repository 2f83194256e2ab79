import jax.numpy as jnp
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import VGG, ResNet
from fashionjax.models.linknet import LinkNet
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
)


@pytest.mark.parametrize(
    ("encoder", "count"),
    [("resnet34", 21_772_201), ("vgg16", 15_978_761), ("vgg19", 21_288_457)],
)
def test_it_has_as_many_parameters_as_that_of_smp(encoder, count):
    assert num_params(LinkNet(build_encoder(encoder), 9)) == count


@pytest.mark.parametrize(
    "encoder",
    [
        ResNet((1, 1, 1, 1), features=4),
        ResNet((1, 1, 1, 1), features=4, output_stride=8),
        VGG((1, 1, 1, 1, 1), features=4),
    ],
    ids=["resnet", "dilated", "vgg"],
)
@pytest.mark.parametrize("size", [(64, 96), (97, 65)])
def test_logits_are_as_large_as_any_image(encoder, size):
    outputs, _ = shapes(LinkNet(encoder, 5), size, batch=2)
    assert outputs.logits.shape == (2, *size, 5)
    assert outputs.logits.dtype == jnp.float32


@pytest.mark.slow
def test_every_encoder_feature_reaches_the_logits():
    assert all(g > 0 for g in feature_gradients(LinkNet(Given(), 3)))


@pytest.mark.slow
def test_every_convolution_runs_in_bfloat16_where_asked():
    encoder = ResNet((1, 1), features=4, dtype=jnp.bfloat16)
    model = LinkNet(encoder, 5, dtype=jnp.bfloat16)
    assert convolution_dtypes(model) == {"bf16"}
