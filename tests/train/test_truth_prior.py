"""Evaluation with some of the truth told in advance."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.augment import Normalization, Prepare
from fashionjax.builders import VARIANTS
from fashionjax.encoders import ResNet
from fashionjax.models import MultitaskUNet
from fashionjax.train.eval_step import make_eval_step
from fashionjax.train.sharding import make_mesh, put_batch
from fashionjax.train.truth_prior import TruthPrior, parse_prior, rule_out
from fashionjax.types import TagPrior, Targets
from tests.train import toy

NAMES = ("background", "shirt, blouse", "hat/cap", "dress", "bag", "shoe")
NUM_TAGS = len(NAMES) - 1


def _targets(num_images=200, seed=0):
    rng = np.random.default_rng(seed)
    return Targets(
        label=jnp.zeros((num_images, 1, 1), jnp.int32),
        tags=jnp.asarray(rng.random((num_images, NUM_TAGS)) < 0.5),
        boxes=jnp.asarray(rng.random((num_images, NUM_TAGS, 4)), jnp.float32),
    )


def _model(variant):
    variant = VARIANTS[variant]
    image_size = toy.SIZE if variant["box_branch"] else None
    return MultitaskUNet(
        ResNet((1, 1), features=4), len(NAMES), image_size=image_size, **variant
    )


def test_an_oracle_tells_every_class():
    targets = _targets()
    prior = parse_prior("oracle", NAMES, toy.toy())
    told = prior.tell(targets, jnp.arange(200))
    np.testing.assert_array_equal(told.present, targets.tags)
    np.testing.assert_array_equal(told.absent, ~targets.tags)
    assert told.boxes is None


def test_chosen_classes_are_told_in_every_image_and_no_others():
    targets = _targets()
    prior = parse_prior('dress,"shirt, blouse"', NAMES, toy.toy())
    told = prior.tell(targets, jnp.arange(200))
    chosen = np.array([True, False, True, False, False])
    np.testing.assert_array_equal(told.present, targets.tags & chosen)
    np.testing.assert_array_equal(told.absent, ~targets.tags & chosen)


def test_what_is_drawn_depends_on_image_and_seed_alone():
    targets = _targets()
    prior = parse_prior("random:0.3", NAMES, toy.toy())
    tell = jax.jit(prior.tell)
    told = jax.device_get(tell(targets, jnp.arange(200)))
    known = told.present | told.absent
    assert not np.any(told.present & told.absent)
    assert 0.25 < known.mean() < 0.35
    # Neither all classes of an image, nor the same ones of every image.
    assert len(np.unique(known, axis=0)) > 10
    some = np.array([150, 3, 77])
    part = jax.device_get(tell(jax.tree.map(lambda x: x[some], targets), some))
    np.testing.assert_array_equal(part.present, told.present[some])
    np.testing.assert_array_equal(part.absent, told.absent[some])
    other = parse_prior("random:0.3", NAMES, toy.toy(), seed=1)
    assert np.any(other.tell(targets, jnp.arange(200)).present != told.present)


def test_what_is_absent_is_never_predicted_and_background_always_may_be():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, len(NAMES))))
    absent = jnp.asarray([[True] * NUM_TAGS, [True, False, False, False, True]])
    prior = TagPrior(present=~absent, absent=absent)
    pred = jnp.argmax(rule_out(logits, prior), axis=-1)
    assert np.all(pred[0] == 0)
    allowed = np.array(logits[1])
    allowed[..., [1, 5]] = -9
    np.testing.assert_array_equal(pred[1], allowed.argmax(axis=-1))


@pytest.mark.parametrize(
    ("spec", "variant", "means", "name"),
    [
        ("oracle", "ours", (), "oracle-mask+tags"),
        ("oracle", "branches", (), "oracle-mask"),
        ("oracle", "ours", ("mask", "boxes"), "oracle-mask+boxes"),
        ("random:0.5", "class_only", (), "random-0.5-seed3-mask+tags"),
        ("random:1", "plain", (), "random-1-mask"),
        ("hat/cap,dress", "class_only", ("tags",), "hat_cap+dress-tags"),
        ('"shirt, blouse",hat/cap,dress,bag,shoe', "plain", (), "1+2+3+4+5-mask"),
    ],
)
def test_a_prior_has_a_name_for_its_folder(spec, variant, means, name):
    prior = parse_prior(spec, NAMES, _model(variant), means=means, seed=3)
    assert prior.name == name


@pytest.mark.parametrize(
    ("spec", "variant", "means", "message"),
    [
        ("gown", "ours", (), "--prior=gown: 'gown' is no class; allowed are oracle,"),
        ("background", "ours", (), "'background' is no class"),
        ("random:2", "ours", (), "allowed are random:0 to random:1"),
        ("random:x", "ours", (), "allowed are random:0 to random:1"),
        ("oracle", "class_only", ("boxes",), "allowed for this model are mask, tags"),
        ("oracle", "branches", ("tags",), "--prior_by=tags; allowed for this model"),
        ("oracle", "ours", ("magic",), "--prior_by=magic; allowed for this model are"),
    ],
)
def test_a_wrong_prior_is_refused(spec, variant, means, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_prior(spec, NAMES, _model(variant), means=means)


def test_an_evaluation_masks_what_the_truth_rules_out():
    model, mesh = toy.toy(), make_mesh(jax.devices()[:1])
    batch = toy.batch(rows=4)
    batch["label"][0] = 0
    batch["label"][1][batch["label"][1] == 1] = 0
    batch["example_mask"] = np.ones(4, bool)
    variables = toy.Training().state.variables
    outputs = {}
    for told in (None, TruthPrior("oracle-mask", ("mask",))):
        step = make_eval_step(
            model,
            toy.OBJECTIVE,
            Prepare(toy.CLASSES, Normalization()),
            mesh=mesh,
            truth=told,
        )
        arguments = (variables["params"], variables["batch_stats"])
        outputs[told is None] = step(*arguments, put_batch(batch, mesh))
    plain, oracle = (np.asarray(outputs[key].sums.confusion) for key in (True, False))
    np.testing.assert_array_equal(plain.sum(axis=1), oracle.sum(axis=1))
    # The first image is background alone: all of it is right now.
    assert oracle[0, 0] > plain[0, 0]
    assert oracle.trace() >= plain.trace()
    # The loss is that of the model's own logits.
    np.testing.assert_array_equal(outputs[True].loss, outputs[False].loss)
