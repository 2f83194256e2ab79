import jax
import jax.numpy as jnp
import pytest

from fashionjax.describe.flops import count_flops
from fashionjax.describe.graph import INPUT, OUTPUT, trace_model
from fashionjax.encoders import ResNet
from fashionjax.models import FCN, MultitaskUNet


def _flops(function, *shapes):
    jaxpr = jax.make_jaxpr(function)(*(jnp.zeros(shape) for shape in shapes))
    return sum(map(count_flops, jaxpr.eqns))


def test_arithmetic_of_known_operations():
    def conv(x, kernel, **options):
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (2, 2),
            ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            **options,
        )

    assert _flops(jnp.dot, (3, 5), (5, 7)) == 2 * 3 * 5 * 7
    dense = 2 * (2 * 4 * 4 * 6) * 9 * 8
    assert _flops(conv, (2, 8, 8, 8), (3, 3, 8, 6)) == dense
    grouped = _flops(
        lambda x, k: conv(x, k, feature_group_count=2), (2, 8, 8, 8), (3, 3, 4, 6)
    )
    assert grouped == dense // 2
    # Inside other operations, and twice for two calls.
    nested = jax.jit(lambda x, y: jnp.dot(x, y) + jnp.dot(x, y))
    assert _flops(nested, (3, 5), (5, 7)) == 4 * 3 * 5 * 7


def test_parts_of_the_extended_unet_feed_each_other_as_the_paper_says():
    model = MultitaskUNet(ResNet((1, 1, 1, 1), features=4), 9, image_size=(64, 64))
    graph = trace_model(model, (64, 64))
    sources = {name: part.sources for name, part in graph.parts.items()}
    assert next(iter(sources)) == INPUT
    assert sources["encoder/stage2"] == {"encoder/stage1"}
    assert sources["tag"] == sources["box"] == {"encoder/stage4"}
    assert sources["decoder0"] == {"middle2", "encoder/stage3"}
    assert sources["residual1"] == {"decoder3", INPUT, "tag", "box"}
    assert sources[OUTPUT] == {"head"}
    assert graph.parts["decoder3"].shape == (32, 32, 96)
    assert graph.parts[OUTPUT].shape == (64, 64, 9)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_arithmetic_is_that_of_the_layers(dtype):
    encoder = ResNet((1, 1, 1, 1), features=4, dtype=dtype)
    graph = trace_model(FCN(encoder, 5, dtype=dtype), (64, 32))
    stem = 2 * 32 * 16 * 4 * 7 * 7 * 3
    assert graph.parts["encoder/stem"].flops == stem
    # Resizing to the image's size is no arithmetic that anybody counts.
    assert graph.parts[OUTPUT].flops == 0
    assert graph.flops == sum(part.flops for part in graph.parts.values())
