import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.builders import VARIANTS
from fashionjax.encoders import ResNet
from fashionjax.models import MultitaskUNet
from fashionjax.models.multitask_unet import detach_branches

SIZE = (64, 32)
FULL = (512, 384, 256, 96)
SLIM = (256, 128, 64, 32)


def _model(variant, size=SIZE, **changes):
    options = {
        "encoder": ResNet((1, 1, 1, 1), features=4),
        "num_classes": 9,
        "decoder_features": (16, 8, 8, 4),
        "branch_features": 8,
    }
    variant = VARIANTS[variant]
    image_size = size if variant["box_branch"] else None
    return MultitaskUNet(**(options | variant | {"image_size": image_size} | changes))


def _variables(model, size=SIZE, seed=0):
    """Variables with random statistics, so that normalisation does something."""
    variables = model.init(jax.random.key(seed), jnp.zeros((1, *size, 3)), train=False)
    rng = np.random.RandomState(seed)
    stats = jax.tree.map(
        lambda x: jnp.asarray(rng.uniform(0.5, 1.5, x.shape), jnp.float32),
        variables["batch_stats"],
    )
    return {"params": variables["params"], "batch_stats": stats}


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
    outputs = model.apply(_variables(model), _image(), train=False)
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


def test_parameters_are_float32_whatever_the_computation():
    variables = _variables(_model("ours", dtype=jnp.bfloat16))
    assert {x.dtype for x in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


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


def test_every_encoder_feature_reaches_the_logits():
    model = _model("plain")
    variables = _variables(model)
    maps = model.encoder.apply(
        {k: v["encoder"] for k, v in variables.items()}, _image(), train=False
    )

    class Given(ResNet):
        def __call__(self, image, *, train):
            return given

    def total(features):
        nonlocal given
        given = features
        taps = model.clone(encoder=Given((1, 1, 1, 1)))
        return taps.apply(variables, _image(), train=False).logits.sum()

    given = maps
    grads = jax.grad(total)(maps)
    assert len(grads) == 5
    assert all(np.abs(g).max() > 0 for g in grads)


def test_branch_logits_change_the_segmentation_only_where_injected():
    for variant in ("ours", "class_only", "branches"):
        model = _model(variant)
        variables = _variables(model)

        def logits(bias, model=model, variables=variables):
            params = dict(variables["params"])
            branch = dict(params["tag_branch"])
            branch["output"] = {**branch["output"], "bias": bias}
            params["tag_branch"] = branch
            outputs = model.apply(
                {**variables, "params": params}, _image(), train=False
            )
            return outputs.logits.sum()

        gradient = jax.grad(logits)(jnp.zeros(8))
        assert bool(np.any(gradient)) == (variant != "branches"), variant


def test_multiplication_leaves_background_and_scales_classes_by_their_probability():
    model, plain = _model("class_only"), _model("plain")
    variables = _variables(model)
    outputs = model.apply(variables, _image(), train=False)
    expected = plain.apply(variables, _image(), train=False).logits
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
    outputs = model.apply(variables, _image(), train=False)
    plain = _model("plain").apply(variables, _image(), train=False).logits
    probs = np.asarray(jax.nn.softmax(plain))
    probs[..., 1:] *= np.asarray(jax.nn.sigmoid(outputs.tag_logits))[:, None, None]
    probs /= probs.sum(-1, keepdims=True)
    np.testing.assert_allclose(np.exp(outputs.logits), probs, rtol=1e-4, atol=1e-6)


def test_detached_branches_leave_the_logits_as_they_are_at_any_size():
    model = _model("branches")
    variables = _variables(model)
    plain, kept = detach_branches(model, variables)
    np.testing.assert_array_equal(
        plain.apply(kept, _image(), train=False).logits,
        model.apply(variables, _image(), train=False).logits,
    )
    assert "box_branch" not in kept["params"]
    other = _image((96, 64), batch=1)
    assert plain.apply(kept, other, train=False).logits.shape == (1, 96, 64, 9)


def test_injected_branches_cannot_be_detached():
    model = _model("ours")
    with pytest.raises(ValueError, match="'concat' are part of the segmentation"):
        detach_branches(model, {})


@pytest.mark.parametrize(
    ("changes", "size", "message"),
    [
        ({}, (64, 48), "64×48 is not divisible by 32"),
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
