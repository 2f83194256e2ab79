import jax.numpy as jnp
import pytest

from fashionjax.encoders import ResNet
from fashionjax.models.pspnet import PSPNet
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
)


def _tiny(dtype=jnp.float32, **changes):
    encoder = ResNet((1, 1), features=4, dtype=dtype)
    options = {"encoder": encoder, "num_classes": 5, "features": 8, "dtype": dtype}
    return PSPNet(**options | changes)


@pytest.mark.slow
def test_it_has_as_many_parameters_as_the_reference_uses():
    encoder = 3 * 64 * 49 + 2 * 64
    encoder += 3 * (2 * 64 * 64 * 9 + 4 * 64)
    encoder += 64 * 128 * 9 + 7 * 128 * 128 * 9 + 64 * 128 + 9 * 2 * 128
    pyramid = 4 * 128 * 32 + 32 + 3 * 2 * 32
    rest = 256 * 512 + 2 * 512 + 512 * 9 * 9 + 9
    assert num_params(PSPNet(ResNet((3, 4)), 9)) == encoder + pyramid + rest


@pytest.mark.parametrize("size", [(64, 32), (61, 37), (17, 9)])
def test_logits_are_float32_and_as_large_as_the_image(size):
    outputs, _ = shapes(_tiny(jnp.bfloat16), size)
    assert outputs.logits.shape == (1, *size, 5)
    assert outputs.logits.dtype == jnp.float32


def test_the_pyramid_reads_the_deepest_map():
    model = _tiny(encoder=Given(reductions=(2, 4)))
    assert [g > 0 for g in feature_gradients(model)] == [False, True]


def test_each_grid_has_its_share_of_the_channels():
    _, variables = shapes(_tiny(), (32, 32))
    params = variables["params"]
    assert params["pool1"]["kernel"].shape == (1, 1, 8, 2)
    for grid in (2, 3, 6):
        assert params[f"pool{grid}"]["conv"]["kernel"].shape == (1, 1, 8, 2)
    assert params["project"]["conv"]["kernel"].shape == (1, 1, 16, 8)


@pytest.mark.slow
def test_convolutions_run_in_bfloat16_where_asked():
    assert convolution_dtypes(_tiny(jnp.bfloat16)) == {"bf16"}
