"""Photos in strips: several devices share an example."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax import models
from fashionjax.augment import Augmentation, Normalization, Prepare
from fashionjax.encoders import ResNet
from fashionjax.metrics import Measures
from fashionjax.optim import optimizers
from fashionjax.train.eval_step import make_eval_step
from fashionjax.train.sharding import check_height, make_mesh, put_batch
from fashionjax.train.state import init_state, make_init
from fashionjax.train.step import make_train_step
from tests.models.test_every_model import CLASSES, MODELS
from tests.train import toy

SIZE = (64, 32)
PREPARE = Prepare(CLASSES, Normalization(), Augmentation(0.5, rotation=20.0))
SAMPLE = ("DeepLabV3Plus", "FPN", "SegNet", "UNet")


def _batch(size=SIZE):
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (2, *size, 3), np.uint8),
        "label": rng.integers(0, CLASSES, (2, *size), np.uint8),
        "example_index": np.arange(2, dtype=np.int32),
    }


def _step(model, mesh, size=SIZE, prepare=PREPARE):
    """The compiled step, and its arguments."""
    optimizer = optimizers.sgd(weight_decay=0.0)
    step = make_train_step(
        model, toy.OBJECTIVE, optimizer, prepare, toy.phase(), mesh=mesh
    )
    init = make_init(model, optimizer, image_size=size)
    state = init_state(init, jax.random.key(0), mesh)
    arguments = (state, put_batch(_batch(size), mesh), jax.random.key(1))
    return step.lower(*arguments).compile(), arguments


def _in_strips():
    return make_mesh(jax.devices()[:8], spatial_shards=4)


def _assert_equal_to_one_device(model):
    results = []
    for mesh in (make_mesh(jax.devices()[:1]), _in_strips()):
        step, arguments = _step(model, mesh)
        state, metrics, _ = jax.device_get(step(*arguments))
        results.append((state, metrics["loss"], metrics["grad_norm"]))
    (one, *scalars), (strips, *others) = results
    np.testing.assert_allclose(others, scalars, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(strips), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4)


def test_a_step_in_strips_equals_that_of_one_device():
    _assert_equal_to_one_device(toy.toy())


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            make,
            id=name,
            marks=pytest.mark.slow if name in SAMPLE else pytest.mark.long,
        )
        for name, make in MODELS.items()
    ],
)
def test_every_model_in_strips_equals_itself_on_one_device(make):
    model = make(jnp.float32)
    if hasattr(model, "image_size"):
        model = model.clone(image_size=SIZE)
    if hasattr(model, "dropout_rate"):
        model = model.clone(dropout_rate=0.0)
    _assert_equal_to_one_device(model)


@pytest.mark.slow
def test_strips_divide_the_memory_and_gather_no_maps(monkeypatch):
    # What accelerators compile; CPUs have convolutions of their own.
    monkeypatch.setattr(
        jax.lax, "platform_dependent", lambda *args, default, **_: default(*args)
    )
    size = (256, 64)
    model = models.UNet(ResNet((1, 1), features=16), CLASSES, (32, 16, 16))
    # What is augmented is whole on each device.
    plain = Prepare(CLASSES, Normalization())
    steps = [
        _step(model, mesh, size, plain)[0]
        for mesh in (
            make_mesh(jax.devices()[:1]),
            make_mesh(jax.devices()[:4], spatial_shards=4),
        )
    ]
    whole, strip = (step.memory_analysis().temp_size_in_bytes for step in steps)
    assert strip < 0.4 * whole
    assert "collective-permute(" in steps[1].as_text()
    assert "all-gather(" not in steps[1].as_text()


def test_evaluation_in_strips_counts_the_same_pixels():
    model = toy.toy()
    counts = []
    for mesh in (make_mesh(jax.devices()[:1]), _in_strips()):
        init = make_init(model, optimizers.sgd(weight_decay=0.0), image_size=SIZE)
        state = init_state(init, jax.random.key(0), mesh)
        batch = _batch() | {"example_mask": np.ones(2, bool)}
        measures = Measures(boundary=0.1, trimap=(1, 3), images=True)
        step = make_eval_step(
            model, toy.OBJECTIVE, PREPARE, mesh=mesh, measures=measures
        )
        outputs = step(state.params, state.batch_stats, put_batch(batch, mesh))
        counts.append(jax.device_get((outputs.sums, outputs.regions)))
    assert counts[0][0].confusion.sum() == 2 * SIZE[0] * SIZE[1]
    assert counts[0][0].trimap.true.sum() > 0
    jax.tree.map(np.testing.assert_array_equal, *counts)


@pytest.mark.parametrize("shards", [0, 3, 16])
def test_strips_that_the_devices_cannot_form_are_refused(shards):
    with pytest.raises(ValueError, match=rf"spatial_shards={shards}; .* divisors of 8"):
        make_mesh(jax.devices()[:8], spatial_shards=shards)


def test_a_height_that_strips_do_not_divide_is_refused():
    check_height(64, 4)
    with pytest.raises(ValueError, match=r"spatial_shards=4; .* image height 66"):
        check_height(66, 4)
