"""The cost model against layers counted by hand and a published measurement."""

import flax.linen as nn
import jax.numpy as jnp
import pytest

from fashionjax.bench.cost import (
    IDEAL,
    TUNED,
    Cost,
    Efficiency,
    Kernel,
    Layer,
    Machine,
    read_cost,
    seconds,
)
from fashionjax.bench.models import make_setting
from fashionjax.encoders import ResNet
from fashionjax.models.classifier import Classifier, LinearHead
from fashionjax.nn import BatchNorm, ConvTranspose, conv
from fashionjax.ops.max_pooling import max_pool_2x2
from fashionjax.ops.resize import resize_bilinear


class Layers(nn.Module):
    """One of each kind, on images of 8×4."""

    @nn.compact
    def __call__(self, image, *, train):
        x = conv(8, 3, name="dense", dtype=jnp.float32)(image)
        x = nn.relu(BatchNorm(use_running_average=not train, name="norm")(x))
        x = max_pool_2x2(x)
        x = conv(6, 3, groups=2, stride=2, name="grouped", dtype=jnp.float32)(x)
        x = nn.GroupNorm(2, name="group_norm")(x)
        x = ConvTranspose(4, name="up")(x)
        x = jnp.concatenate([x, x], axis=-1)
        return resize_bilinear(x, (8, 4))


@pytest.fixture(scope="module")
def layers():
    return read_cost(Layers(), (8, 4)).layers


def test_layers_are_those_of_the_trace(layers):
    assert [(x.name.split("/")[1], x.kind) for x in layers if "/" in x.name] == [
        ("dense", "product"),
        ("norm", "norm"),
        ("grouped", "product"),
        ("group_norm", "norm"),
        ("up", "product"),
    ]
    # Pooling, joining, and resizing along both axes, one after the other.
    assert [x.kind for x in layers].count("pass") == 4


def test_products_are_counted_by_hand(layers):
    dense, grouped, up = (x for x in layers if x.kind == "product")
    kernel = 3 * 3 * 3 * 8
    assert dense == Layer(
        "Layers/dense", "product", 2 * 32 * kernel, 3 * 32, 8 * 32, kernel
    )
    kernel = 3 * 3 * 4 * 6
    # Its left column of taps meets padding alone: it counts and is not read.
    used = kernel * 2 // 3
    assert grouped == Layer(
        "Layers/grouped", "product", 2 * 2 * kernel, 8 * 8, 6 * 2, used, groups=2
    )
    kernel = 2 * 2 * 6 * 4
    assert (up.flops, up.read, up.written) == (2 * 2 * kernel, 6 * 2, 4 * 8)
    assert up.weights == kernel


def test_norms_and_passes_are_as_large_as_their_maps(layers):
    assert [x.read for x in layers if x.kind == "norm"] == [8 * 32, 6 * 2]
    pool, concatenation, rows, columns = (x for x in layers if x.kind == "pass")
    assert (pool.read, pool.written) == (8 * 32, 8 * 8)
    assert (concatenation.read, concatenation.written) == (2 * 4 * 8, 8 * 8)
    assert (rows.read, rows.written) == (8 * 8, 8 * 16)
    assert (columns.read, columns.written) == (8 * 16, 8 * 32)


PRODUCT = Layer("a", "product", flops=1000, read=10, written=20, weights=30)
GROUPED = Layer("b", "product", flops=600, read=0, written=0, groups=2)
NORM = Layer("c", "norm", 0, read=5, written=5)
PASS = Layer("d", "pass", 0, read=4, written=1)
COST = Cost((PRODUCT, GROUPED, NORM, PASS), num_params=100)


def test_bytes_are_those_of_the_definitions():
    assert COST.work(train=False) == 1600
    assert COST.work(train=True) == 4800
    assert COST.fused_bytes(2, train=False) == 2 * 30
    assert COST.fused_bytes(2, train=True) == 2 * 3 * 30
    # Eight passes over a norm's maps; of other passes a backward one.
    assert COST.xla_bytes(2, train=True) == 2 * (3 * 30 + 8 * 5 + 2 * 5)
    assert COST.xla_bytes(2, train=False) == 2 * (30 + 2 * 5 + 5)


def test_kernels_of_training_and_inference():
    product = Kernel(2000, 2 * (2 * 30 + 30))
    grouped = Kernel(1200, 0, grouped=True)
    assert list(COST.kernels(2, 2, train=False)) == [product, grouped, Kernel(0, 20)]
    assert list(COST.kernels(2, 2, train=True)) == [
        *[product] * 3,
        *[grouped] * 3,
        *(Kernel(0, passes * 20) for passes in (1, 2, 2, 3)),
        *[Kernel(0, 20)] * 2,
    ]


def test_each_kernel_takes_what_bounds_it():
    machine = Machine(flops=100.0, bytes=10.0)
    options = {"batch_size": 1, "itemsize": 1, "train": False}
    # 1000 / 100 is more than 60 / 10; 600 / 100; 5 / 10.
    assert seconds(COST, machine, IDEAL, **options) == 10 + 6 + 0.5
    half = Efficiency(flops=0.5, bytes=0.5, grouped=0.25, launch=3.0)
    assert seconds(COST, machine, half, **options) == 20 + 48 + 3
    trained = seconds(COST, machine, IDEAL, batch_size=1, itemsize=1, train=True)
    adam = 28 * 100 / 10
    assert trained == 3 * (10 + 6) + 8 * 0.5 + 2 * 0.5 + adam


def test_the_tuned_estimate_is_what_was_published_of_resnet50():
    """MLPerf Training 3.0: 7,006 images/s on one H100 at batch 408."""
    model = Classifier(ResNet((3, 4, 6, 3), "bottleneck"), LinearHead(1000))
    cost = read_cost(model, (224, 224))
    h100 = Machine(790e12, 3.0e12)
    options = {"batch_size": 408, "itemsize": 2, "train": True}
    assert 408 / seconds(cost, h100, TUNED, **options) == pytest.approx(7006, rel=0.06)


@pytest.mark.parametrize(
    ("name", "size", "params", "gflop", "fused_mb"),
    [
        # torch's moves 120 MB: it writes and reads the doubled maps too.
        ("unet-resnet34", (288, 192), 24.4, 13.6, 110),
        ("segnet-vgg16", (288, 192), 29.4, 69.1, 307),
        ("deeplabv3plus-resnet50", (256, 256), 26.7, 18.3, 271),
    ],
)
def test_models_cost_what_torch_counts(name, size, params, gflop, fused_mb):
    """Counts of torch's FlopCounterMode and of its modules' maps, 25 classes."""
    setting = make_setting(name, batch_size=1, image_size=size)
    cost = read_cost(setting.build(), size)
    assert cost.num_params / 1e6 == pytest.approx(params, rel=0.005)
    assert cost.flops / 1e9 == pytest.approx(gflop, rel=0.005)
    assert cost.fused_bytes(2, train=True) / 1e6 == pytest.approx(fused_mb, rel=0.01)
