import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import VARIANTS
from fashionjax.encoders import VGG, ResNet
from fashionjax.models import MultitaskUNet
from fashionjax.models.multitask_unet import detach_branches
from fashionjax.types import TagPrior

SIZE = (64, 32)
FULL = (512, 384, 256, 96)
SLIM = (256, 128, 64, 32)


def _model(variant, size=SIZE, **changes):
    variant = VARIANTS[variant]
    dtype = changes.get("dtype", jnp.float32)
    options = {
        "encoder": ResNet((1, 1, 1, 1), features=4, dtype=dtype),
        "num_classes": 9,
        "decoder_features": (16, 8, 8, 4),
        "branch_features": 8,
        "image_size": size if variant["box_branch"] else None,
    }
    return MultitaskUNet(**(options | variant | changes))


@functools.cache
def _variables(model):
    """Variables with random statistics, so that normalisation does something."""
    init = jax.jit(functools.partial(model.init, train=False))
    variables = init(jax.random.key(0), jnp.zeros((1, *SIZE, 3)))
    rng = np.random.RandomState(0)
    stats = jax.tree.map(
        lambda x: jnp.asarray(rng.uniform(0.5, 1.5, x.shape), jnp.float32),
        variables["batch_stats"],
    )
    return {"params": variables["params"], "batch_stats": stats}


@functools.cache
def _apply(model):
    return jax.jit(functools.partial(model.apply, train=False))


def _image(size=SIZE, batch=2):
    return jnp.asarray(np.random.RandomState(1).randn(batch, *size, 3), jnp.float32)


@pytest.mark.parametrize(
    ("variant", "widths", "count"),
    [
        ("plain", FULL, 42_328_306),
        ("class_only", FULL, 42_858_234),
        ("branches", FULL, 57_031_962),
        ("ours", FULL, 57_203_842),
        ("plain", SLIM, 33_894_066),
        ("class_only", SLIM, 34_423_994),
        ("branches", SLIM, 48_597_722),
        ("ours", SLIM, 48_677_442),
    ],
)
def test_parameter_counts_are_those_of_the_specification(variant, widths, count):
    model = _model(
        variant,
        (288, 192),
        encoder=ResNet((3, 4, 6, 3)),
        decoder_features=widths,
        branch_features=512,
    )
    variables = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, 288, 192, 3)), train=False)
    )
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == count


@pytest.mark.parametrize("variant", VARIANTS)
def test_outputs_have_the_promised_shapes_and_types(variant):
    model = _model(variant, dtype=jnp.bfloat16)
    outputs, variables = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), _image(), train=False)
    )
    # Parameters are float32 whatever the computation.
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    assert outputs.logits.shape == (2, *SIZE, 9)
    assert outputs.logits.dtype == jnp.float32
    assert outputs.aux_logits is None
    if VARIANTS[variant]["tag_branch"]:
        assert outputs.tag_logits.shape == (2, 8)
        assert outputs.tag_logits.dtype == jnp.float32
    else:
        assert outputs.tag_logits is None
    if VARIANTS[variant]["box_branch"]:
        assert outputs.box_logits.shape == (2, 8, 4)
        assert outputs.box_logits.dtype == jnp.float32
    else:
        assert outputs.box_logits is None


@pytest.mark.parametrize("encoder", [None, VGG((1, 1, 1, 1, 1), features=4)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_as_large_as_any_image(variant, encoder):
    size = (97, 65)
    model = _model(variant, size)
    if encoder is not None:
        # It has a map at full size too.
        model = model.clone(encoder=encoder, decoder_features=(16, 8, 8, 4, 4))
    outputs, _ = jax.eval_shape(
        lambda: model.init_with_output(jax.random.key(0), _image(size), train=False)
    )
    assert outputs.logits.shape == (2, *size, 9)


def test_every_convolution_runs_in_bfloat16_where_asked():
    model = _model("ours", dtype=jnp.bfloat16)
    variables = _variables(model)

    def loss(params):
        outputs = model.apply({**variables, "params": params}, _image(), train=False)
        return jnp.sum(outputs.logits)

    for platform in ("cuda", "tpu"):
        text = (
            jax.jit(jax.grad(loss))
            .trace(variables["params"])
            .lower(lowering_platforms=(platform,))
            .as_text()
        )
        results = re.findall(r"stablehlo\.convolution.*-> tensor<[0-9x]*x(\w+)>", text)
        assert len(results) > 30
        assert set(results) == {"bf16"}


class _Given(nn.Module):
    """An encoder that returns the feature maps it was made with."""

    maps: tuple
    reductions = (2, 4, 8, 16, 32)

    def __call__(self, image, *, train):
        del image, train
        return self.maps


def test_every_encoder_feature_reaches_the_logits():
    model = _model("plain")
    variables = _variables(model)
    channels = (4, 4, 8, 16, 32)
    maps = tuple(
        jnp.ones((1, SIZE[0] // r, SIZE[1] // r, c))
        for r, c in zip(_Given.reductions, channels, strict=True)
    )

    def total(maps):
        given = model.clone(encoder=_Given(maps))
        logits = given.apply(variables, _image(batch=1), train=False).logits
        return jnp.sum(jnp.sin(logits))

    grads = jax.jit(jax.grad(total))(maps)
    assert all(np.abs(g).max() > 0 for g in grads)


@pytest.mark.parametrize("variant", ["ours", "class_only", "branches"])
def test_branch_logits_change_the_segmentation_only_where_injected(variant):
    model = _model(variant)
    variables = _variables(model)
    before = _apply(model)(variables, _image()).logits
    params = dict(variables["params"])
    output = params["tag_branch"]["output"]
    output = {**output, "bias": output["bias"] + 1.0}
    params["tag_branch"] = {**params["tag_branch"], "output": output}
    after = _apply(model)({**variables, "params": params}, _image()).logits
    assert np.array_equal(before, after) == (variant == "branches")


def test_multiplication_leaves_background_and_scales_classes_by_their_probability():
    model, plain = _model("class_only"), _model("plain")
    variables = _variables(model)
    outputs = _apply(model)(variables, _image())
    expected = _apply(plain)(variables, _image()).logits
    factor = 1 / (1 + np.exp(-np.asarray(outputs.tag_logits)))
    np.testing.assert_allclose(outputs.logits[..., 0], expected[..., 0], rtol=1e-5)
    np.testing.assert_allclose(
        outputs.logits[..., 1:],
        expected[..., 1:] * factor[:, None, None],
        rtol=1e-4,
        atol=1e-5,
    )


def test_multiplying_probabilities_renormalises_them():
    model = _model("class_only", injection="multiply_probs")
    variables = _variables(model)
    outputs = _apply(model)(variables, _image())
    plain = _apply(_model("plain"))(variables, _image()).logits
    probs = np.array(jax.nn.softmax(plain))
    probs[..., 1:] *= np.asarray(jax.nn.sigmoid(outputs.tag_logits))[:, None, None]
    probs /= probs.sum(-1, keepdims=True)
    np.testing.assert_allclose(np.exp(outputs.logits), probs, rtol=1e-4, atol=1e-6)


def test_detached_branches_leave_the_logits_as_they_are_at_any_size():
    model = _model("branches")
    variables = _variables(model)
    plain, kept = detach_branches(model, variables)
    np.testing.assert_array_equal(
        _apply(plain)(kept, _image()).logits,
        _apply(model)(variables, _image()).logits,
    )
    assert "box_branch" not in kept["params"]
    other = _image((96, 64), batch=1)
    assert _apply(plain)(kept, other).logits.shape == (1, 96, 64, 9)


def test_injected_branches_cannot_be_detached():
    model = _model("ours")
    with pytest.raises(ValueError, match="'concat' are part of the segmentation"):
        detach_branches(model, {})


@pytest.mark.parametrize(
    ("changes", "size", "message"),
    [
        ({"image_size": (32, 32)}, (64, 32), r"built for image_size=\(32, 32\)"),
        ({"injection": "add"}, (64, 32), "injection 'add' is none of"),
        (
            {"tag_branch": False, "injection": "multiply_logits"},
            (64, 32),
            "needs tag_branch=True",
        ),
    ],
)
def test_wrong_use_is_refused(changes, size, message):
    model = _model("ours", **changes)
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), jnp.zeros((1, *size, 3)), train=False)


def _prior(boxes=None):
    """Of the first image the first classes are known, nothing of the second."""
    present, absent = np.zeros((2, 2, 8), bool)
    present[0, :2], absent[0, 2:5] = True, True
    return TagPrior(jnp.asarray(present), jnp.asarray(absent), boxes)


def _with_branch_bias(variables, branch, change):
    params = dict(variables["params"])
    output = params[branch]["output"]
    output = {**output, "bias": output["bias"] + change}
    params[branch] = {**params[branch], "output": output}
    return {**variables, "params": params}


def _with_heavy_injection(variables):
    """The kernel starts with zeros for what is injected, which would hide it."""
    params = dict(variables["params"])
    kernel = params["residual_conv1"]["kernel"]
    noise = np.random.RandomState(2).randn(*kernel.shape).astype(np.float32)
    params["residual_conv1"] = {"kernel": kernel + 0.1 * noise}
    return {**variables, "params": params}


def test_nothing_known_changes_nothing():
    nothing = TagPrior(jnp.zeros((1, 8), bool), jnp.zeros((1, 8), bool))
    for variant in ("ours", "class_only"):
        model = _model(variant)
        variables = _variables(model)
        told = _apply(model)(variables, _image(), prior=nothing)
        jax.tree.map(
            np.testing.assert_array_equal, told, _apply(model)(variables, _image())
        )


def test_a_prior_corrects_the_injected_tags():
    model = _model("ours")
    variables = _with_heavy_injection(_variables(model))
    # Surely present, surely absent: one of each is right already.
    sure = jnp.array([9.0, -9.0, 9.0, -9.0, 0.5, 9.0, -9.0, 0.0])
    variables = _with_branch_bias(variables, "tag_branch", sure)
    plain = _apply(model)(variables, _image())
    told = _apply(model)(variables, _image(), prior=_prior())
    np.testing.assert_array_equal(told.tag_logits, plain.tag_logits)
    # The second image is as it was, whatever is known of the first.
    np.testing.assert_allclose(told.logits[1], plain.logits[1], atol=1e-5)
    assert np.abs(told.logits[0] - plain.logits[0]).max() > 1e-2
    # The same as a branch that is right of its own accord: where it was already, it
    # stays as sure as it was.
    right = np.array(plain.tag_logits)[0]
    assert right[0] > 5
    assert right[3] < -5
    right[[1, 2, 4]] = 2, -2, -2
    change = right - plain.tag_logits[0]
    certain = _with_branch_bias(variables, "tag_branch", change)
    expected = _apply(model)(certain, _image()).logits[0]
    np.testing.assert_allclose(told.logits[0], expected, rtol=1e-4, atol=1e-4)


def test_a_prior_with_boxes_takes_the_place_of_the_injected_boxes():
    model = _model("ours")
    variables = _with_heavy_injection(_variables(model))
    boxes = np.random.RandomState(3).uniform(0.1, 0.9, (2, 8, 4)).astype(np.float32)
    boxes[0, 0] = (0, 0, 1, 1)
    plain = _apply(model)(variables, _image(), prior=_prior())
    told = _apply(model)(variables, _image(), prior=_prior(jnp.asarray(boxes)))
    np.testing.assert_array_equal(told.box_logits, plain.box_logits)
    np.testing.assert_allclose(told.logits[1], plain.logits[1], atol=1e-5)
    known = np.log(np.maximum(boxes, 1e-9) / np.maximum(1 - boxes, 1e-9))
    change = np.clip(known, -4, 4) - np.asarray(plain.box_logits)
    change = np.where(_prior().present[..., None], change, 0)[0].ravel()
    certain = _with_branch_bias(variables, "box_branch", change)
    expected = _apply(model)(certain, _image(), prior=_prior()).logits[0]
    assert np.abs(plain.logits[0] - expected).max() > 1e-2
    np.testing.assert_allclose(told.logits[0], expected, rtol=1e-4, atol=1e-4)


def test_a_prior_multiplies_by_exactly_one_and_zero():
    prior = _prior()
    for injection in ("multiply_logits", "multiply_probs"):
        model = _model("class_only", injection=injection)
        variables = _variables(model)
        plain = _apply(_model("plain"))(variables, _image()).logits[0]
        told = _apply(model)(variables, _image(), prior=prior).logits[0]
        if injection == "multiply_logits":
            np.testing.assert_allclose(told[..., :3], plain[..., :3], rtol=1e-5)
            assert np.all(told[..., 3:6] == 0)
        else:
            probs = np.asarray(jax.nn.softmax(told))
            assert np.all(probs[..., 3:6] == 0)
            assert np.all(np.isfinite(told))


@pytest.mark.parametrize(
    ("variant", "prior", "message"),
    [
        ("branches", _prior(), "a prior needs a model that injects tags"),
        ("plain", _prior(), "a prior needs a model that injects tags"),
        ("class_only", _prior(jnp.zeros((2, 8, 4))), "a model that injects boxes"),
    ],
)
def test_a_prior_that_nobody_would_hear_is_refused(variant, prior, message):
    model = _model(variant)
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), _image(), train=False, prior=prior)
