import jax
import jax.numpy as jnp
import pytest

from fashionjax.encoders import ResNet
from fashionjax.models.classifier import Classifier, LinearHead
from tests.encoders.probing import (
    abstract_outputs,
    count_parameters,
    dilations,
    map_sizes,
    parameters_without_gradient,
)

RESNEXT_32X4D = {"groups": 32, "group_width": 4}
RESNEXT_32X8D = {"groups": 32, "group_width": 8}
RESNEXT_64X4D = {"groups": 64, "group_width": 4}


def test_feature_maps_come_finest_first_at_the_promised_reductions():
    encoder = ResNet((1, 1, 1, 1), features=4)
    assert encoder.reductions == (2, 4, 8, 16, 32)
    assert map_sizes(encoder, (64, 96)) == [
        (64 // r, 96 // r, c)
        for r, c in zip(encoder.reductions, (4, 4, 8, 16, 32), strict=True)
    ]


def test_odd_sizes_are_rounded_up():
    encoder = ResNet((1, 1, 1, 1), "bottleneck", features=4)
    assert map_sizes(encoder, (97, 65)) == [
        (49, 33, 4),
        (25, 17, 16),
        (13, 9, 32),
        (7, 5, 64),
        (4, 3, 128),
    ]


@pytest.mark.parametrize(
    ("stage_sizes", "block", "options", "count", "with_head"),
    [
        ((2, 2, 2, 2), "basic", {}, 11_176_512, 11_689_512),
        ((3, 4, 6, 3), "basic", {}, 21_284_672, 21_797_672),
        ((3, 4, 6, 3), "bottleneck", {}, 23_508_032, 25_557_032),
        ((3, 4, 23, 3), "bottleneck", {}, 42_500_160, 44_549_160),
        ((3, 4, 6, 3), "bottleneck", RESNEXT_32X4D, 22_979_904, 25_028_904),
        ((3, 4, 23, 3), "bottleneck", RESNEXT_32X4D, 42_128_704, 44_177_704),
        ((3, 4, 23, 3), "bottleneck", RESNEXT_32X8D, 86_742_336, 88_791_336),
        ((3, 4, 23, 3), "bottleneck", RESNEXT_64X4D, 81_406_272, 83_455_272),
    ],
)
def test_it_has_the_published_number_of_parameters(
    stage_sizes, block, options, count, with_head
):
    encoder = ResNet(stage_sizes, block, **options)
    assert count_parameters(encoder) == count
    assert count_parameters(Classifier(encoder, LinearHead(1000))) == with_head


def _dilations_by_stage(encoder):
    """Dilations of the 3×3 convolutions of each stage's blocks, in order."""
    stages = {}
    for path, dilation in dilations(encoder).items():
        if path != "stem_conv":
            stages.setdefault(path.split("_")[0], []).append(dilation)
    return list(stages.values())


@pytest.mark.parametrize(
    ("style", "output_stride", "expected"),
    [
        ("torchvision", 32, [[1, 1], [1, 1], [1, 1], [1, 1]]),
        ("torchvision", 16, [[1, 1], [1, 1], [1, 1], [1, 2]]),
        ("torchvision", 8, [[1, 1], [1, 1], [1, 2], [2, 4]]),
        ("smp", 32, [[1, 1], [1, 1], [1, 1], [1, 1]]),
        ("smp", 16, [[1, 1], [1, 1], [1, 1], [2, 2]]),
        ("smp", 8, [[1, 1], [1, 1], [2, 2], [4, 4]]),
    ],
)
@pytest.mark.parametrize("block", ["bottleneck", "basic"])
def test_each_style_of_dilation_replaces_strides_its_own_way(
    block, style, output_stride, expected
):
    encoder = ResNet(
        (2, 2, 2, 2),
        block,
        features=4,
        output_stride=output_stride,
        dilation_style=style,
    )
    sizes = [(height, width) for height, width, _ in map_sizes(encoder, (64, 96))]
    assert encoder.reductions == tuple(min(r, output_stride) for r in (2, 4, 8, 16, 32))
    assert sizes == [(64 // r, 96 // r) for r in encoder.reductions]
    # A basic block has two 3×3 convolutions, dilated alike.
    each = 2 if block == "basic" else 1
    assert _dilations_by_stage(encoder) == [
        [dilation for dilation in stage for _ in range(each)] for stage in expected
    ]


@pytest.mark.parametrize("output_stride", [4, 64, 0])
def test_an_unknown_output_stride_is_refused(output_stride):
    with pytest.raises(ValueError, match=f"output_stride is {output_stride}; allowed"):
        abstract_outputs(ResNet((1, 1, 1, 1), output_stride=output_stride))


def test_an_unknown_dilation_style_is_refused():
    encoder = ResNet((1, 1), output_stride=8, dilation_style="timm")
    with pytest.raises(ValueError, match="style is 'timm'; allowed are torchvision"):
        abstract_outputs(encoder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "options"),
    [("basic", {}), ("bottleneck", {"groups": 2, "group_width": 32})],
)
def test_gradients_reach_all_parameters(block, options):
    encoder = ResNet((1, 1), block, features=4, **options)
    assert parameters_without_gradient(encoder) == []


@pytest.mark.slow
def test_it_computes_in_its_dtype_with_float32_parameters():
    encoder = ResNet((1, 1, 1, 1), "bottleneck", dtype=jnp.bfloat16)
    maps, variables = abstract_outputs(encoder)
    assert {m.dtype for m in maps} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
