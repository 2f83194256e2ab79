import re
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from fashionjax.augment import EXTENDED_UNET, Normalization, Prepare
from fashionjax.encoders import ResNet
from fashionjax.models import MultitaskUNet
from fashionjax.objectives import build_objective
from fashionjax.optim import optimizers, schedules
from fashionjax.train.eval_step import make_eval_step
from fashionjax.train.phases import Phase
from fashionjax.train.sharding import (
    check_batch_size,
    compiler_options,
    make_mesh,
    put_batch,
)
from fashionjax.train.state import abstract_state, init_state, make_init
from fashionjax.train.step import make_train_step
from tests.structure import aliased_outputs

SIZE = (64, 32)
CLASSES = 5
PREPARE = Prepare(CLASSES, Normalization(), EXTENDED_UNET)
MODEL = MultitaskUNet(
    ResNet((1, 1, 1, 1), features=4),
    num_classes=CLASSES,
    decoder_features=(16, 8, 8, 4),
    branch_features=8,
    image_size=SIZE,
)
OBJECTIVE = build_objective(
    ConfigDict(
        {
            "segmentation": {"weight": 1.0, "foreground_weight": 2.0},
            "tags": {"weight": 0.5},
            "boxes": {"weight": 75.0, "beta": 1.0},
        }
    ),
    MODEL,
    CLASSES,
)
OPTIMIZER = optimizers.sgd(weight_decay=0.0)
PHASE = Phase("all trained", 0, 100, schedules.constant(2e-4), schedules.constant(0.0))
INIT = make_init(MODEL, OPTIMIZER, image_size=SIZE)


def _batch(seed=0, batch_size=16):
    rng = np.random.RandomState(seed)
    label = np.zeros((batch_size, *SIZE), np.uint8)
    for i in range(batch_size):
        y, x = rng.randint(0, 40), rng.randint(0, 20)
        label[i, y : y + 20, x : x + 12] = rng.randint(1, CLASSES)
    label[:, :2] = 255
    image = (label[..., None] % 7 * 30 + rng.randint(0, 20, (*label.shape, 3))).astype(
        np.uint8
    )
    index = np.arange(batch_size, dtype=np.int32) + 100
    mask = np.arange(batch_size) < batch_size - 3
    label_eval = np.where(mask[:, None, None], label, 255).astype(np.uint8)
    return (
        {"image": image, "label": label, "example_index": index},
        {
            "image": image,
            "label": label_eval,
            "example_index": index,
            "example_mask": mask,
        },
    )


def _mesh(num_devices):
    return make_mesh(jax.devices()[:num_devices])


def _setup(num_devices):
    mesh = _mesh(num_devices)
    state = init_state(INIT, jax.random.key(0), mesh)
    step = make_train_step(MODEL, OBJECTIVE, OPTIMIZER, PREPARE, PHASE, mesh=mesh)
    return mesh, state, step


@pytest.fixture(scope="module")
def setups():
    """Mesh, state at step 0 and compiled step, on one and on eight devices."""
    setups = {}
    for num_devices in (1, 8):
        mesh, state, step = _setup(num_devices)
        batch = put_batch(_batch()[0], mesh)
        setups[num_devices] = (
            mesh,
            state,
            step.lower(state, batch, jax.random.key(1)).compile(),
        )
    return setups


@pytest.fixture(scope="module")
def trained(setups):
    """State and metrics after three steps, on one and on eight devices."""
    results = {}
    for num_devices, (mesh, state, step) in setups.items():
        state = jax.tree.map(jnp.copy, state)
        history = []
        batch = put_batch(_batch()[0], mesh)
        for _ in range(3):
            state, metrics, _ = step(state, batch, jax.random.key(1))
            history.append(jax.device_get(metrics))
        results[num_devices] = (jax.device_get(state), history)
    return results


@pytest.fixture(scope="module")
def evaluated(setups, trained):
    """The same parameters evaluated on one and on eight devices."""
    state = trained[1][0]
    results = {}
    for num_devices, (mesh, _, _) in setups.items():
        eval_step = make_eval_step(MODEL, OBJECTIVE, PREPARE, mesh=mesh)
        batch = put_batch(_batch(9)[1], mesh)
        results[num_devices] = jax.device_get(
            eval_step(state.params, state.batch_stats, batch)
        )
    return results


def test_one_and_eight_devices_agree_on_losses_and_statistics(trained):
    (one, history1), (eight, history8) = trained[1], trained[8]
    for metrics1, metrics8 in zip(history1, history8, strict=True):
        np.testing.assert_allclose(metrics1["loss"], metrics8["loss"], rtol=1e-5)
    for a, b in zip(
        jax.tree.leaves(one.batch_stats),
        jax.tree.leaves(eight.batch_stats),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert one.step == eight.step == 3


def test_one_and_eight_devices_count_the_same_pixels(evaluated):
    one, eight = evaluated[1], evaluated[8]
    np.testing.assert_array_equal(one.sums.confusion, eight.sums.confusion)
    np.testing.assert_array_equal(one.tags, eight.tags)
    np.testing.assert_allclose(one.box_iou, eight.box_iou, atol=1e-5)


def test_rows_that_fill_up_a_batch_are_not_counted(evaluated):
    assert evaluated[1].sums.confusion.sum() == 13 * (SIZE[0] - 2) * SIZE[1]
    assert evaluated[1].valid.sum() == 13


def test_losses_are_the_weighted_terms(trained):
    for metrics in trained[1][1]:
        total = metrics["segmentation"] + 0.5 * metrics["tags"] + 75 * metrics["boxes"]
        np.testing.assert_allclose(metrics["loss"], total, rtol=1e-5)


def test_steps_lower_the_loss_of_their_own_batch(setups):
    mesh, state, step = setups[1]
    batch, key = put_batch(_batch()[0], mesh), jax.random.key(1)
    state = jax.tree.map(jnp.copy, state)
    losses = []
    for _ in range(21):
        # The same step number: the same flips and the same dropout.
        state = state.replace(step=jnp.zeros_like(state.step))
        state, metrics, _ = step(state, batch, key)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0] - 0.05


def test_the_state_is_donated(setups):
    _, state, step = setups[8]
    aliased = aliased_outputs(step.as_text())
    for leaf in range(len(jax.tree.leaves(state))):
        assert aliased.get(leaf) == leaf


def test_the_compiled_step_scatters_nowhere(setups):
    text = setups[8][2].as_text()
    assert not re.search(r"\b(?:scatter|select-and-scatter)\(", text)


def test_the_batch_stays_where_it_is(setups):
    text = setups[8][2].as_text()
    assert "all-reduce" in text
    for collective in ("all-gather", "all-to-all", "collective-permute"):
        assert collective not in text


def test_the_step_lowers_for_every_platform():
    mesh, state, step = _setup(1)
    traced = step.trace(state, put_batch(_batch()[0], mesh), jax.random.key(1))
    for platform in ("cpu", "cuda", "tpu"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert "stablehlo.convolution" in text, platform


def test_the_abstract_state_describes_the_real_one(setups):
    mesh, state, _ = setups[8]
    abstract = abstract_state(INIT, mesh)
    assert jax.tree.structure(abstract) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(abstract), jax.tree.leaves(state), strict=True):
        assert (a.shape, a.dtype, a.sharding) == (b.shape, b.dtype, b.sharding)


def test_randomness_is_a_function_of_key_and_step(setups):
    mesh, state, step = setups[1]
    batch = put_batch(_batch()[0], mesh)
    losses = []
    for seed in (1, 1, 2):
        fresh = jax.tree.map(jnp.copy, state)
        losses.append(float(step(fresh, batch, jax.random.key(seed))[1]["loss"]))
    assert losses[0] == losses[1] != losses[2]


def test_a_batch_that_devices_cannot_share_is_refused():
    with pytest.raises(
        ValueError, match=r"config\.batch_size=12 is not a positive multiple of 8"
    ):
        check_batch_size(12, _mesh(8), "config.batch_size")


@pytest.mark.parametrize(
    ("platform", "count", "flags", "expected"),
    [
        ("gpu", 2, "", {"xla_gpu_enable_latency_hiding_scheduler": True}),
        ("gpu", 1, "", None),
        ("cpu", 8, "", None),
        ("gpu", 2, "--xla_gpu_enable_latency_hiding_scheduler=false", None),
    ],
)
def test_several_gpus_compute_while_gradients_travel(
    monkeypatch, platform, count, flags, expected
):
    monkeypatch.setenv("XLA_FLAGS", flags)
    devices = np.array([types.SimpleNamespace(platform=platform)] * count, object)
    mesh = types.SimpleNamespace(devices=devices.reshape(-1, 1), size=count)
    assert compiler_options(mesh) == expected


def test_the_compiler_knows_the_options_of_several_gpus():
    # The name is not checked by anything else where there is no GPU.
    options = {"xla_gpu_enable_latency_hiding_scheduler": True}
    double = jax.jit(lambda x: 2 * x, compiler_options=options)
    assert double(jnp.ones(())) == 2
    with pytest.raises(RuntimeError, match="No such compile option"):
        jax.jit(lambda x: x + 1, compiler_options={"xla_gpu_no_such": True})(1.0)
