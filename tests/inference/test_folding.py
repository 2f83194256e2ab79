import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from fashionjax import encoders, models
from fashionjax.inference import fold_batch_norm
from fashionjax.nn import BatchNorm, ConvTranspose, UpsampledConv, conv
from tests.models.probing import shapes
from tests.models.test_every_model import MODELS, SIZE

IMAGE_SHAPE = (2, *SIZE, 3)

TINY_HRNET = {"features": 2, "stem_features": 4, "num_blocks": 1}

ENCODERS = {
    "DenseNet": lambda: encoders.DenseNet((2, 1, 1), features=4, output_stride=8),
    "EfficientNetLite": lambda: encoders.EfficientNetLite(width=0.25),
    "HRNet": lambda: encoders.HRNet(**TINY_HRNET, num_modules=(1, 1, 1)),
    "ResNet": lambda: encoders.ResNet((1, 1), features=4),
    "VGG": lambda: encoders.VGG((1, 1), features=4, batch_norm=True),
}

EVERYTHING = {name: lambda m=make: m(jnp.float32) for name, make in MODELS.items()}
EVERYTHING |= ENCODERS

SAMPLE = ("DenseNet", "LinkNet", "MultitaskUNet", "SegNet", "UNet")
"""Those that the fast tests compute."""

# Of all BatchNorms, how many are folded. What is left follows a ReLU, as in fastai's
# decoders, or a concatenation, as in DenseNet.
FOLDED = {
    "ClassicUNet": (6, 6),
    "DeepLabV3": (15, 15),
    "DeepLabV3Plus": (24, 24),
    "DynamicUNet": (8, 16),
    "FCN": (11, 11),
    "FPN": (18, 18),
    "LinkNet": (18, 18),
    "MultitaskUNet": (9, 22),
    "OCRNet": (18, 18),
    "PSPNet": (11, 11),
    "PanopticFPN": (17, 17),
    "SegNet": (3, 3),
    "SkipFCN": (5, 5),
    "UNet": (15, 15),
    "DenseNet": (5, 12),
    "EfficientNetLite": (48, 48),
    "HRNet": (53, 53),
    "ResNet": (6, 6),
    "VGG": (2, 2),
}


def _variables(model):
    """Random variables, BatchNorm's among them, that keep values of order 1."""
    rng = np.random.RandomState(0)

    def draw(path, x):
        values = rng.normal(size=x.shape)
        if path[-1] == "kernel":
            values /= np.sqrt(np.prod(x.shape[:-1]))
        elif path[-1] in ("var", "scale"):
            values = rng.uniform(0.4, 1.6, x.shape)
        else:
            values *= 0.3
        return jnp.asarray(values, x.dtype)

    flat = flatten_dict(shapes(model, SIZE)[1])
    return unflatten_dict({path: draw(path, x) for path, x in flat.items()})


def _operations(function, *args):
    """How often each StableHLO operation occurs in a function."""
    names = re.findall(r"stablehlo\.(\w+)", jax.jit(function).lower(*args).as_text())
    return {name: names.count(name) for name in set(names)}


def _norms(model):
    """Number of BatchNorms: each has a running variance."""
    stats = shapes(model, SIZE)[1].get("batch_stats", {})
    return sum(path[-1] == "var" for path in flatten_dict(stats))


def test_no_encoder_is_left_out():
    assert set(ENCODERS) == set(encoders.__all__)
    assert set(FOLDED) == set(models.__all__) | set(encoders.__all__)


@pytest.mark.parametrize("name", EVERYTHING)
def test_all_norms_after_a_convolution_are_folded(name):
    model = EVERYTHING[name]()
    variables = _variables(model)
    folded, smaller = fold_batch_norm(model, variables, IMAGE_SHAPE)
    assert (len(folded.folded), _norms(model)) == FOLDED[name]
    image = jax.ShapeDtypeStruct(IMAGE_SHAPE, jnp.float32)
    before = _operations(lambda v, x: model.apply(v, x, train=False), variables, image)
    after = _operations(folded.apply, smaller, image)
    for operation, saved in {"rsqrt": 1, "subtract": 1, "multiply": 2}.items():
        expected = before.get(operation, 0) - saved * len(folded.folded)
        assert after.get(operation, 0) == expected
    assert after["convolution"] == before["convolution"]
    assert after["add"] <= before["add"]


@pytest.mark.parametrize(
    "name",
    [
        name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow)
        for name in EVERYTHING
    ],
)
def test_outputs_stay_the_same(name):
    model = EVERYTHING[name]()
    variables = _variables(model)
    folded, smaller = fold_batch_norm(model, variables, IMAGE_SHAPE)
    image = np.random.RandomState(1).normal(size=IMAGE_SHAPE).astype(np.float32)

    @jax.jit
    def both(image):
        return model.apply(variables, image, train=False), folded.apply(smaller, image)

    for expected, actual in zip(*map(jax.tree.leaves, both(image)), strict=True):
        assert np.ptp(expected) > 0
        error = np.abs(np.asarray(actual) - np.asarray(expected)).max()
        assert error <= 1e-4 * np.abs(expected).max()


class _Chain(nn.Module):
    """A convolution and a BatchNorm in an arrangement that must not be folded."""

    arrangement: str

    @nn.compact
    def __call__(self, image, *, train):
        layer = conv(3, 3, dtype=jnp.float32, name="conv")
        norm = BatchNorm(use_running_average=not train, name="norm")
        x = layer(image)
        if self.arrangement == "also elsewhere":
            return norm(x), x
        if self.arrangement == "after a ReLU":
            return norm(nn.relu(x))
        if self.arrangement == "convolution used twice":
            return norm(x), layer(image[:, ::-1])
        if self.arrangement == "norm used twice":
            return norm(x), norm(image)
        if self.arrangement == "cropped after another use":
            return norm(x[:, 1:]), x
        if self.arrangement == "padded":
            return norm(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
        return norm(x)


@pytest.mark.parametrize(
    ("arrangement", "count"),
    [
        ("plain", 1),
        ("also elsewhere", 0),
        ("after a ReLU", 0),
        ("convolution used twice", 0),
        ("norm used twice", 0),
        ("cropped after another use", 0),
        ("padded", 0),
    ],
)
def test_what_is_used_elsewhere_too_stays(arrangement, count):
    model = _Chain(arrangement)
    variables = _variables(model)
    folded, _ = fold_batch_norm(model, variables, IMAGE_SHAPE)
    assert len(folded.folded) == count


def test_the_arithmetic_is_that_of_float64():
    model = _Chain("plain")
    variables = _variables(model)
    folded, smaller = fold_batch_norm(model, variables, IMAGE_SHAPE)
    assert folded.folded == {("norm",): ("conv",)}
    params, stats = variables["params"], variables["batch_stats"]
    kernel, scale, bias, mean, var = (
        np.asarray(x, np.float64)
        for x in (
            params["conv"]["kernel"],
            params["norm"]["scale"],
            params["norm"]["bias"],
            stats["norm"]["mean"],
            stats["norm"]["var"],
        )
    )
    factor = scale / np.sqrt(var + 1e-5)
    assert set(smaller) == {"params"}
    assert set(smaller["params"]["norm"]) == {"bias"}
    np.testing.assert_array_equal(
        smaller["params"]["conv"]["kernel"], (kernel * factor).astype(np.float32)
    )
    np.testing.assert_array_equal(
        smaller["params"]["norm"]["bias"], (bias - mean * factor).astype(np.float32)
    )


def test_bfloat16_stays_bfloat16():
    model = MODELS["UNet"](jnp.bfloat16)
    folded, smaller = fold_batch_norm(model, _variables(model), IMAGE_SHAPE)
    image = jax.ShapeDtypeStruct(IMAGE_SHAPE, jnp.float32)
    traced = jax.jit(folded.apply).trace(smaller, image)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    types = re.findall(r"stablehlo\.convolution.*-> tensor<[0-9x]*x(\w+)>", text)
    assert set(types) == {"bf16"}


class _EveryKernel(nn.Module):
    """A layer of each kind that has a kernel, in bfloat16."""

    @nn.compact
    def __call__(self, image, *, train):
        half = {"dtype": jnp.bfloat16}
        x = conv(5, 3, name="conv", **half)(image)
        x = nn.relu(BatchNorm(use_running_average=not train, name="norm", **half)(x))
        x = UpsampledConv(4, name="upsampled", **half)(x, (66, 34), None)
        x = ConvTranspose(6, name="tiles", **half)(x)
        x = ConvTranspose(3, size=4, padding=1, name="overlapping", **half)(x)
        return nn.Dense(2, name="dense", **half)(x.mean(axis=(1, 2)))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(_EveryKernel(), id="EveryKernel"),
        *(
            pytest.param(MODELS[name](jnp.bfloat16), id=name, marks=pytest.mark.slow)
            for name in ("MultitaskUNet", "UNet")
        ),
    ],
)
def test_kernels_cast_in_advance_change_no_bit(model):
    folded, variables = fold_batch_norm(model, _variables(model), IMAGE_SHAPE)
    image = np.random.RandomState(1).normal(size=IMAGE_SHAPE).astype(np.float32)
    outputs, sizes, casts = [], [], []
    for given in (variables, folded.cast_kernels(variables)):
        traced = jax.jit(folded.apply).trace(given, image)
        # A CPU's compiler may leave out that a kernel is rounded, and rounded back.
        exact = {"xla_allow_excess_precision": False}
        compiled = traced.lower().compile(compiler_options=exact)
        outputs.append(jax.tree.leaves(compiled(given, image)))
        sizes.append(sum(x.nbytes for x in jax.tree.leaves(given)))
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
        casts.append(len(re.findall(r"convert %arg\d+ : \(tensor<\w+xf32>\)", text)))
    for before, after in zip(*outputs, strict=True):
        assert np.ptp(before) > 0
        np.testing.assert_array_equal(before, after)
    flat = flatten_dict(variables["params"])
    kernels = [flat[*path, "kernel"] for path in folded.kernel_dtypes]
    assert casts[0] - casts[1] == len(kernels)
    assert sizes[0] - sizes[1] == sum(x.nbytes for x in kernels) / 2 > 0
