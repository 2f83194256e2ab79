import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.encoders import VGG
from fashionjax.models.classifier import Classifier, VGGHead
from tests.encoders.probing import (
    abstract_outputs,
    count_parameters,
    dilations,
    map_sizes,
    parameters_without_gradient,
)

VGG16, VGG19 = (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)


@pytest.mark.parametrize(
    ("stage_sizes", "batch_norm", "count", "with_head"),
    [
        (VGG16, False, 14_714_688, 138_357_544),
        (VGG16, True, 14_723_136, 138_365_992),
        (VGG19, False, 20_024_384, 143_667_240),
        (VGG19, True, 20_035_392, 143_678_248),
    ],
)
def test_it_has_the_published_number_of_parameters(
    stage_sizes, batch_norm, count, with_head
):
    encoder = VGG(stage_sizes, batch_norm=batch_norm)
    assert count_parameters(encoder) == count
    assert count_parameters(Classifier(encoder, VGGHead(1000))) == with_head


def test_maps_come_before_each_pooling_and_odd_sizes_are_rounded_down():
    encoder = VGG(features=4)
    assert encoder.reductions == (1, 2, 4, 8, 16, 32)
    assert map_sizes(encoder, (97, 65)) == [
        (97, 65, 4),
        (48, 32, 8),
        (24, 16, 16),
        (12, 8, 32),
        (6, 4, 32),
        (3, 2, 32),
    ]


def test_output_stride_16_leaves_out_the_last_pooling():
    encoder = VGG(features=4, output_stride=16)
    assert encoder.reductions == (1, 2, 4, 8, 16, 16)
    assert map_sizes(encoder, (64, 96))[3:] == [(8, 12, 32), (4, 6, 32), (4, 6, 32)]
    assert set(dilations(encoder).values()) == {1}


@pytest.mark.slow
def test_output_stride_8_dilates_the_last_block():
    encoder = VGG(features=4, output_stride=8)
    assert encoder.reductions == (1, 2, 4, 8, 8, 8)
    assert map_sizes(encoder, (64, 96))[3:] == [(8, 12, 32)] * 3
    dilated = {path for path, dilation in dilations(encoder).items() if dilation == 2}
    assert dilated == {f"block5_conv{i}" for i in (1, 2, 3)}
    assert set(dilations(encoder).values()) == {1, 2}


@pytest.mark.slow
def test_a_dilated_encoder_sees_what_the_strided_one_sees():
    # At every other position a convolution with dilation 2 reads what the same
    # convolution reads after a halving that keeps just these positions. A kernel's
    # centre alone, and maps constant in 8×8 pixels, make pooling such a halving.
    image = jnp.repeat(jnp.repeat(jnp.arange(64.0).reshape(1, 8, 8, 1), 8, 1), 8, 2)
    strided = VGG((1, 1, 1, 1, 1), features=1)
    dilated = strided.clone(output_stride=8)
    variables = strided.init(jax.random.key(0), image, train=False)
    variables = jax.tree.map(jnp.zeros_like, variables)
    for i in range(1, 6):
        kernel = variables["params"][f"block{i}_conv1"]["kernel"]
        reach = slice(None) if i == 5 else slice(1, 2)
        variables["params"][f"block{i}_conv1"]["kernel"] = kernel.at[
            reach, reach, 0, 0
        ].set(1.0)
    coarse = strided.apply(variables, image, train=False)[4]
    fine = dilated.apply(variables, image, train=False)[4]
    np.testing.assert_allclose(coarse[..., 0], fine[:, 1::2, 1::2, 0])


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True])
def test_gradients_reach_all_parameters(batch_norm):
    encoder = VGG((2, 1), features=4, batch_norm=batch_norm)
    assert parameters_without_gradient(encoder) == []


@pytest.mark.slow
def test_it_computes_in_its_dtype_with_float32_parameters():
    maps, variables = abstract_outputs(VGG(batch_norm=True, dtype=jnp.bfloat16))
    assert {m.dtype for m in maps} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


def test_an_unknown_output_stride_is_refused():
    with pytest.raises(ValueError, match="output_stride is 4; allowed are 8, 16, 32"):
        abstract_outputs(VGG(output_stride=4))


def test_an_image_that_poolings_would_use_up_is_refused():
    with pytest.raises(ValueError, match="31×64; this encoder needs at least 32×32"):
        abstract_outputs(VGG(features=4), (31, 64))
    assert map_sizes(VGG(features=4, output_stride=8), (8, 8))[-1] == (1, 1, 32)
