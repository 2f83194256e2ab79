import jax.numpy as jnp
import numpy as np

from fashionjax.train.precision import GROWTH_INTERVAL, LossScale
from tests.train.toy import Training, phase, toy


def test_the_scale_is_halved_at_once_and_doubled_after_a_thousand_good_steps():
    scale = LossScale.create()
    assert scale.scale == 2**16
    scale = scale.update(jnp.asarray(False))
    assert (scale.scale, scale.num_good) == (2**15, 0)
    for _ in range(GROWTH_INTERVAL - 1):
        scale = scale.update(jnp.asarray(True))
    assert scale.scale == 2**15
    scale = scale.update(jnp.asarray(True))
    assert (scale.scale, scale.num_good) == (2**16, 0)


def test_the_scale_stays_between_its_bounds():
    low = LossScale(jnp.float32(1), jnp.int32(0)).update(jnp.asarray(False))
    assert low.scale == 1
    high = LossScale(jnp.float32(2**24), jnp.int32(GROWTH_INTERVAL - 1))
    assert high.update(jnp.asarray(True)).scale == 2**24


def test_scaling_changes_no_gradient_in_float32():
    plain, scaled = Training(), Training(loss_scale=True)
    a, b = plain.run(3), scaled.run(3)
    # Powers of two are exact.
    np.testing.assert_array_equal(
        a.params["encoder"]["conv"]["kernel"], b.params["encoder"]["conv"]["kernel"]
    )
    assert plain.metrics[0]["loss"] == scaled.metrics[0]["loss"]
    assert scaled.metrics[0]["loss_scale"] == 2**16


def test_float16_overflow_skips_the_update_and_lowers_the_scale():
    training = Training(model=toy(jnp.float16), loss_scale=True, phase=phase(1e-3))
    big = training.state.loss_scale.replace(scale=jnp.float32(2.0**24))
    training.state = training.state.replace(loss_scale=big)
    before = np.asarray(training.state.params["head"]["kernel"])
    after = training.run(1)
    assert after.loss_scale.scale == 2**23
    np.testing.assert_array_equal(after.params["head"]["kernel"], before)
    # What the loss scale mends is no failure.
    assert training.health[0].harmless
    assert training.metrics[0]["skipped"] == 1
    while training.metrics[-1]["skipped"]:
        after = training.run(1)
    assert not np.array_equal(after.params["head"]["kernel"], before)
    assert after.params["head"]["kernel"].dtype == np.float32


def test_float16_trains_like_float32():
    losses = {}
    for dtype in (jnp.float16, jnp.float32):
        training = Training(
            model=toy(dtype), loss_scale=dtype == jnp.float16, phase=phase(0.1, 0.9)
        )
        training.run(30)
        losses[dtype] = [m["loss"] for m in training.metrics]
    assert losses[jnp.float16][-1] < 0.5 * losses[jnp.float16][0]
    np.testing.assert_allclose(losses[jnp.float16], losses[jnp.float32], rtol=0.05)


def test_a_model_that_overflows_at_scale_one_is_not_finite():
    training = Training(model=toy(jnp.float16), loss_scale=True, phase=phase(1e-3))
    low = training.state.loss_scale.replace(scale=jnp.float32(1.0))
    params = {**training.state.params}
    params["head"] = {**params["head"], "bias": jnp.full(3, jnp.inf)}
    training.state = training.state.replace(loss_scale=low, params=params)
    training.run(1)
    assert not training.health[0].harmless
