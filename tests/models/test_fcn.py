import jax.numpy as jnp
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import ResNet
from fashionjax.models.fcn import FCN
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
)


def _tiny(**changes):
    encoder = ResNet((1, 1, 1, 1), features=4, output_stride=8)
    return FCN(**{"encoder": encoder, "num_classes": 5} | changes)


@pytest.mark.parametrize(
    ("num_classes", "aux_head", "count"),
    [
        (21, False, 32_957_013),
        (21, True, 35_322_218),
        (9, False, 32_950_857),
        (47, False, 32_970_351),
        (47, True, 35_342_238),
    ],
)
def test_parameter_counts_are_those_of_the_specification(num_classes, aux_head, count):
    encoder = build_encoder("resnet50", output_stride=8)
    assert num_params(FCN(encoder, num_classes, aux_head=aux_head)) == count


@pytest.mark.parametrize("size", [(64, 32), (61, 37)])
def test_logits_are_float32_and_as_large_as_the_image(size):
    dtype = jnp.bfloat16
    encoder = ResNet((1, 1, 1, 1), features=4, output_stride=8, dtype=dtype)
    model = _tiny(encoder=encoder, aux_head=True, dtype=dtype)
    outputs, _ = shapes(model, size)
    for logits in (outputs.logits, outputs.aux_logits):
        assert logits.shape == (1, *size, 5)
        assert logits.dtype == jnp.float32


def test_there_are_no_auxiliary_logits_without_their_head():
    outputs, variables = shapes(_tiny(), (32, 32))
    assert outputs.aux_logits is None
    assert "aux_head" not in variables["params"]


def test_the_head_reads_the_deepest_map():
    gradients = feature_gradients(FCN(Given(), 5))
    assert [g > 0 for g in gradients] == [False, False, True]


@pytest.mark.slow
def test_convolutions_run_in_bfloat16_where_asked():
    encoder = ResNet((1, 1, 1, 1), features=4, output_stride=8, dtype=jnp.bfloat16)
    model = _tiny(encoder=encoder, dtype=jnp.bfloat16)
    assert convolution_dtypes(model) == {"bf16"}
