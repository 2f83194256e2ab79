import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import ResNet
from fashionjax.models.deeplab import DeepLabV3, DeepLabV3Plus
from fashionjax.nn import ASPP
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
)

TINY = {"features": 8, "rates": (1, 2, 3)}


def _encoder(output_stride, dtype=jnp.float32):
    return ResNet(
        (1, 1, 1, 1),
        features=4,
        output_stride=output_stride,
        dilation_style="smp",
        dtype=dtype,
    )


@pytest.mark.parametrize(
    ("encoder", "style", "num_classes", "aux_head", "count"),
    [
        ("resnet50", "torchvision", 21, False, 39_638_869),
        ("resnet50", "torchvision", 21, True, 42_004_074),
        ("resnet50", "torchvision", 9, False, 39_635_785),
        ("resnet34", "smp", 9, False, 26_009_161),
    ],
)
def test_parameter_counts_are_those_of_the_specification(
    encoder, style, num_classes, aux_head, count
):
    encoder = build_encoder(encoder, output_stride=8, dilation_style=style)
    assert num_params(DeepLabV3(encoder, num_classes, aux_head=aux_head)) == count


@pytest.mark.parametrize(
    ("encoder", "count"), [("resnet34", 22_439_513), ("resnet50", 26_679_641)]
)
def test_parameter_counts_of_the_plus_are_those_of_the_specification(encoder, count):
    encoder = build_encoder(encoder, output_stride=16, dilation_style="smp")
    assert num_params(DeepLabV3Plus(encoder, 9)) == count


@pytest.mark.parametrize("size", [(64, 32), (61, 37)])
def test_logits_are_float32_and_as_large_as_the_image(size):
    dtype = jnp.bfloat16
    model = DeepLabV3(_encoder(8, dtype), 5, aux_head=True, dtype=dtype, **TINY)
    outputs, _ = shapes(model, size)
    for logits in (outputs.logits, outputs.aux_logits):
        assert logits.shape == (1, *size, 5)
        assert logits.dtype == jnp.float32
    model = DeepLabV3Plus(_encoder(16, dtype), 5, dtype=dtype, **TINY)
    outputs, _ = shapes(model, size)
    assert outputs.logits.shape == (1, *size, 5)
    assert outputs.logits.dtype == jnp.float32
    assert outputs.aux_logits is None


def test_the_plus_reads_the_map_at_stride_4_and_the_deepest():
    encoder = Given(reductions=(2, 4, 8, 16))
    gradients = feature_gradients(DeepLabV3Plus(encoder, 5, **TINY))
    assert [g > 0 for g in gradients] == [False, True, False, True]


def test_deeplab_reads_the_deepest_map():
    gradients = feature_gradients(DeepLabV3(Given(), 5, **TINY))
    assert [g > 0 for g in gradients] == [False, False, True]


def test_an_encoder_without_a_map_at_stride_4_is_refused():
    with pytest.raises(ValueError, match="must be at 4"):
        shapes(DeepLabV3Plus(Given(reductions=(2, 8)), 5), (32, 32))


@pytest.mark.slow
@pytest.mark.parametrize("separable", [False, True])
def test_each_branch_of_the_pyramid_sees_as_far_as_its_rate(separable):
    aspp = ASPP(features=4, rates=(3, 6), separable=separable)
    x = np.zeros((1, 15, 15, 2), np.float32)
    variables = aspp.init(jax.random.key(0), x, train=False)

    def reached(name):
        """Distances from the centre at which it changes what a branch gives."""
        _, state = aspp.apply(
            variables,
            jnp.asarray(x).at[0, 7, 7].set(1.0),
            train=False,
            capture_intermediates=lambda module, _: module.name == name,
            mutable="intermediates",
        )
        (output,) = state["intermediates"][name]["__call__"]
        _, still = aspp.apply(
            variables,
            x,
            train=False,
            capture_intermediates=lambda module, _: module.name == name,
            mutable="intermediates",
        )
        (before,) = still["intermediates"][name]["__call__"]
        rows = np.nonzero(np.abs(output - before).max(axis=(0, 2, 3)))[0]
        return sorted({abs(int(row) - 7) for row in rows})

    assert reached("branch0") == [0]
    assert set(reached("branch1")) <= {0, 3}
    assert 3 in reached("branch1")
    assert set(reached("branch2")) <= {0, 6}
    assert 6 in reached("branch2")


@pytest.mark.slow
def test_convolutions_run_in_bfloat16_where_asked():
    dtype = jnp.bfloat16
    model = DeepLabV3Plus(_encoder(16, dtype), 5, dtype=dtype, **TINY)
    assert convolution_dtypes(model) == {"bf16"}
