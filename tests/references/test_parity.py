"""Our modules compute what the public implementations compute."""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.losses import softmax_cross_entropy
from fashionjax.models.classifier import Classifier
from fashionjax.pretrained import convert, reference_module
from tests.references import fixture
from tests.references.draw import draw_image, draw_label, draw_state

TOLERANCE = 1e-4
"""Of the largest absolute value of an output."""

ROUNDING = 3e-4
"""The same in training mode, in float32: statistics of few values amplify rounding. In
float64 the same outputs are within `TOLERANCE`."""

PATHS = sorted(fixture.FOLDER.glob("*.npz"))
TRAINED_SAMPLE = ("smp-unet-resnet34", "segnet-vgg16_bn", "fpn-resnext50")
"""References whose training mode the slow tests can afford; others are `long` tests."""

TRAINED = [p for p in PATHS if any("grad/" in n for n in fixture.load(p).samples)]


MARKED = [
    pytest.param(
        path,
        id=path.stem,
        marks=pytest.mark.slow if path.stem in TRAINED_SAMPLE else pytest.mark.long,
    )
    for path in TRAINED
]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_outputs_equal_those_of_the_reference(path):
    stored = fixture.load(path)
    module, variables = _model(stored)
    sizes = _sizes(stored, "eval")
    assert len(sizes) >= 2
    for size in sizes:
        prefix = f"eval/{size[0]}x{size[1]}/"
        # Keras's VGG has its head at one size alone.
        head = f"{prefix}head" in stored.samples
        evaluate = functools.partial(_evaluate, module, head=head)
        _compare(stored, prefix, _run(evaluate, variables, _image(size)))


@pytest.mark.parametrize("path", MARKED)
def test_training_mode_equals_that_of_the_reference_in_float32(path):
    stored = fixture.load(path)
    module, variables = _trained_model(stored)
    (size,) = _sizes(stored, "train")

    def evaluate(variables, image):
        outputs, _ = module.apply(variables, image, train=True, mutable="batch_stats")
        return _named(outputs)

    outputs = _run(evaluate, variables, _image(size))
    assert all(x.dtype == np.float32 for x in outputs.values())
    _compare(stored, f"train/{size[0]}x{size[1]}/", outputs, ROUNDING)


@pytest.mark.parametrize("path", MARKED)
def test_training_mode_and_gradients_equal_those_of_the_reference(path):
    stored = fixture.load(path)
    module, variables = _trained_model(stored)
    (size,) = _sizes(stored, "train")
    label = draw_label(size, stored.options["num_classes"])
    # In float32, either side's gradients are off by up to a hundredth: rounding moves
    # values across the kinks of ReLUs.
    module = _in_float64(module)

    def loss(params, image):
        outputs, _ = module.apply(
            {**variables, "params": params}, image, train=True, mutable="batch_stats"
        )
        return softmax_cross_entropy(outputs.logits, label), _named(outputs)

    with jax.enable_x64():
        params = jax.tree.map(np.float64, variables["params"])
        image = draw_image(size).astype(np.float64)
        gradients, outputs = _run(jax.grad(loss, has_aux=True), params, image)
    _compare(stored, f"train/{size[0]}x{size[1]}/", outputs)
    prefix = f"grad/{size[0]}x{size[1]}/"
    tensors = [n.removeprefix(prefix) for n in stored.samples if n.startswith(prefix)]
    assert len(tensors) >= 2
    _compare(
        stored, prefix, {t: _in_their_layout(stored, gradients, t) for t in tensors}
    )


def _model(stored):
    """Our module and the variables that equal the drawn state dict."""
    state = draw_state(stored.shapes)
    head = any(name.endswith("/head") for name in stored.samples)
    options = {"head": head, "aux": stored.options.get("aux", False)}
    module = reference_module(stored.reference, **{**options, **stored.options})
    variables = convert(stored.reference, state, **options)
    if head:
        # Without its head a classifier is its encoder, with the same variables.
        assert reference_module(stored.reference) == module.encoder
        encoder = convert(stored.reference, state)
        inside = {name: tree["encoder"] for name, tree in variables.items()}
        jax.tree.map(np.testing.assert_array_equal, encoder, inside)
    return module, variables


def _trained_model(stored):
    """As `_model`, without the randomness of training."""
    module, variables = _model(stored)
    if hasattr(module, "dropout_rate"):
        module = module.clone(dropout_rate=0.0)
    return module, variables


def _in_float64(module):
    """The same module, its computation in float64."""
    parts = {
        field.name: _in_float64(getattr(module, field.name))
        for field in dataclasses.fields(module)
        if field.name != "parent" and isinstance(getattr(module, field.name), nn.Module)
    }
    return module.clone(dtype=jnp.float64, **parts)


def _evaluate(module, variables, image, *, head):
    def outputs(module, image):
        if not isinstance(module, Classifier):
            return _named(module(image, train=False))
        maps = module.encoder(image, train=False)
        logits = {"head": module.head(maps, train=False)} if head else {}
        return _named(maps) | logits

    return module.apply(variables, image, method=outputs)


def _named(outputs):
    """Outputs by the names of the fixture."""
    if isinstance(outputs, tuple):
        return {f"map{i}": x for i, x in enumerate(outputs)}
    named = {"logits": outputs.logits, "aux_logits": outputs.aux_logits}
    return {name: x for name, x in named.items() if x is not None}


def _run(function, *arguments):
    """Calls a function once, compiled."""
    with jax.default_matmul_precision("highest"):
        return jax.device_get(jax.jit(function)(*arguments))


def _image(size):
    return jnp.asarray(draw_image(size))


def _sizes(stored, mode):
    keys = [key.split("/") for key in stored.samples]
    sizes = {key[1] for key in keys if key[0] == mode}
    return sorted(tuple(map(int, size.split("x"))) for size in sizes)


def _compare(stored, prefix, outputs, tolerance=TOLERANCE):
    expected = {
        name.removeprefix(prefix): sample
        for name, sample in stored.samples.items()
        if name.startswith(prefix)
    }
    assert set(outputs) == set(expected)
    for name, sample in expected.items():
        ours = fixture.sample(prefix + name, outputs[name])
        assert ours.shape == sample.shape
        difference = np.abs(ours.values - sample.values).max()
        assert difference <= tolerance * sample.scale, prefix + name


def _in_their_layout(stored, gradients, tensor):
    """Our gradient by one of their tensors, in its own layout."""
    state = draw_state(stored.shapes)
    # A tensor of its own indices tells where each of its values goes.
    size = int(np.prod(stored.shapes[tensor]))
    assert size < 2**24, "indices must be exact in float32"
    aux = stored.options.get("aux", False)
    before = convert(stored.reference, state, aux=aux)["params"]
    state[tensor] = -1.0 - np.arange(size, dtype=np.float32).reshape(
        stored.shapes[tensor]
    )
    after = convert(stored.reference, state, aux=aux)["params"]
    theirs = np.full(size, np.nan, np.float32)
    for old, new, gradient in zip(
        jax.tree.leaves(before),
        jax.tree.leaves(after),
        jax.tree.leaves(gradients),
        strict=True,
    ):
        if not np.array_equal(old, new):
            theirs[(-1 - new.reshape(-1)).astype(int)] = gradient.reshape(-1)
    return theirs.reshape(stored.shapes[tensor])
