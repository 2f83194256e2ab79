import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from fashionjax import losses, objectives, presets
from fashionjax.data.class_balance import enet_weights, median_frequency_weights
from fashionjax.encoders import ResNet
from fashionjax.models import OCRNet, UNet
from fashionjax.objectives import build_objective, needs_class_pixels
from fashionjax.ops.targets import make_targets
from fashionjax.types import Outputs

CLASSES = 4
ENCODER = ResNet((1, 1, 1, 1), features=4)
UNET = UNet(ENCODER, CLASSES, (8, 8, 8, 8, 8))
PIXELS = np.array([[70, 20, 10, 0], [50, 0, 50, 0], [90, 10, 0, 0]])


def _config(**terms):
    config = presets.base().objective
    for name, changes in terms.items():
        config[name].update(changes)
    return config


def _build(config, model=UNET, pixels=PIXELS):
    return build_objective(config, model, CLASSES, pixels)


def _draw():
    rng = np.random.RandomState(0)
    logits = jnp.asarray(rng.randn(2, 3, 5, CLASSES), jnp.float32)
    label = jnp.asarray(rng.randint(0, CLASSES, (2, 3, 5)), jnp.uint8)
    aux = jnp.asarray(rng.randn(2, 3, 5, CLASSES), jnp.float32)
    return Outputs(logits=logits, aux_logits=aux), make_targets(label, CLASSES)


OUTPUTS, TARGETS = _draw()


def _loss(function, logits=OUTPUTS.logits, **options):
    return jax.jit(lambda: function(logits, TARGETS.label, **options))()


def test_without_further_words_it_is_cross_entropy():
    objective = _build(_config())
    assert [term.name for term in objective.terms] == ["segmentation"]
    total, terms = jax.jit(objective)(OUTPUTS, TARGETS)
    assert total == terms["segmentation"]
    np.testing.assert_allclose(total, _loss(losses.softmax_cross_entropy), rtol=1e-6)


def test_losses_of_pixels_and_regions_are_added_by_weight():
    config = _config(
        segmentation={"weight": 0.5, "foreground_weight": 2.0},
        dice={"weight": 1.0, "smooth": 1.0},
        tversky={"weight": 2.0, "alpha": 0.4, "gamma": 0.75},
        lovasz={"weight": 3.0, "per_image": True, "background_weight": 0.0},
    )
    total, terms = jax.jit(_build(config))(OUTPUTS, TARGETS)
    expected = {
        "segmentation": _loss(losses.softmax_cross_entropy, class_weights=[1, 2, 2, 2]),
        "dice": _loss(losses.dice, smooth=1.0),
        "tversky": _loss(losses.tversky, alpha=0.4, gamma=0.75),
        "lovasz": _loss(
            losses.lovasz_softmax, per_image=True, class_weights=[0, 1, 1, 1]
        ),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-6)
    weights = np.array([0.5, 1, 2, 3])
    np.testing.assert_allclose(
        total, weights @ np.array(list(expected.values())), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "function", "options"),
    [
        ({"loss": "focal", "gamma": 3.0}, losses.focal, {"gamma": 3.0}),
        (
            {"loss": "ohem", "threshold": 0.3, "min_kept": 4},
            losses.ohem_cross_entropy,
            {"threshold": 0.3, "min_kept": 4},
        ),
        (
            {"label_smoothing": 0.1},
            losses.softmax_cross_entropy,
            {"label_smoothing": 0.1},
        ),
    ],
)
@pytest.mark.parametrize("name", ["segmentation", "aux"])
def test_losses_of_pixels_have_their_options(name, changes, function, options):
    config = _config()
    config.aux = presets.loss("aux", 0.4)
    config[name].update(changes)
    model = OCRNet(ENCODER, CLASSES, features=8, key_features=4)
    _, terms = jax.jit(_build(config, model))(OUTPUTS, TARGETS)
    logits = OUTPUTS.aux_logits if name == "aux" else OUTPUTS.logits
    np.testing.assert_allclose(
        terms[name], _loss(function, logits, **options), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("chosen", "factors"),
    [
        ("none", np.ones(4)),
        ("0.5, 1,2,3", [0.5, 1, 2, 3]),
        # Class 3 does not occur.
        ("median_frequency", np.nan_to_num(median_frequency_weights(PIXELS))),
        ("enet", np.nan_to_num(enet_weights(PIXELS))),
    ],
)
def test_class_weights_are_chosen_by_name_or_given(chosen, factors):
    config = _config(segmentation={"class_weights": chosen, "foreground_weight": 2.0})
    value, _ = jax.jit(_build(config))(OUTPUTS, TARGETS)
    weights = (np.array([1, 2, 2, 2]) * factors).tolist()
    np.testing.assert_allclose(
        value, _loss(losses.softmax_cross_entropy, class_weights=weights), rtol=1e-6
    )


def test_the_data_is_asked_for_where_a_term_that_counts_needs_it():
    assert not needs_class_pixels(_config())
    assert needs_class_pixels(_config(segmentation={"class_weights": "enet"}))
    off = {"class_weights": "median_frequency", "weight": 0.0}
    assert not needs_class_pixels(_config(dice=off))
    # Where there is no data they all weigh the same.
    config = _config(segmentation={"class_weights": "median_frequency"})
    value, _ = jax.jit(_build(config, pixels=None))(OUTPUTS, TARGETS)
    np.testing.assert_allclose(value, _loss(losses.softmax_cross_entropy), rtol=1e-6)


def test_counts_of_confusions_are_read_as_probabilities(tmp_path):
    counts = np.array([[6, 2, 0, 0], [0, 5, 5, 0], [0, 0, 9, 0], [0, 0, 0, 0]])
    np.save(tmp_path / "confusion.npy", counts)
    file = str(tmp_path / "confusion.npy")
    objective = _build(_config(segmentation={"annotator_confusion": file}))
    value, _ = jax.jit(objective)(OUTPUTS, TARGETS)
    rows = [[0.75, 0.25, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(
        value,
        _loss(losses.softmax_cross_entropy, annotator_confusion=rows),
        rtol=1e-6,
    )
    np.save(tmp_path / "confusion.npy", counts[:3])
    with pytest.raises(ValueError, match="allowed is a square matrix"):
        _build(_config(segmentation={"annotator_confusion": file}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "hinge"}, "unknown loss 'hinge'; allowed are cross_entropy, focal"),
        (
            {"class_weights": "inverse"},
            r"segmentation\.class_weights='inverse'; allowed are none, median_frequency"
            ", enet, or 4 numbers",
        ),
        ({"class_weights": "1,2,3"}, "or 4 numbers"),
        ({"class_weights": "1,2,3,-1"}, "or 4 numbers, 0 or more"),
        ({"weight": -1.0}, r"segmentation\.weight=-1.0; allowed is 0"),
        # By the loss itself, before data are read.
        ({"loss": "ohem", "threshold": 2.0}, r"threshold 2\.0 of OHEM"),
        (
            {"loss": "focal", "label_smoothing": 0.1},
            r"segmentation\.label_smoothing=0\.1 is of loss 'cross_entropy'; allowed"
            " with 'focal' are gamma",
        ),
    ],
)
def test_values_that_are_not_allowed_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _build(_config(segmentation=changes))


def test_keys_and_terms_that_are_not_known_are_refused():
    config = ConfigDict({"dice": {"weight": 1.0, "alpha": 0.3}})
    with pytest.raises(
        ValueError, match=r"dice has no key 'alpha'; allowed are weight"
    ):
        _build(config)
    with pytest.raises(ValueError, match="unknown loss term 'hinge'; allowed are seg"):
        _build(ConfigDict({"hinge": {"weight": 1.0}}))


def test_every_term_has_its_options():
    assert objectives.OPTIONS.keys() == objectives.TERMS.keys()
