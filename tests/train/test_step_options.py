"""Accumulation, moving averages, skipping, stopping: on a model of two layers."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.augment import Normalization, Prepare
from fashionjax.losses import Objective, Term
from fashionjax.optim import optimizers, schedules
from fashionjax.train.phases import Phase
from fashionjax.train.sharding import put_batch
from fashionjax.train.state import restart_optimizer
from fashionjax.types import Outputs
from tests.train.toy import CLASSES, OBJECTIVE, Encoder, Training, batch, phase, toy


class Plain(nn.Module):
    """No BatchNorm but the encoder's."""

    encoder: nn.Module

    @nn.compact
    def __call__(self, image, *, train):
        x = self.encoder(image, train=train)
        return Outputs(logits=nn.Conv(CLASSES, (1, 1), name="head")(x))


def _kernels(state):
    return state.params["encoder"]["conv"]["kernel"], state.params["head"]["kernel"]


def test_accumulation_averages_the_gradients_of_the_parts():
    # Without BatchNorm in training mode, parts and whole have the same gradient.
    whole, parts = (
        Training(
            phase=phase(0.1, frozen="eval"),
            prepare=Prepare(CLASSES, Normalization()),
            model=Plain(Encoder()),
            accumulate_steps=n,
        )
        for n in (1, 4)
    )
    a, b = whole.run(3), parts.run(3)
    np.testing.assert_allclose(a.params["head"]["kernel"], b.params["head"]["kernel"])
    np.testing.assert_allclose(whole.metrics[0]["loss"], parts.metrics[0]["loss"], 1e-6)


def test_statistics_see_the_parts_one_after_another():
    one, four = Training(), Training(accumulate_steps=4)
    decay = {}
    for name, training in (("one", one), ("four", four)):
        before = jax.device_get(training.state.batch_stats)["encoder"]["norm"]["var"]
        after = training.run(1).batch_stats["encoder"]["norm"]["var"]
        decay[name] = np.abs(after - before).mean()
    # 1 - 0.9^4 of the way instead of 1 - 0.9.
    assert 2.5 < decay["four"] / decay["one"] < 4.0


def test_accumulation_leaves_rows_on_their_devices():
    training = Training(num_devices=8, accumulate_steps=2)
    raw = put_batch(batch(rows=16), training.mesh)
    text = training.step.lower(training.state, raw, jax.random.key(0)).compile()
    for collective in ("all-gather", "all-to-all", "collective-permute"):
        assert collective not in text.as_text()


def test_accumulation_is_the_same_on_one_and_on_eight_devices():
    one, eight = (
        Training(num_devices=n, accumulate_steps=2, model=toy()) for n in (1, 8)
    )
    a, b = one.run(1, rows=16), eight.run(1, rows=16)
    for x, y in zip(_kernels(a), _kernels(b), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def test_moving_averages_follow_parameters_and_statistics():
    training = Training(ema=True, ema_decay=0.9)
    start = jax.device_get(training.state)
    expected = jax.tree.map(np.copy, start.variables)
    for step in range(4):
        after = training.run(1)
        decay = min(0.9, (1 + step) / (10 + step))
        new = {"params": after.params, "batch_stats": after.batch_stats}
        expected = jax.tree.map(
            lambda a, x, d=decay: d * a + (1 - d) * x, expected, new
        )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        after.ema,
        expected,
    )
    assert after.variables is after.ema
    plain = Training().run(4)
    for x, y in zip(_kernels(after), _kernels(plain), strict=True):
        np.testing.assert_array_equal(x, y)


def _poisoned():
    """The toy's objective, NaN in the images whose label starts with class 0."""

    def loss(outputs, targets):
        value = OBJECTIVE(outputs, targets)[0]
        return jnp.where(targets.label[0, 0, 0] == 0, jnp.nan, value)

    return Objective((Term("segmentation", 1.0, loss),))


def test_a_step_that_is_not_finite_changes_nothing_but_the_count():
    clean = Prepare(CLASSES, Normalization())
    training = Training(objective=_poisoned(), prepare=clean, ema=True, ema_decay=0.9)
    first = [int(batch(seed)["label"][0, 0, 0]) for seed in range(40)]
    bad = {seed for seed, value in enumerate(first) if value == 0}
    assert bad
    consecutive = 0
    for step in range(12):
        before = jax.device_get(training.state)
        after = training.run(1)
        health = training.health[-1]
        assert after.step == step + 1
        consecutive = consecutive + 1 if step in bad else 0
        assert health.harmless == (step not in bad)
        assert health.num_skipped == after.num_skipped == consecutive
        for name in ("params", "batch_stats", "opt_state", "ema"):
            same = jax.tree.map(
                np.array_equal, getattr(before, name), getattr(after, name)
            )
            assert all(jax.tree.leaves(same)) == (step in bad), name


def test_gradients_that_are_not_finite_are_seen_where_the_loss_is():
    def loss(outputs, targets):
        del targets
        # The square root's slope at 0 is infinite.
        return jnp.sqrt(jnp.sum(outputs.logits * 0)) + jnp.float32(1)

    training = Training(objective=Objective((Term("segmentation", 1.0, loss),)))
    training.run(1)
    assert training.metrics[0]["loss"] == 1
    assert not training.health[0].harmless


def test_one_process_that_is_asked_to_stop_stops_all():
    training = Training(num_devices=8)
    training.run(1)
    assert training.health[0].stop == 0
    raw = put_batch(batch(), training.mesh)
    flags = np.zeros(8, np.int32)
    flags[5] = 1  # the rows of one of several processes
    raw["stop"] = jax.device_put(flags, raw["stop"].sharding)
    _, _, health = training.step(training.state, raw, jax.random.key(1))
    assert health.stop == 1


def test_a_phase_counts_its_own_steps():
    ramp = Phase(
        "late", 2, 10, lambda step: 0.1 * (step + 1), lambda step: 0.5 + 0.1 * step
    )
    training = Training(phase=ramp)
    training.state = training.state.replace(step=jnp.int32(2))
    training.run(3)
    rates = [m["learning_rate"] for m in training.metrics]
    np.testing.assert_allclose(rates, [0.1, 0.2, 0.3], rtol=1e-6)
    momenta = [m["momentum"] for m in training.metrics]
    np.testing.assert_allclose(momenta, [0.5, 0.6, 0.7], rtol=1e-6)


def test_the_optimiser_restarts_with_nothing_but_its_state():
    training = Training(
        optimizer=optimizers.adamw(b2=0.99, eps=1e-8, weight_decay=0.0),
        phase=phase(0.01, 0.9),
    )
    trained = training.run(3)
    again = restart_optimizer(training.state, training.optimizer, training.mesh)
    assert all(not np.any(x) for x in jax.tree.leaves(again.opt_state))
    assert any(np.any(x) for x in jax.tree.leaves(trained.opt_state))
    for x, y in zip(_kernels(again), _kernels(trained), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("loss_scale", [False, True])
def test_every_part_of_the_state_is_donated(loss_scale):
    training = Training(
        ema=True,
        ema_decay=0.9,
        loss_scale=loss_scale,
        optimizer=optimizers.adamw(b2=0.99, eps=1e-8, weight_decay=0.0),
        phase=Phase("all", 0, 9, schedules.constant(0.1), schedules.constant(0.9)),
    )
    raw = put_batch(batch(), training.mesh)
    compiled = training.step.lower(training.state, raw, jax.random.key(0)).compile()
    header = compiled.as_text().split("\n", 1)[0]
    aliased = {int(n) for n in re.findall(r"\{(\d+)\}: \(\d+, \{\}", header)}
    assert aliased >= set(range(len(jax.tree.leaves(training.state))))
