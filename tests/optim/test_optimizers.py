"""Tests of the optimisers against optax and against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fashionjax.optim import optimizers

NUM_STEPS = 7
RATES = [1e-3, 5e-3, 2e-2, 1e-2, 3e-3, 1e-4, 1e-6]
MOMENTA = [0.95, 0.9, 0.85, 0.85, 0.9, 0.93, 0.95]
BETA2, EPS, DECAY = 0.99, 1e-8, 0.05

OPTIMIZERS = {
    "adamw": lambda **k: optimizers.adamw(b2=BETA2, eps=EPS, weight_decay=DECAY, **k),
    "adam": lambda **k: optimizers.adam(b2=BETA2, eps=EPS, **k),
    "sgd": lambda **k: optimizers.sgd(weight_decay=DECAY, **k),
    "nesterov": lambda **k: optimizers.sgd(weight_decay=DECAY, nesterov=True, **k),
}


def _params():
    rng = np.random.default_rng(0)
    return {
        "conv": {"kernel": rng.normal(size=(3, 4)).astype(np.float32)},
        "norm": {"scale": np.ones(4, np.float32), "bias": np.zeros(4, np.float32)},
    }


def _grads(step):
    rng = np.random.default_rng(step + 1)
    return jax.tree.map(
        lambda p: rng.normal(size=p.shape).astype(np.float32), _params()
    )


def _run(optimizer, rates=RATES, momenta=MOMENTA):
    """Returns the parameters after each step of one compiled update."""

    @jax.jit
    def update(params, state, grads, rate, momentum):
        updates, state = optimizer.update(
            grads, state, params, learning_rate=rate, momentum=momentum
        )
        return optax.apply_updates(params, updates), state

    params, seen = jax.tree.map(jnp.asarray, _params()), []
    state = optimizer.init(params)
    for step, (rate, momentum) in enumerate(zip(rates, momenta, strict=True)):
        scalars = np.float32(rate), np.float32(momentum)
        params, state = update(params, state, _grads(step), *scalars)
        seen.append(params)
    assert update._cache_size() == 1
    return seen


def _run_optax(build):
    """As `_run` with constant values, which optax takes in float32 as well."""

    @jax.jit
    def update(params, state, grads, rate, momentum):
        updates, state = build(rate, momentum).update(grads, state, params)
        return optax.apply_updates(params, updates), state

    params, seen = jax.tree.map(jnp.asarray, _params()), []
    state = build(0.0, 0.0).init(params)
    for step in range(NUM_STEPS):
        scalars = np.float32(3e-3), np.float32(0.9)
        params, state = update(params, state, _grads(step), *scalars)
        seen.append(params)
    return seen


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("adamw", lambda r, m: optax.adamw(r, m, BETA2, EPS, weight_decay=DECAY)),
        ("adam", lambda r, m: optax.adam(r, m, BETA2, EPS)),
        (
            "sgd",
            lambda r, m: optax.chain(
                optax.add_decayed_weights(DECAY), optax.sgd(r, m, nesterov=False)
            ),
        ),
        (
            "nesterov",
            lambda r, m: optax.chain(
                optax.add_decayed_weights(DECAY), optax.sgd(r, m, nesterov=True)
            ),
        ),
    ],
)
def test_constant_schedules_give_exactly_what_optax_gives(name, build):
    ours = _run(OPTIMIZERS[name](), [3e-3] * NUM_STEPS, [0.9] * NUM_STEPS)
    jax.tree.map(np.testing.assert_array_equal, ours, _run_optax(build))


def _adam_oracle(decay):
    """fastai's order: decay first, then Adam's step, here in float64."""
    params = jax.tree.map(np.float64, _params())
    m = jax.tree.map(np.zeros_like, params)
    v = jax.tree.map(np.zeros_like, params)
    for step, (rate, beta1) in enumerate(zip(RATES, MOMENTA, strict=True)):
        grads = _grads(step)
        m = jax.tree.map(lambda m, g, b=beta1: b * m + (1 - b) * g, m, grads)
        v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g**2, v, grads)
        params = jax.tree.map(lambda p, r=rate: p * (1 - r * decay), params)
        scale = 1 - beta1 ** (step + 1), 1 - BETA2 ** (step + 1)
        params = jax.tree.map(
            lambda p, m, v, r=rate, s=scale: (
                p - r * (m / s[0]) / (np.sqrt(v / s[1]) + EPS)
            ),
            params,
            m,
            v,
        )
        yield params


def _sgd_oracle(nesterov):
    params = jax.tree.map(np.float64, _params())
    trace = jax.tree.map(np.zeros_like, params)
    for step, (rate, momentum) in enumerate(zip(RATES, MOMENTA, strict=True)):
        grads = jax.tree.map(lambda g, p: g + DECAY * p, _grads(step), params)
        trace = jax.tree.map(lambda t, g, m=momentum: m * t + g, trace, grads)
        move = (
            jax.tree.map(lambda t, g, m=momentum: g + m * t, trace, grads)
            if nesterov
            else trace
        )
        params = jax.tree.map(lambda p, u, r=rate: p - r * u, params, move)
        yield params


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("adamw", lambda: _adam_oracle(DECAY)),
        ("adam", lambda: _adam_oracle(0.0)),
        ("sgd", lambda: _sgd_oracle(False)),
        ("nesterov", lambda: _sgd_oracle(True)),
    ],
)
def test_each_update_follows_its_own_rate_and_momentum(name, oracle):
    for ours, theirs in zip(_run(OPTIMIZERS[name]()), oracle(), strict=True):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7),
            ours,
            theirs,
        )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_is_arrays_of_one_structure_for_any_rate(name):
    optimizer = OPTIMIZERS[name]()
    state = optimizer.init(_params())
    _, after = optimizer.update(
        _grads(0), state, _params(), learning_rate=0.1, momentum=0.5
    )
    assert jax.tree.structure(state) == jax.tree.structure(after)
    for before, later in zip(
        jax.tree.leaves(state), jax.tree.leaves(after), strict=True
    ):
        assert isinstance(before, jax.Array)
        assert isinstance(later, jax.Array)
        assert (before.shape, before.dtype) == (later.shape, later.dtype)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_are_clipped_before_all_else(name):
    norm = 0.25
    clipped = OPTIMIZERS[name](clip_norm=norm)
    plain = OPTIMIZERS[name]()
    grads = _grads(0)
    factor = norm / float(optax.tree.norm(grads))
    assert factor < 1
    scaled = jax.tree.map(lambda g: g * factor, grads)
    given = {"learning_rate": 0.1, "momentum": 0.9}
    ours, ours_state = clipped.update(
        grads, clipped.init(_params()), _params(), **given
    )
    theirs, theirs_state = plain.update(
        scaled, plain.init(_params()), _params(), **given
    )
    # Adam's first step hides a factor of the gradients; its moments do not.
    for a, b in zip(
        jax.tree.leaves((ours, ours_state)),
        jax.tree.leaves((theirs, theirs_state)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_gradients_below_the_limit_are_left_alone(name):
    clipped = _run(OPTIMIZERS[name](clip_norm=1e3))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8),
        clipped,
        _run(OPTIMIZERS[name]()),
    )


def test_an_optimizer_can_be_one_of_a_chain_and_masked():
    mask = {"conv": {"kernel": False}, "norm": {"scale": True, "bias": True}}
    optimizer = optax.chain(optax.masked(OPTIMIZERS["adamw"](), mask), optax.scale(1.0))
    updates, _ = optimizer.update(
        _grads(0),
        optimizer.init(_params()),
        _params(),
        learning_rate=jnp.float32(0.1),
        momentum=jnp.float32(0.9),
        loss=jnp.float32(1.0),
    )
    np.testing.assert_array_equal(
        updates["conv"]["kernel"], _grads(0)["conv"]["kernel"]
    )
    np.testing.assert_allclose(np.abs(updates["norm"]["bias"]), 0.1, rtol=1e-4)


@pytest.mark.parametrize("missing", ["learning_rate", "momentum"])
def test_rate_and_momentum_must_be_given(missing):
    optimizer = OPTIMIZERS["sgd"]()
    given = {"learning_rate": 0.1, "momentum": 0.9}
    del given[missing]
    with pytest.raises(TypeError, match=missing):
        optimizer.update(_grads(0), optimizer.init(_params()), _params(), **given)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: optimizers.adam(b2=1.0, eps=EPS), r"b2 is 1.0; allowed is \[0, 1\)"),
        (lambda: optimizers.adam(b2=-0.1, eps=EPS), "b2 is -0.1"),
        (lambda: optimizers.adam(b2=0.9, eps=0.0), "eps is 0.0; .* above 0"),
        (lambda: optimizers.adam(b2=0.9, eps=EPS, clip_norm=-1.0), "clip_norm is -1.0"),
        (
            lambda: optimizers.adamw(b2=0.9, eps=EPS, weight_decay=-0.1),
            "weight_decay is -0.1; .* from 0",
        ),
        (
            lambda: optimizers.adamw(b2=0.9, eps=float("inf"), weight_decay=0.1),
            "eps is inf",
        ),
        (lambda: optimizers.sgd(weight_decay=float("nan")), "weight_decay is nan"),
        (lambda: optimizers.sgd(weight_decay=0.0, clip_norm=-2.0), "clip_norm is -2.0"),
    ],
)
def test_arguments_out_of_range_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
