import jax
import numpy as np
import pytest

from fashionjax.optim import optimizers
from fashionjax.train.freezing import check_rule, trainable
from fashionjax.train.sharding import put_batch
from tests.train.toy import Training, batch, phase

ADAMW = optimizers.adamw(b2=0.99, eps=1e-8, weight_decay=0.1)


def _trained(rule):
    training = Training(optimizer=ADAMW, phase=phase(0.01, 0.9, frozen=rule))
    before = jax.device_get(training.state)
    return before, training.run(3)


def _changed(before, after):
    return jax.tree.map(lambda a, b: not np.array_equal(a, b), before, after)


@pytest.mark.parametrize(
    ("rule", "affine", "statistics"),
    [
        ("fastai", True, True),
        ("affine_frozen_stats_update", False, True),
        ("eval", False, False),
    ],
)
def test_a_frozen_encoder_does_what_its_rule_says(rule, affine, statistics):
    before, after = _trained(rule)
    params = _changed(before.params, after.params)
    # Neither gradients nor weight decay touch a frozen kernel.
    assert params["encoder"]["conv"] == {"kernel": False, "bias": False}
    assert params["encoder"]["norm"] == {"scale": affine, "bias": affine}
    assert params["head"] == {"kernel": True, "bias": True}
    assert params["norm"] == {"scale": True, "bias": True}
    stats = _changed(before.batch_stats, after.batch_stats)
    assert stats["encoder"]["norm"] == {"mean": statistics, "var": statistics}
    assert stats["norm"] == {"mean": True, "var": True}


def test_the_rule_eval_normalises_by_running_statistics():
    _, eval_state = _trained("eval")
    _, other = _trained("affine_frozen_stats_update")
    # Fresh running statistics are mean 0 and variance 1, not those of the batch.
    assert not np.array_equal(
        eval_state.params["head"]["kernel"], other.params["head"]["kernel"]
    )


def test_without_a_rule_everything_is_trained():
    before, after = _trained(None)
    assert all(jax.tree.leaves(_changed(before.params, after.params)))


def test_a_frozen_encoder_costs_no_weight_gradients():
    texts = {}
    for rule in (None, "eval"):
        training = Training(phase=phase(frozen=rule))
        args = training.state, put_batch(batch(), training.mesh), jax.random.key(0)
        texts[rule] = training.step.lower(*args).compile().as_text()
    assert texts["eval"].count(" convolution(") < texts[None].count(" convolution(")


def test_only_batch_norms_of_the_encoder_are_told_apart():
    params = {
        "encoder": {"norm": {"scale": 0, "bias": 0}, "dense": {"kernel": 0, "bias": 0}},
        "encoder_2": {"kernel": 0},
    }
    stats = {"encoder": {"norm": {"mean": 0, "var": 0}}}
    mask = trainable(params, stats, "fastai")
    assert mask["encoder"]["norm"] == {"scale": True, "bias": True}
    assert mask["encoder"]["dense"] == {"kernel": False, "bias": False}
    assert mask["encoder_2"] == {"kernel": True}


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match=r"name='keras'; allowed are fastai, affine_f"):
        check_rule("keras", "name")
