"""What the training step of every model consists of."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from fashionjax import builders
from fashionjax.augment import MIRROR, Normalization, Prepare
from fashionjax.bench import models as bench_models
from fashionjax.bench.collectives import all_reduce_bytes, count_collectives
from fashionjax.bench.training import build_step
from fashionjax.constants import EXAMPLE_INDEX, FIXED, IMAGE, LABEL, STOP
from fashionjax.optim import optimizers
from fashionjax.train.sharding import by_example, make_mesh
from fashionjax.train.state import abstract_state, make_init
from fashionjax.train.step import make_train_step
from tests.models.probing import shapes
from tests.models.test_every_model import CLASSES, MODELS, SIZE
from tests.structure import (
    aliased_outputs,
    convolution_channels,
    convolution_types,
    find_indexed,
)
from tests.train import toy

TERMS = {
    "segmentation": {"background_weight": 1.0, "foreground_weight": 2.0},
    "aux": {},
    "tags": {},
    "boxes": {"beta": 1.0},
}
ROWS = 8
SCALARS = 16
"""More sums that are no array's than any step has: losses, pixels that count, stop."""


def _arguments(init, mesh, size):
    """Shapes, types and places of what a step takes."""
    arrays = {
        IMAGE: ((ROWS, *size, 3), np.uint8),
        LABEL: ((ROWS, *size), np.uint8),
        EXAMPLE_INDEX: ((ROWS,), np.int32),
        STOP: ((ROWS,), np.int32),
    }
    batch = {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=by_example(mesh))
        for name, (shape, dtype) in arrays.items()
    }
    key = jax.eval_shape(lambda: jax.random.key(0))
    return abstract_state(init, mesh), batch, key


# --- at the documents' width and depth, as lowered for accelerators ------------


@functools.cache
def _lowered(name):
    setting = bench_models.make_setting(
        name, batch_size=ROWS, image_size=(64, 64), dtype="bfloat16"
    )
    mesh = make_mesh(jax.devices()[:1])
    step, init = build_step(setting, mesh)
    traced = step.trace(*_arguments(init, mesh, setting.image_size))
    return traced.lower(lowering_platforms=("cuda",)).as_text()


EVERY = [
    pytest.param(name, marks=() if name == "unet-resnet34" else pytest.mark.slow)
    for name in bench_models.MODELS
]


def test_the_benchmark_has_every_model():
    models = {workload.model.name for workload in bench_models.MODELS.values()}
    assert models | {"classic_unet"} == set(builders.MODELS)


@pytest.mark.parametrize("name", EVERY)
def test_every_convolution_of_a_step_is_in_bfloat16(name):
    assert convolution_types(_lowered(name)) == {"bf16"}


@pytest.mark.parametrize("name", EVERY)
def test_no_step_gathers_or_scatters(name):
    assert "stablehlo.convolution" in _lowered(name)
    assert find_indexed(_lowered(name)) == set()


@pytest.mark.parametrize("name", EVERY)
def test_all_channels_of_a_step_suit_tensor_cores(name):
    """Heads and tails of odd numbers of channels are padded to multiples of 8.

    Fewer channels are those of images, and of kernels in groups.
    """
    channels = convolution_channels(_lowered(name))
    assert {n for n in channels if n > 8 and n % 8} == set()


# --- narrow, as compiled for eight devices -------------------------------------


def _objective(model):
    """All terms that the model has an output for."""
    outputs, _ = shapes(model, SIZE)
    of_term = {
        "segmentation": outputs.logits,
        "aux": outputs.aux_logits,
        "tags": outputs.tag_logits,
        "boxes": outputs.box_logits,
    }
    config = ConfigDict(
        {
            name: {"weight": 1.0, **options}
            for name, options in TERMS.items()
            if of_term[name] is not None
        }
    )
    return builders.build_objective(config, model, CLASSES)


def _narrow_step(name, dtype):
    """The traced step, the batch over eight devices, and the state's shapes."""
    model = MODELS[name](dtype)
    optimizer = optimizers.adam(b2=0.999, eps=1e-8)
    mesh = make_mesh(jax.devices()[:8])
    step = make_train_step(
        model,
        _objective(model),
        optimizer,
        Prepare(CLASSES, Normalization(), MIRROR),
        toy.phase(),
        mesh=mesh,
    )
    init = make_init(model, optimizer, image_size=SIZE)
    arguments = _arguments(init, mesh, SIZE)
    return step.trace(*arguments), arguments[0]


@functools.cache
def _compiled(name, dtype):
    """The state's shapes and the compiled program."""
    traced, state = _narrow_step(name, dtype)
    return state, traced.lower().compile().as_text()


def test_every_convolution_of_a_classic_unet_is_in_bfloat16():
    # The one model without an encoder of its own kind, which the benchmark lacks.
    traced, _ = _narrow_step("ClassicUNet", jnp.bfloat16)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert convolution_types(text) == {"bf16"}


BFLOAT16 = ("DeepLabV3Plus", "FPN", "MultitaskUNet")
"""A sample: what is compiled is the same but for the types."""

COMPILED = pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, id=f"{name}-{dtype.__name__}")
        for name in MODELS
        for dtype in (jnp.float32, jnp.bfloat16)
        if dtype == jnp.float32 or name in BFLOAT16
    ],
)


@pytest.mark.slow
@COMPILED
def test_only_gradients_and_statistics_travel(name, dtype):
    """Each parameter's gradient once, and four sums for each channel of a BatchNorm.

    Forward those of the maps and of their squares, backward the gradients of both: the
    statistics are those of the whole batch. So a BatchNorm waits for two sums, and what
    is ready together travels together: the gradients, the terms of the loss, and the
    wish to stop make three more at most.
    """
    state, program = _compiled(name, dtype)
    counts = count_collectives(program)
    num_norms = len(jax.tree.leaves(state.batch_stats)) // 2
    assert 0 < counts.pop("all-reduce") <= 2 * num_norms + 3
    assert set(counts.values()) == {0}
    trained = [
        x.shape
        for path, x in jax.tree.leaves_with_path(state.params)
        if FIXED not in jax.tree_util.keystr(path)
    ]
    # Of each BatchNorm the state has mean and variance.
    statistics = sum(2 * 4 * x.size for x in jax.tree.leaves(state.batch_stats))
    doubles = name in ("UNet", "MultitaskUNet")
    most = sum(4 * _most_values(shape, doubles=doubles) for shape in trained)
    most += statistics + 4 * SCALARS
    # Less travels where taps are left out: on maps of one pixel a kernel has one tap.
    least = sum(
        4 * math.prod(shape[-2:] if len(shape) == 4 else shape) for shape in trained
    )
    assert least <= all_reduce_bytes(program) <= most


def _most_values(shape, *, doubles):
    """How many values a parameter's gradient may travel as: those of the kernel used.

    On CPUs its channels are padded to multiples of 4; where the map is doubled, each of
    four phases has sums of taps, 16 of nine.
    """
    if len(shape) != 4:
        return math.prod(shape)
    height, width, *channels = shape
    taps = 16 if doubles and (height, width) == (3, 3) else height * width
    return taps * math.prod(-(-count // 4) * 4 for count in channels)


@pytest.mark.slow
@COMPILED
def test_every_buffer_of_the_state_is_donated(name, dtype):
    state, program = _compiled(name, dtype)
    aliased = aliased_outputs(program)
    for leaf in range(len(jax.tree.leaves(state))):
        assert aliased.get(leaf) == leaf


@pytest.mark.slow
@COMPILED
def test_no_compiled_step_gathers_or_scatters(name, dtype):
    assert find_indexed(_compiled(name, dtype)[1]) == set()
