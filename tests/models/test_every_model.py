"""What holds of all models: any size, two types."""

import jax.numpy as jnp
import pytest

from fashionjax import models
from fashionjax.encoders import VGG, ResNet
from tests.models.probing import shapes

SIZE = (33, 17)
CLASSES = 3


def _resnet(dtype, stages=2, **options):
    # Grouped, as ResNeXt, whose convolutions a compiler may gather a batch for.
    return ResNet(
        (1,) * stages, block="bottleneck", features=4, groups=2, dtype=dtype, **options
    )


def _vgg(dtype):
    return VGG((1, 1, 1, 1, 1), features=4, batch_norm=True, dtype=dtype)


MODELS = {
    "ClassicUNet": lambda dtype: models.ClassicUNet(
        CLASSES, (4, 8), batch_norm=True, dtype=dtype
    ),
    "DeepLabV3": lambda dtype: models.DeepLabV3(
        _resnet(dtype), CLASSES, features=4, rates=(2,), aux_head=True, dtype=dtype
    ),
    "DeepLabV3Plus": lambda dtype: models.DeepLabV3Plus(
        _resnet(dtype, 4, output_stride=16),
        CLASSES,
        features=4,
        low_level_features=4,
        rates=(2,),
        dtype=dtype,
    ),
    "DynamicUNet": lambda dtype: models.DynamicUNet(
        _resnet(dtype, 1), CLASSES, norm="batch", dtype=dtype
    ),
    "FCN": lambda dtype: models.FCN(
        _resnet(dtype), CLASSES, aux_head=True, dtype=dtype
    ),
    "FPN": lambda dtype: models.FPN(
        _resnet(dtype, 4), CLASSES, pyramid_features=4, features=4, dtype=dtype
    ),
    "LinkNet": lambda dtype: models.LinkNet(_resnet(dtype), CLASSES, dtype=dtype),
    "MultitaskUNet": lambda dtype: models.MultitaskUNet(
        _resnet(dtype),
        CLASSES,
        decoder_features=(4, 4),
        branch_features=4,
        image_size=SIZE,
        dtype=dtype,
    ),
    "OCRNet": lambda dtype: models.OCRNet(
        _resnet(dtype), CLASSES, features=4, key_features=4, dtype=dtype
    ),
    "PSPNet": lambda dtype: models.PSPNet(
        _resnet(dtype), CLASSES, features=8, pool_sizes=(1, 2), dtype=dtype
    ),
    "PanopticFPN": lambda dtype: models.PanopticFPN(
        _resnet(dtype, 4),
        CLASSES,
        pyramid_features=4,
        features=4,
        num_groups=2,
        dtype=dtype,
    ),
    "SegNet": lambda dtype: models.SegNet(
        VGG((1, 1), features=4, batch_norm=True, dtype=dtype),
        CLASSES,
        decoder_sizes=(1, 1),
        dtype=dtype,
    ),
    "SkipFCN": lambda dtype: models.SkipFCN(
        _vgg(dtype), CLASSES, features=4, dtype=dtype
    ),
    "UNet": lambda dtype: models.UNet(
        _resnet(dtype), CLASSES, (4, 4, 4), upsampling="deconv", dtype=dtype
    ),
}


def test_no_model_is_left_out():
    assert set(MODELS) == set(models.__all__)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_logits_are_float32_and_of_the_images_size(make, dtype):
    outputs, _ = shapes(make(dtype), SIZE)
    assert outputs.logits.shape == (1, *SIZE, CLASSES)
    assert outputs.logits.dtype == jnp.float32
