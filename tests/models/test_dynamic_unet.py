import jax
import jax.numpy as jnp
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import VGG, ResNet
from fashionjax.models.dynamic_unet import DynamicUNet
from tests.models.probing import (
    Given,
    convolution_dtypes,
    feature_gradients,
    num_params,
    shapes,
)
from tests.structure import indexed_operations

UPSAMPLING = ("pixel_shuffle", "nearest")


@pytest.mark.parametrize(
    ("norm", "upsampling", "count"),
    [
        (None, "pixel_shuffle", 41_221_868),
        ("batch", "pixel_shuffle", 41_229_819),
        # The Extended U-Net without branches, but for 9 values in the head: BatchNorm's
        # scale and bias in place of a bias.
        ("batch", "nearest", 42_328_306 + 9),
    ],
)
def test_it_has_as_many_parameters_as_that_of_fastai(norm, upsampling, count):
    model = DynamicUNet(build_encoder("resnet34"), 9, norm=norm, upsampling=upsampling)
    assert num_params(model) == count


@pytest.mark.parametrize("upsampling", UPSAMPLING)
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
def test_logits_are_as_large_as_any_image(encoder, size, upsampling):
    outputs, _ = shapes(DynamicUNet(encoder, 5, upsampling=upsampling), size, batch=2)
    assert outputs.logits.shape == (2, *size, 5)
    assert outputs.logits.dtype == jnp.float32


def test_widths_follow_from_the_encoder():
    _, variables = shapes(DynamicUNet(build_encoder("resnet34"), 9), (64, 64))
    params = variables["params"]
    widths = [params[f"decoder{i}_conv2"]["kernel"].shape[-1] for i in range(4)]
    assert widths == [512, 384, 256, 96]
    assert params["residual_conv2"]["kernel"].shape == (3, 3, 99, 99)


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", UPSAMPLING)
@pytest.mark.parametrize("norm", [None, "batch"])
def test_every_encoder_feature_reaches_the_logits(norm, upsampling):
    model = DynamicUNet(Given(), 3, norm=norm, upsampling=upsampling)
    assert all(g > 0 for g in feature_gradients(model))


def test_of_maps_of_one_size_the_last_is_the_skip():
    model = DynamicUNet(Given(reductions=(2, 4, 4, 8)), 3)
    first, unused, skip, deepest = feature_gradients(model)
    assert unused == 0
    assert min(first, skip, deepest) > 0


@pytest.mark.slow
def test_the_image_itself_reaches_the_residual_block():
    # This encoder does not look at it.
    model = DynamicUNet(Given(reductions=(2, 4)), 3)

    @jax.jit
    @jax.grad
    def gradient(image):
        outputs, _ = model.init_with_output(jax.random.key(0), image, train=False)
        return jnp.sum(jnp.sin(outputs.logits))

    assert float(jnp.abs(gradient(jnp.ones((1, 8, 8, 3)))).min()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("upsampling", UPSAMPLING)
def test_every_convolution_runs_in_bfloat16_where_asked(upsampling):
    encoder = ResNet((1, 1), features=4, dtype=jnp.bfloat16)
    model = DynamicUNet(encoder, 5, upsampling=upsampling, dtype=jnp.bfloat16)
    assert convolution_dtypes(model) == {"bf16"}


@pytest.mark.slow
def test_a_step_scatters_and_gathers_nowhere():
    model = DynamicUNet(ResNet((1,), features=4), 3, norm="batch")
    image = jnp.ones((1, 9, 7, 3))
    _, variables = shapes(model, (9, 7))

    def loss(params, image):
        stats = jax.tree.map(
            lambda s: jnp.ones(s.shape, s.dtype), variables["batch_stats"]
        )
        outputs, _ = model.apply(
            {"params": params, "batch_stats": stats},
            image,
            train=True,
            mutable="batch_stats",
        )
        return (outputs.logits**2).mean()

    step = jax.value_and_grad(loss)
    assert not indexed_operations(step, variables["params"], image)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"norm": "group"}, "norm 'group'"), ({"upsampling": "deconv"}, "'deconv'")],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        shapes(DynamicUNet(Given(), 3, **options), (16, 16))
