import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import EfficientNetLite
from fashionjax.encoders.efficientnet_lite import pad_to_halve
from fashionjax.models.classifier import Classifier
from fashionjax.models.efficientnet_lite_head import EfficientNetLiteHead
from tests.encoders.probing import (
    abstract_outputs,
    dilations,
    map_sizes,
)

_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "count", "with_head"),
    [
        ("efficientnet_lite0", 2_958_848, 4_652_008),
        pytest.param("efficientnet_lite1", 3_723_520, 5_416_680, marks=_SLOW),
        pytest.param("efficientnet_lite2", 4_357_952, 6_092_072, marks=_SLOW),
        pytest.param("efficientnet_lite3", 6_422_016, 8_197_096, marks=_SLOW),
        ("efficientnet_lite4", 11_149_568, 13_006_568),
    ],
)
def test_it_has_the_published_number_of_parameters(name, count, with_head):
    classifier = Classifier(build_encoder(name), EfficientNetLiteHead(1000))
    _, variables = abstract_outputs(classifier)
    params = variables["params"]
    assert sum(x.size for x in jax.tree.leaves(params["encoder"])) == count
    assert sum(x.size for x in jax.tree.leaves(params)) == with_head


def test_maps_come_finest_first_and_round_odd_sizes_up():
    encoder = EfficientNetLite()
    assert encoder.reductions == (2, 4, 8, 16, 32)
    assert map_sizes(encoder, (97, 65)) == [
        (49, 33, 32),
        (25, 17, 24),
        (13, 9, 40),
        (7, 5, 112),
        (4, 3, 320),
    ]


def test_fixed_padding_rounds_odd_sizes_down_and_changes_no_even_ones():
    fixed = EfficientNetLite(padding="fixed")
    sizes = [(height, width) for height, width, _ in map_sizes(fixed, (97, 65))]
    assert sizes == [(48, 32), (24, 16), (12, 8), (6, 4), (3, 2)]
    assert map_sizes(fixed, (96, 64)) == map_sizes(EfficientNetLite(), (96, 64))


@pytest.mark.parametrize("size", [3, 5])
def test_same_padding_is_that_of_tensorflow(size):
    for height in range(2, 12):
        shape = (1, height, height + 1, 1)
        padded = pad_to_halve(jnp.ones(shape), size, "same")
        expected = jax.lax.padtype_to_pads(shape[1:3], (size, size), (2, 2), "SAME")
        zeros = ((0, 0), *expected, (0, 0))
        np.testing.assert_array_equal(padded, np.pad(np.ones(shape), zeros))


def test_fixed_padding_is_that_of_an_even_size():
    for length in (6, 7):
        padded = pad_to_halve(jnp.ones((1, length, length, 1)), 5, "fixed")
        zeros = ((0, 0), (1, 2), (1, 2), (0, 0))
        ones = np.ones((1, length, length, 1))
        np.testing.assert_array_equal(padded, np.pad(ones, zeros))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("output_stride", "expected"), [(32, (1, 1)), (16, (1, 2)), (8, (2, 4))]
)
def test_left_out_strides_dilate_the_stages_behind(output_stride, expected):
    encoder = EfficientNetLite(output_stride=output_stride)
    reductions = tuple(min(r, output_stride) for r in (2, 4, 8, 16, 32))
    assert encoder.reductions == reductions
    sizes = [(height, width) for height, width, _ in map_sizes(encoder, (64, 96))]
    assert sizes == [(64 // r, 96 // r) for r in reductions]
    found = dilations(encoder)
    for block in range(16):
        dilation = 1 if block < 5 else expected[0] if block < 11 else expected[1]
        assert found[f"block{block}/depthwise_conv"] == dilation


@pytest.mark.slow
def test_torchvisions_style_dilates_the_first_block_less():
    encoder = EfficientNetLite(output_stride=8, dilation_style="torchvision")
    found = dilations(encoder)
    expected = [1] * 5 + [1] + [2] * 5 + [2] + [4] * 4
    assert [found[f"block{i}/depthwise_conv"] for i in range(16)] == expected


def test_output_strides_and_paddings_that_there_are_not_are_refused():
    with pytest.raises(ValueError, match="output_stride is 4; allowed are 8, 16, 32"):
        abstract_outputs(EfficientNetLite(output_stride=4))
    with pytest.raises(ValueError, match=r"padding 'SAME' is none of .*'fixed'"):
        abstract_outputs(EfficientNetLite(padding="SAME"))


def test_fixed_padding_refuses_images_that_would_vanish():
    encoder = EfficientNetLite(padding="fixed")
    with pytest.raises(ValueError, match="31×64; this encoder needs at least 32×32"):
        abstract_outputs(encoder, (31, 64))


@pytest.mark.slow
def test_only_a_drop_path_rate_needs_random_numbers_in_training():
    image = jnp.zeros((2, 64, 64, 3))

    def train(rate):
        encoder = EfficientNetLite(drop_path_rate=rate)
        _, variables = abstract_outputs(encoder)
        return jax.eval_shape(
            lambda v: encoder.apply(v, image, train=True, mutable="batch_stats"),
            variables,
        )

    train(0.0)
    with pytest.raises(Exception, match="dropout"):
        train(0.2)


@pytest.mark.slow
def test_maps_are_bfloat16_where_asked():
    maps, variables = abstract_outputs(EfficientNetLite(dtype=jnp.bfloat16))
    assert {m.dtype for m in maps} == {jnp.dtype(jnp.bfloat16)}
    kept = {x.dtype for x in jax.tree.leaves(variables)}
    assert kept == {jnp.dtype(jnp.float32)}
