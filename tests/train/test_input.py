"""Both ways of training data into the step give the same batches, bit for bit."""

import dataclasses
import math
import re

import jax
import numpy as np
import pytest

from fashionjax.data.dataset import Dataset
from fashionjax.data.label_maps import IMATERIALIST_9
from fashionjax.data.pipeline import ExampleError
from fashionjax.train import resident
from fashionjax.train.input import INPUTS, find_input
from fashionjax.train.resident import check_fits, load_split, pick_examples
from fashionjax.train.sharding import make_mesh
from tests.train.toy import CLASSES, SIZE, Training


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Every example has its own noise."""

    length: int
    broken: int | None = None

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index == self.broken:
            raise OSError("damaged")
        rng = np.random.RandomState(index)
        return {
            "image": rng.randint(0, 256, (*SIZE, 3)).astype(np.uint8),
            "label": rng.randint(0, CLASSES, SIZE).astype(np.uint8),
            "image_id": f"id-{index}",
        }


def _input(name, source, mesh, batch_size=8, repeat_factors=None):
    dataset = Dataset("drawn", IMATERIALIST_9, SIZE, {"train": source})
    return INPUTS[name](
        dataset=dataset,
        mesh=mesh,
        batch_size=batch_size,
        seed=3,
        num_threads=2,
        repeat_factors=repeat_factors,
    )


def _mesh(num_devices):
    return make_mesh(jax.devices()[:num_devices])


@pytest.mark.parametrize("num_devices", [1, 8])
@pytest.mark.parametrize(
    ("length", "start_step"),
    # Uneven; a later step, in the second epoch; some devices without examples.
    [(21, 0), (21, 4), (3, 0), (9, 2)],
)
def test_both_ways_give_the_same_batches(num_devices, length, start_step):
    mesh = _mesh(num_devices)
    pick = jax.jit(lambda batch: pick_examples(batch, mesh))
    feeds = {
        name: _input(name, Drawn(length), mesh).open(start_step) for name in INPUTS
    }
    for _ in range(6):
        found = {}
        for name, feed in feeds.items():
            rows = next(feed)
            found[name] = pick(feed.put(rows))
            np.testing.assert_array_equal(
                rows["example_index"], found[name]["example_index"]
            )
        assert found["stream"].keys() == found["resident"].keys()
        for key, value in found["stream"].items():
            other = found["resident"][key]
            assert (value.dtype, value.sharding) == (other.dtype, other.sharding), key
            np.testing.assert_array_equal(value, other)
        for row, index in enumerate(found["resident"]["example_index"].tolist()):
            expected = Drawn(length)[index]
            for key in ("image", "label"):
                np.testing.assert_array_equal(
                    found["resident"][key][row], expected[key]
                )


def test_both_ways_repeat_the_same_examples():
    factors = np.linspace(1, 3, 9)
    feeds = [
        _input(name, Drawn(9), _mesh(1), repeat_factors=factors).open(1)
        for name in INPUTS
    ]
    for _ in range(4):
        stream, resident = (next(feed)["example_index"] for feed in feeds)
        np.testing.assert_array_equal(stream, resident)
    once = _input("resident", Drawn(9), _mesh(1)).open(4)
    assert (next(once)["example_index"] != resident).any()


@pytest.mark.parametrize("num_devices", [1, 8])
@pytest.mark.parametrize("name", INPUTS)
def test_the_abstract_batch_describes_the_real_one(name, num_devices):
    way = _input(name, Drawn(21), _mesh(num_devices))
    feed = way.open(0)
    batch = feed.put(next(feed), stop=True)
    assert batch["stop"].min() == 1
    described = {k: (v.shape, v.dtype, v.sharding) for k, v in batch.items()}
    assert described == {
        k: (v.shape, v.dtype, v.sharding) for k, v in way.abstract_batch.items()
    }
    # Bytes cross to the devices, and images become numbers there.
    assert {v.dtype for k, v in batch.items() if v.ndim > 1} == {np.dtype(np.uint8)}


def test_each_device_holds_its_share_of_the_split():
    examples = load_split(Drawn(21), _mesh(8), image_size=SIZE)
    assert examples.shape == (24, *SIZE, 4)
    for shard in examples.addressable_shards:
        assert shard.data.shape == (3, *SIZE, 4)
        for row, index in enumerate(range(*shard.index[0].indices(24))):
            if index < 21:
                example = Drawn(21)[index]
                np.testing.assert_array_equal(
                    shard.data[row, ..., :3], example["image"]
                )
                np.testing.assert_array_equal(shard.data[row, ..., 3], example["label"])
            else:
                assert not np.any(shard.data[row])


def _train(name, num_devices, steps):
    training = Training(num_devices=num_devices)
    feed = _input(name, Drawn(21), training.mesh).open(0)
    losses = []
    for _ in range(steps):
        batch = feed.put(next(feed))
        training.state, metrics, _ = training.step(
            training.state, batch, jax.random.key(1)
        )
        losses.append(float(metrics["loss"]))
    return jax.device_get(training.state), losses


@pytest.mark.parametrize("num_devices", [1, 8])
def test_training_either_way_ends_in_the_same_bits(num_devices):
    (one, losses), (other, other_losses) = (
        _train(name, num_devices, steps=7) for name in INPUTS
    )
    assert losses == other_losses
    assert len(set(losses)) == 7
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.tobytes() == b.tobytes()


def test_the_split_stays_where_it_is():
    training = Training(num_devices=8)
    batch = _input("resident", Drawn(800_000), training.mesh).abstract_batch
    step = training.step.lower(training.state, batch, jax.random.key(1)).compile()
    text, memory = step.as_text(), step.memory_analysis()
    gathered = re.findall(r"= \(?(\w+\[[\d,]*\])\S* all-gather(?:-start)?\(", text)
    assert gathered == ["s32[8]"]
    for collective in ("all-to-all", "collective-permute"):
        assert collective not in text
    share = 100_000 * math.prod(SIZE) * 4
    assert memory.argument_size_in_bytes > share > 10 * memory.temp_size_in_bytes
    # The rows of a batch travel once; nothing as large as the split does.
    assert re.search(r"= u8\[1,8,8,4\]\S* reduce-scatter\(", text)
    moved = re.findall(
        r"= \(?u8\[([\d,]*)\]\S* (?:all-reduce|all-gather|reduce-scatter)", text
    )
    assert max(math.prod(map(int, shape.split(","))) for shape in moved) <= 8 * 256


def test_one_device_needs_no_collectives():
    training = Training(num_devices=1)
    batch = _input("resident", Drawn(100_000), training.mesh).abstract_batch
    step = training.step.lower(training.state, batch, jax.random.key(1)).compile()
    memory = step.memory_analysis()
    assert memory.argument_size_in_bytes > 10 * memory.temp_size_in_bytes
    text = step.as_text()
    assert "gather(" in text
    assert not re.search(r" (?:all-\w+|reduce-scatter|collective-\w+)\(", text)


def test_the_resident_step_lowers_for_every_platform():
    training = Training(num_devices=8)
    batch = _input("resident", Drawn(21), training.mesh).abstract_batch
    traced = training.step.trace(training.state, batch, jax.random.key(1))
    for platform in ("cpu", "cuda", "tpu"):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert "stablehlo.reduce_scatter" in text, platform


@pytest.mark.parametrize("name", INPUTS)
def test_a_damaged_example_is_named_either_way(name):
    feed = _input(name, Drawn(8, broken=5), _mesh(8)).open(0)
    with pytest.raises(ExampleError, match="cannot read example 5: OSError: damaged"):
        feed.put(next(feed))


def test_loading_tells_how_far_it_is(capsys):
    load_split(Drawn(21), _mesh(8), image_size=SIZE)
    line = capsys.readouterr().err
    assert "Reading the training split into device memory: 21/21 in" in line


def test_the_split_is_read_once_and_not_before_it_is_needed(monkeypatch):
    calls = []
    real = resident.read_examples
    monkeypatch.setattr(
        resident,
        "read_examples",
        lambda source, rows, **options: (
            calls.append(rows) or real(source, rows, **options)
        ),
    )
    feed = _input("resident", Drawn(21), _mesh(1)).open(0)
    assert calls == []
    feed.load()
    feed.load()
    feed.put(next(feed))
    assert calls == [range(21)]


def test_only_streams_measure_their_reading():
    speeds = {}
    for name in INPUTS:
        feed = _input(name, Drawn(21), _mesh(1)).open(0)
        feed.put(next(feed))
        speeds[name] = feed.metrics()
    assert speeds["stream"]["host_images_per_second"] > 0
    assert speeds["resident"] == {}


def test_a_split_that_leaves_no_room_is_refused(monkeypatch):
    check_fits(70, 100)
    check_fits(10**15, None)
    with pytest.raises(ValueError, match=r"config\.data\.input='resident'") as error:
        check_fits(47_185_920_000, 40_000_000_000)
    for part in (
        "47.2 GB (47,185,920,000 bytes)",
        "70% of its 40 GB (40,000,000,000 bytes)",
        "--config.data.input=stream",
    ):
        assert part in str(error.value)
    # Of one device's share, and before anything is read.
    share = 3 * math.prod(SIZE) * 4
    monkeypatch.setattr(resident, "memory_limit", lambda: 2 * share)
    load_split(Drawn(21), _mesh(8), image_size=SIZE)
    monkeypatch.setattr(resident, "memory_limit", lambda: share)
    with pytest.raises(ValueError, match=rf"{share:,} bytes"):
        load_split(Drawn(21, broken=0), _mesh(8), image_size=SIZE)


def test_an_unknown_way_is_refused():
    with pytest.raises(
        ValueError,
        match=r"config\.data\.input='ram'; allowed are stream, resident",
    ):
        find_input("ram")
