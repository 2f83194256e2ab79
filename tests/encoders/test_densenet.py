import jax
import jax.numpy as jnp
import pytest

from fashionjax.encoders import DenseNet
from fashionjax.models.classifier import Classifier, LinearHead
from tests.encoders.probing import (
    abstract_outputs,
    count_parameters,
    dilations,
    map_sizes,
    parameters_without_gradient,
)


@pytest.mark.parametrize(
    ("stage_sizes", "count", "with_head"),
    [
        ((6, 12, 24, 16), 6_953_856, 7_978_856),
        ((6, 12, 32, 32), 12_484_480, 14_149_480),
    ],
)
def test_it_has_the_published_number_of_parameters(stage_sizes, count, with_head):
    encoder = DenseNet(stage_sizes)
    head = LinearHead(1000, relu=True)
    assert count_parameters(encoder) == count
    assert count_parameters(Classifier(encoder, head)) == with_head


@pytest.mark.parametrize(
    ("stage_sizes", "channels"),
    [
        ((6, 12, 24, 16), (64, 256, 512, 1024, 1024)),
        ((6, 12, 32, 32), (64, 256, 512, 1280, 1664)),
    ],
)
def test_maps_come_finest_first_at_odd_sizes_too(stage_sizes, channels):
    encoder = DenseNet(stage_sizes)
    assert encoder.reductions == (2, 4, 8, 16, 32)
    sizes = [(49, 33), (25, 17), (12, 8), (6, 4), (3, 2)]
    assert map_sizes(encoder, (97, 65)) == [
        (*size, c) for size, c in zip(sizes, channels, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output_stride", "expected"),
    [
        (32, {1: 1, 2: 1, 3: 1, 4: 1}),
        (16, {1: 1, 2: 1, 3: 1, 4: 2}),
        (8, {1: 1, 2: 1, 3: 2, 4: 4}),
    ],
)
def test_left_out_poolings_dilate_the_blocks_after_them(output_stride, expected):
    encoder = DenseNet((1, 2, 2, 1), features=8, output_stride=output_stride)
    reductions = tuple(min(r, output_stride) for r in (2, 4, 8, 16, 32))
    assert encoder.reductions == reductions
    sizes = [(height, width) for height, width, _ in map_sizes(encoder, (64, 96))]
    assert sizes == [(64 // r, 96 // r) for r in reductions]
    found = {
        path: dilation
        for path, dilation in dilations(encoder).items()
        if path != "stem_conv"
    }
    assert found == {
        f"stage{stage}_layer{layer}/conv2": dilation
        for stage, dilation in expected.items()
        for layer in range(1, (1, 2, 2, 1)[stage - 1] + 1)
    }


def test_the_deepest_map_is_not_rectified_and_the_others_are():
    encoder = DenseNet((1, 1), features=8)
    image = jax.random.normal(jax.random.key(1), (1, 32, 32, 3))
    init = jax.jit(lambda key: encoder.init_with_output(key, image, train=False))
    maps, _ = init(jax.random.key(0))
    assert [bool((m < 0).any()) for m in maps] == [False, False, True]


@pytest.mark.slow
def test_gradients_reach_all_parameters():
    assert parameters_without_gradient(DenseNet((1, 2), features=8)) == []


@pytest.mark.slow
def test_it_computes_in_its_dtype_with_float32_parameters():
    maps, variables = abstract_outputs(DenseNet((1, 1, 1, 1), dtype=jnp.bfloat16))
    assert {m.dtype for m in maps} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


def test_an_unknown_output_stride_is_refused():
    with pytest.raises(ValueError, match="output_stride is 64; allowed are 8, 16, 32"):
        abstract_outputs(DenseNet((1, 1, 1, 1), output_stride=64))


def test_an_image_that_poolings_would_use_up_is_refused():
    with pytest.raises(ValueError, match="64×16; this encoder needs at least 32×32"):
        abstract_outputs(DenseNet((1, 1, 1, 1)), (64, 16))
