import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import build_encoder
from fashionjax.encoders import VGG, ResNet
from fashionjax.models.fcn_vgg import SkipFCN, Upscore
from fashionjax.nn import ConvTranspose
from fashionjax.nn.initializers import bilinear_kernel
from fashionjax.ops.resize import resize_bilinear
from fashionjax.train.freezing import trainable
from tests.models.probing import convolution_dtypes, num_params, shapes


def _tiny(dtype=jnp.float32, **changes):
    ceil_mode = changes.get("pad100", False)
    encoder = VGG((1, 1, 1, 1, 1), features=2, ceil_mode=ceil_mode, dtype=dtype)
    options = {"encoder": encoder, "num_classes": 3, "features": 8, "dtype": dtype}
    return SkipFCN(**options | changes)


@functools.cache
def _variables(model):
    """Random values everywhere: by themselves all scores begin at zero."""
    _, variables = shapes(model, (32, 32))
    rng = np.random.RandomState(0)
    return jax.tree.map(
        lambda x: jnp.asarray(rng.normal(0, 0.2, x.shape), jnp.float32), variables
    )


def _apply(model, image, variables=None):
    variables = _variables(model) if variables is None else variables
    apply = jax.jit(functools.partial(model.apply, train=False))
    return np.asarray(apply(variables, image).logits)


def _image(size):
    return jnp.asarray(np.random.RandomState(1).randn(1, *size, 3), jnp.float32)


@pytest.mark.parametrize(
    ("num_classes", "stride", "count"),
    [
        (25, 32, 136_922_969),
        (25, 16, 135_025_794),
        (25, 8, 134_562_219),
        (21, 32, 136_152_917),
        (21, 16, 134_815_994),
        (21, 8, 134_489_759),
    ],
)
def test_parameter_counts_are_those_of_the_specification(num_classes, stride, count):
    model = SkipFCN(build_encoder("vgg16"), num_classes, stride=stride)
    assert num_params(model) == count


@pytest.mark.parametrize("pad100", [False, True])
@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("size", [(64, 32), (61, 37)])
def test_logits_are_float32_and_as_large_as_the_image(size, stride, pad100):
    model = _tiny(jnp.bfloat16, stride=stride, pad100=pad100)
    outputs, _ = shapes(model, size)
    assert outputs.logits.shape == (1, *size, 3)
    assert outputs.logits.dtype == jnp.float32


def test_all_scores_begin_at_zero():
    init = functools.partial(_tiny().init, train=False)
    params = jax.jit(init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    scores = {name: params[name] for name in params if name.startswith("score")}
    assert set(scores) == {"score", "score_pool16", "score_pool8"}
    assert not any(x.any() for x in jax.tree.leaves(scores))


@pytest.mark.slow
@pytest.mark.parametrize("pad100", [False, True])
@pytest.mark.parametrize(("stride", "skips"), [(32, ()), (16, (16,)), (8, (16, 8))])
def test_the_poolings_that_the_stride_needs_reach_the_logits(stride, skips, pad100):
    model = _tiny(stride=stride, pad100=pad100)
    variables = _variables(model)
    image = _image((58, 58))
    logits = _apply(model, image)
    layers = ["score", *(f"score_pool{s}" for s in skips)]
    params = variables["params"]
    assert {name for name in params if name.startswith("score")} == set(layers)
    for name in layers:
        without = {**params, name: jax.tree.map(jnp.zeros_like, params[name])}
        changed = _apply(model, image, {"params": without})
        assert np.abs(changed - logits).max() > 1e-4, name


@pytest.mark.slow
@pytest.mark.parametrize("pad100", [False, True])
@pytest.mark.parametrize(
    ("layer", "stride"), [("score", 32), ("score_pool16", 16), ("score_pool8", 8)]
)
def test_scores_lie_where_the_image_has_them(layer, stride, pad100):
    model = _tiny(pad100=pad100)
    variables = _keeping_places(model, layer)
    # One cell of the layer's grid, which begins 99 pixels before a padded image.
    start = 64 if not pad100 else 64 - 99 % stride
    image = np.zeros((1, 154, 154, 3), np.float32)
    image[0, start : start + stride, start : start + stride] = 1
    weight = _apply(model, image, variables)[0].sum(axis=-1)
    middle = start + (stride - 1) / 2
    for axis in (0, 1):
        center = weight.sum(axis=axis) @ np.arange(154) / weight.sum()
        np.testing.assert_allclose(center, middle, atol=0.01)


def _keeping_places(model, layer):
    """Parameters that move nothing, and let one layer of scores through."""
    _, variables = shapes(model, (32, 32))

    def value(path, x):
        names = [entry.key for entry in path]
        if any("upscore" in name for name in names):
            return bilinear_kernel(jax.random.key(0), x.shape)
        passed = "score" not in names[0] or names[0] == layer
        middle = x.shape[0] // 2
        zeros = jnp.zeros(x.shape)
        if names[-1] == "bias" or not passed:
            return zeros
        return zeros.at[middle, middle].set(1 / x.shape[2])

    return {"params": jax.tree.map_with_path(value, variables["params"])}


@pytest.mark.parametrize("factor", [2, 8])
def test_upscoring_is_a_transposed_convolution(factor):
    x = jnp.asarray(np.random.RandomState(0).randn(2, 3, 4, 3), jnp.float32)
    kernel = np.random.RandomState(1).randn(2 * factor, 2 * factor, 3, 3)
    variables = {"params": {"kernel": jnp.asarray(kernel, jnp.float32)}}
    transposed = ConvTranspose(3, 2 * factor, factor, use_bias=False)
    np.testing.assert_allclose(
        Upscore(factor).apply(variables, x),
        transposed.apply(variables, x),
        rtol=1e-4,
        atol=1e-4,
    )


def test_upscoring_begins_as_bilinear_interpolation():
    x = jnp.asarray(np.random.RandomState(0).randn(1, 4, 5, 2), jnp.float32)
    module = Upscore(4)
    variables = module.init(jax.random.key(0), x)
    ours = module.apply(variables, x)[:, 2:-2, 2:-2]
    expected = resize_bilinear(x, (16, 20))
    # At the edges there are zeros beyond.
    np.testing.assert_allclose(ours[:, 2:-2, 2:-2], expected[:, 2:-2, 2:-2], atol=1e-5)


def test_a_bilinear_kernel_of_odd_size_has_its_peak_in_the_middle():
    kernel = bilinear_kernel(jax.random.key(0), (3, 3, 2, 2))
    expected = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
    np.testing.assert_allclose(kernel[:, :, 0, 0], expected)
    np.testing.assert_array_equal(kernel[:, :, 0, 1], 0)


def test_a_bilinear_kernel_keeps_the_channels():
    with pytest.raises(ValueError, match="keeps the channels"):
        bilinear_kernel(jax.random.key(0), (4, 4, 2, 3))


def test_the_last_kernel_alone_is_never_trained():
    model = _tiny()
    variables = _variables(model)
    image = _image((32, 32))

    def loss(params):
        return jnp.sum(model.apply({"params": params}, image, train=False).logits ** 2)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    largest = {
        name: max(float(jnp.abs(g).max()) for g in jax.tree.leaves(tree))
        for name, tree in gradients.items()
    }
    assert {name for name, size in largest.items() if size == 0} == {"fixed_upscore"}
    mask = trainable(variables["params"], {}, None)
    assert not mask["fixed_upscore"]["kernel"]
    assert mask["upscore8"]["kernel"]


def test_other_strides_and_other_encoders_are_refused():
    with pytest.raises(ValueError, match="stride is 4"):
        shapes(_tiny(stride=4), (32, 32))
    with pytest.raises(ValueError, match="needs a VGG"):
        shapes(_tiny(encoder=ResNet((1, 1, 1, 1), features=4)), (32, 32))


@pytest.mark.slow
def test_convolutions_run_in_bfloat16_where_asked():
    assert convolution_dtypes(_tiny(jnp.bfloat16)) == {"bf16"}


def test_the_originals_padding_needs_the_originals_rounding():
    model = SkipFCN(VGG((1, 1, 1, 1, 1), features=2), 3, pad100=True)
    with pytest.raises(ValueError, match="pad100 needs an encoder with ceil_mode=True"):
        shapes(model, (32, 32))
