import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import VGG, ResNet
from fashionjax.models.unet import UNet, unpool_like
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
    sharded_gradient_ops,
)

PAPER = {
    "decoder_features": (512, 256, 128, 64, 32),
    "upsampling": "deconv",
    "head_size": 1,
}
"""The decoder of Clothing Co-Parsing with U-Net."""

TINY_ENCODERS = {
    "resnet": ResNet((1, 1, 1, 1), features=4),
    "vgg": VGG((1, 1, 1, 1, 1), features=4),
}
UPSAMPLINGS = ("nearest", "bilinear", "deconv", "max_unpool")


def _tiny(encoder="resnet", **options):
    return UNet(TINY_ENCODERS[encoder], 5, (16, 8, 8, 4, 4), **options)


@pytest.mark.parametrize(
    ("encoder", "count"),
    [
        ("resnet34", 24_437_529),
        ("resnet50", 32_522_265),
        ("resnext50_32x4d", 31_994_137),
        ("vgg16", 23_749_401),
        ("vgg16_bn", 23_757_849),
        ("vgg19", 29_059_097),
        ("densenet121", 13_608_793),
        ("densenet169", 21_203_801),
    ],
)
def test_it_has_as_many_parameters_as_that_of_smp(encoder, count):
    model = UNet(
        build_encoder(encoder),
        9,
        full_size_skip=False,
        center=encoder.startswith("vgg"),
    )
    assert num_params(model) == count


@pytest.mark.parametrize(
    ("encoder", "num_classes", "count"),
    [
        ("vgg16", 4, 26_676_004),
        ("vgg16", 59, 26_677_819),
        ("vgg19", 4, 31_985_700),
        ("vgg19", 59, 31_987_515),
    ],
)
def test_it_has_as_many_parameters_as_that_of_the_ccp_paper(
    encoder, num_classes, count
):
    assert num_params(UNet(build_encoder(encoder), num_classes, **PAPER)) == count


@pytest.mark.parametrize("skip", ["concat", "add"])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("encoder", TINY_ENCODERS)
def test_logits_are_as_large_as_any_image(encoder, upsampling, skip):
    model = _tiny(encoder, upsampling=upsampling, skip=skip)
    for size in ((64, 96), (97, 65), (47, 35)):
        outputs, _ = shapes(model, size, batch=2)
        assert outputs.logits.shape == (2, *size, 5)
        assert outputs.logits.dtype == jnp.float32


def test_it_goes_on_to_the_full_size_where_the_finest_map_is_at_stride_4():
    encoder = Given(reductions=(4, 8, 16, 32))
    model = UNet(encoder, 5, (16, 8, 8, 4, 4))
    outputs, variables = shapes(model, (65, 97))
    assert outputs.logits.shape == (1, 65, 97, 5)
    kernels = {
        name: variables["params"][f"decoder{i}_conv1"]["conv"]["kernel"].shape[2]
        for i, name in enumerate(("1/16", "1/8", "1/4", "1/2", "1/1"))
    }
    assert kernels == {
        "1/16": 16 + 12,
        "1/8": 16 + 8,
        "1/4": 8 + 4,
        "1/2": 8,
        "1/1": 4,
    }


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_dilated_maps_are_joined_without_upsampling(upsampling):
    encoder = ResNet((1, 1, 1, 1), features=4, output_stride=8)
    model = UNet(encoder, 5, (16, 8, 8, 4, 4), upsampling=upsampling)
    outputs, variables = shapes(model, (65, 47))
    assert outputs.logits.shape == (1, 65, 47, 5)
    upsampled = {name for name in variables["params"] if name.endswith("_up")}
    expected = {"decoder2_up", "decoder3_up", "decoder4_up"}
    assert upsampled == (expected if upsampling == "deconv" else set())


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"upsampling": "nearest"},
        {"upsampling": "deconv", "skip": "add"},
        {"upsampling": "max_unpool", "center": True},
    ],
    ids=lambda options: options["upsampling"],
)
def test_every_encoder_feature_reaches_the_logits(options):
    model = UNet(Given(reductions=(1, 2, 4)), 3, (8, 4), **options)
    assert all(g > 0 for g in feature_gradients(model))


def test_a_map_at_full_size_is_left_out_where_it_is_not_wanted():
    model = UNet(Given(reductions=(1, 2, 4)), 3, (8, 4), full_size_skip=False)
    finest, *others = feature_gradients(model)
    assert finest == 0
    assert all(g > 0 for g in others)


@pytest.mark.parametrize("rounded", ["up", "down"])
def test_unpooling_puts_values_where_the_skip_is_largest(rounded):
    skip = -jnp.ones((1, 3, 3, 1)).at[0, 1, 0, 0].set(-2.0)
    skip = skip.at[0, 1, 1, 0].set(5.0)
    x = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    x = x if rounded == "up" else x[:, :1, :1]
    expected = np.zeros((3, 3))
    expected[1, 1] = 1
    if rounded == "up":
        expected[0, 2], expected[2, 0], expected[2, 2] = 2, 3, 4
    np.testing.assert_array_equal(unpool_like(x, skip)[0, ..., 0], expected)


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_every_convolution_runs_in_bfloat16_where_asked(upsampling):
    encoder = ResNet((1, 1), features=4, dtype=jnp.bfloat16)
    model = UNet(
        encoder, 5, (8, 8, 4), upsampling=upsampling, skip="add", dtype=jnp.bfloat16
    )
    assert convolution_dtypes(model) == {"bf16"}


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", ["bilinear", "max_unpool"])
def test_the_gradient_of_a_sharded_batch_gathers_and_scatters_nothing(upsampling):
    encoder = ResNet((1, 1), features=4)
    model = UNet(encoder, 3, (8, 8, 4), upsampling=upsampling)
    operations = sharded_gradient_ops(model, (9, 17))
    assert "all-reduce" in operations
    assert not operations & {"all-gather", "all-to-all", "gather", "scatter"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upsampling": "bicubic"}, "upsampling 'bicubic' is none of"),
        ({"skip": "multiply"}, "skip 'multiply' is none of"),
        ({"head_size": 5}, "head_size 5 is none of"),
        ({"decoder_features": (8, 4)}, "has 2 stages; this encoder needs 3"),
        ({"encoder": Given(reductions=(2, 8, 16))}, r"reductions \(2, 8, 16\)"),
    ],
)
def test_wrong_use_is_refused(options, message):
    model = UNet(**({"encoder": Given(), "num_classes": 3} | options))
    with pytest.raises(ValueError, match=message):
        shapes(model, (32, 32))
