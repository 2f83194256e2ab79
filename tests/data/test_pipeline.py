import dataclasses
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from fashionjax.data.pipeline import (
    ExampleError,
    eval_batches,
    read_examples,
    train_batches,
    train_indices,
)
from fashionjax.data.reading_speed import ReadingSpeed
from fashionjax.data.repeated_examples import RepeatedExamples

SIZE = (4, 3)


@dataclasses.dataclass(frozen=True)
class Numbered:
    """Example i has i in every pixel of its image and i % 5 in its label."""

    length: int
    broken: int | None = None

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if index == self.broken:
            raise OSError("damaged photo 'id-7'")
        return {
            "image": np.full((*SIZE, 3), index, np.uint8),
            "label": np.full(SIZE, index % 5, np.uint8),
            "image_id": f"id-{index}",
        }


@dataclasses.dataclass(frozen=True)
class Patched(Numbered):
    """Example 3 has other parts."""

    patch: dict = dataclasses.field(default_factory=dict)

    def __getitem__(self, index):
        example = super().__getitem__(index)
        return example | self.patch if index == 3 else example


@dataclasses.dataclass(frozen=True)
class Filled(Numbered):
    """Writes its examples to where they are wanted; one has a wrong label."""

    wrong: int | None = None

    def read_into(self, index, image, label):
        example = self[index]
        image[...], label[...] = example["image"], example["label"]
        if index == self.wrong:
            label[0, 0] = 7


def _indices(source, steps, **options):
    batches = train_batches(source, **({"batch_size": 8, "seed": 3} | options))
    return np.stack([next(batches)["example_index"] for _ in range(steps)])


def _assert_equal(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key])


def test_a_batch_holds_the_examples_that_it_names():
    batch = next(train_batches(Numbered(20), batch_size=8, seed=0))
    assert {k: (v.dtype, v.shape) for k, v in batch.items()} == {
        "image": (np.uint8, (8, *SIZE, 3)),
        "label": (np.uint8, (8, *SIZE)),
        "example_index": (np.int32, (8,)),
    }
    for row, index in enumerate(batch["example_index"]):
        assert (batch["image"][row] == index).all()
        assert (batch["label"][row] == index % 5).all()


def test_rows_that_a_source_fills_are_those_that_it_returns():
    options = {"batch_size": 8, "seed": 0, "num_classes": 5}
    filled, copied = (train_batches(s(21), **options) for s in (Filled, Numbered))
    for _ in range(4):
        _assert_equal(next(filled), next(copied))
    for one, other in zip(
        eval_batches(Filled(21), batch_size=8),
        eval_batches(Numbered(21), batch_size=8),
        strict=True,
    ):
        _assert_equal(one, other)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Filled(20, broken=7), "cannot read example 7: OSError: damaged photo 'id-7'"),
        (Filled(20, wrong=9), r"example 9 has label ids \[7\]; allowed are 0..4 and"),
    ],
)
def test_errors_in_filled_rows_name_the_example(source, message):
    with pytest.raises(ExampleError, match=message):
        list(eval_batches(source, batch_size=8, num_classes=5))


@pytest.mark.parametrize("process_count", [2, 4])
def test_processes_together_have_the_batch_of_one(process_count):
    options = {"batch_size": 8, "seed": 3, "start_step": 2}
    whole = train_batches(Numbered(21), **options)
    parts = [
        train_batches(
            Numbered(21), **options, process_index=p, process_count=process_count
        )
        for p in range(process_count)
    ]
    for _ in range(7):
        rows = [next(part) for part in parts]
        joined = {k: np.concatenate([r[k] for r in rows]) for k in rows[0]}
        _assert_equal(joined, next(whole))


@pytest.mark.parametrize("start_step", [1, 5, 200])
def test_a_resumed_stream_equals_the_unbroken_one(start_step):
    unbroken = _indices(Numbered(21), start_step + 3)
    resumed = _indices(Numbered(21), 3, start_step=start_step)
    np.testing.assert_array_equal(resumed, unbroken[start_step:])


def test_every_epoch_has_each_example_once_in_its_own_order():
    epochs = _indices(Numbered(21), 21).ravel()[: 8 * 21].reshape(8, 21)
    for epoch in epochs:
        assert sorted(epoch) == list(range(21))
    assert len({tuple(epoch) for epoch in epochs}) == 8


def test_the_order_of_a_seed_is_this_one():
    # A run that resumes under another version of grain relies on it.
    assert _indices(Numbered(21), 1, seed=3).ravel().tolist() == [
        4,
        17,
        16,
        7,
        5,
        3,
        18,
        19,
    ]


@pytest.mark.parametrize(("length", "start_step"), [(21, 0), (21, 40), (3, 2)])
def test_indices_alone_come_in_the_same_order(length, start_step):
    options = {"batch_size": 8, "seed": 3, "start_step": start_step}
    options |= {"process_index": 1, "process_count": 2}
    batches = train_batches(Numbered(length), **options)
    for indices in itertools.islice(train_indices(length, **options), 9):
        assert indices.keys() == {"example_index"}
        found, expected = indices["example_index"], next(batches)["example_index"]
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("rows", [range(21), range(5, 9), range(4, 4)])
def test_examples_are_read_in_order_with_the_label_behind_the_image(rows):
    examples = list(read_examples(Numbered(21), rows, num_threads=3))
    assert len(examples) == len(rows)
    for example, index in zip(examples, rows, strict=True):
        assert example.dtype == np.uint8
        assert example.shape == (*SIZE, 4)
        assert (example[..., :3] == index).all()
        assert (example[..., 3] == index % 5).all()


def test_reading_in_this_process_is_measured():
    speed = ReadingSpeed()
    batches = train_batches(Numbered(21), batch_size=4, seed=0, speed=speed)
    next(batches)
    assert speed.take() > 0
    batches.close()


FACTORS = np.linspace(1, 2.2, 21)


@pytest.mark.parametrize("process_count", [2, 4])
@pytest.mark.parametrize("start_step", [0, 7])
def test_processes_share_the_batches_of_repeated_examples(process_count, start_step):
    options = {"batch_size": 8, "seed": 3, "repeat_factors": FACTORS}
    unbroken = train_indices(21, **options)
    parts = [
        train_indices(
            21,
            **options,
            start_step=start_step,
            process_index=p,
            process_count=process_count,
        )
        for p in range(process_count)
    ]
    for batch in itertools.islice(unbroken, start_step, start_step + 9):
        joined = np.concatenate([next(part)["example_index"] for part in parts])
        np.testing.assert_array_equal(joined, batch["example_index"])


def test_repeated_examples_come_shuffled_and_are_read():
    factors = RepeatedExamples(FACTORS, 21, 3)
    length = factors.length
    rows = _indices(Numbered(21), length // 2, repeat_factors=FACTORS).ravel()
    for number, epoch in enumerate(rows.reshape(-1, length)):
        assert sorted(epoch) == factors.epoch(number).tolist()
        assert sorted(epoch) != epoch.tolist()
    batches = train_batches(
        Numbered(21), batch_size=8, seed=3, repeat_factors=FACTORS, start_step=2
    )
    batch = next(batches)
    np.testing.assert_array_equal(batch["example_index"], rows[16:24])
    np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], rows[16:24])


def test_factors_of_one_change_nothing():
    np.testing.assert_array_equal(
        _indices(Numbered(21), 9, repeat_factors=np.ones(21)), _indices(Numbered(21), 9)
    )


def test_factors_that_do_not_fit_are_refused():
    options = {"batch_size": 8, "seed": 3, "repeat_factors": np.ones(20)}
    with pytest.raises(ValueError, match="one for each of 21 examples"):
        train_indices(21, **options)


def test_seeds_give_different_orders():
    one, other = (_indices(Numbered(50), 1, seed=s) for s in (0, 1))
    assert (one != other).any()


@pytest.mark.parametrize("length", [1, 3])
def test_fewer_examples_than_rows_repeat_within_a_batch(length):
    rows = _indices(Numbered(length), 3).ravel()
    for epoch in rows[: 24 // length * length].reshape(-1, length):
        assert sorted(epoch) == list(range(length))


def test_thread_counts_and_prefetch_change_nothing():
    expected = _indices(Numbered(21), 12)
    for threads, prefetch in [(1, 1), (4, 2), (2, 16)]:
        found = _indices(Numbered(21), 12, num_threads=threads, prefetch=prefetch)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_workers_change_nothing():
    options = {"batch_size": 8, "seed": 3, "start_step": 1, "num_classes": 5}
    options["repeat_factors"] = FACTORS
    here = train_batches(Numbered(21), **options)
    there = train_batches(Numbered(21), **options, num_workers=2)
    for _ in range(9):
        _assert_equal(next(there), next(here))
    there.close()


@pytest.mark.slow
def test_a_worker_error_names_the_image():
    batches = train_batches(Numbered(16, broken=7), batch_size=8, seed=0, num_workers=1)
    with pytest.raises(Exception, match=r"example 7: OSError: damaged photo 'id-7'"):
        list(itertools.islice(batches, 3))
    batches.close()


def test_a_thread_error_names_the_image():
    batches = train_batches(Numbered(16, broken=7), batch_size=8, seed=0)
    with pytest.raises(ExampleError, match=r"example 7: OSError: damaged photo 'id-7'"):
        list(itertools.islice(batches, 3))
    with pytest.raises(ExampleError, match="example 7"):
        list(eval_batches(Numbered(16, broken=7), batch_size=8))


@pytest.mark.parametrize("process_count", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 8, 10])
def test_evaluation_sees_each_example_once(length, process_count):
    parts = [
        list(
            eval_batches(
                Numbered(length),
                batch_size=4,
                process_index=p,
                process_count=process_count,
            )
        )
        for p in range(process_count)
    ]
    assert {len(part) for part in parts} == {-(-length // 4)}
    seen = []
    for rows in zip(*parts, strict=True):
        for batch in rows:
            assert batch["image"].shape == (4 // process_count, *SIZE, 3)
            mask = batch["example_mask"]
            assert mask.dtype == bool
            seen += batch["example_index"][mask].tolist()
            assert (
                batch["image"][mask][:, 0, 0, 0] == seen[len(seen) - mask.sum() :]
            ).all()
            assert (batch["example_index"][~mask] == -1).all()
            assert (batch["label"][~mask] == 255).all()
            assert (batch["image"][~mask] == 0).all()
    assert seen == list(range(length))


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"label": np.full(SIZE, 9, np.uint8)}, r"label ids \[9\]; allowed are 0..4"),
        ({"label": np.zeros((4, 4), np.uint8)}, r"label uint8\[4, 4\]; allowed"),
        ({"label": np.zeros(SIZE, np.int32)}, r"label int32\[4, 3\]; allowed"),
        ({"image": np.zeros((*SIZE, 4), np.uint8)}, r"image uint8\[4, 3, 4\]"),
        ({"image": np.zeros((*SIZE, 3), np.float32)}, r"image float32"),
    ],
)
def test_an_example_that_does_not_fit_is_named(patch, message):
    source = Patched(8, patch=patch)
    with pytest.raises(ExampleError, match=rf"example 3 \(image 'id-3'\).*{message}"):
        next(train_batches(source, batch_size=8, seed=0, num_classes=5))
    with pytest.raises(ExampleError, match=message):
        next(eval_batches(source, batch_size=8, num_classes=5))
    with pytest.raises(ExampleError, match=rf"example 3 \(image 'id-3'\).*{message}"):
        list(read_examples(source, range(8), num_classes=5))


def test_ignored_pixels_are_no_wrong_ids():
    source = Patched(8, patch={"label": np.full(SIZE, 255, np.uint8)})
    batch = next(train_batches(source, batch_size=8, seed=0, num_classes=5))
    assert (batch["label"] == 255).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 6, "process_count": 4}, "multiples of the 4"),
        ({"batch_size": 0}, "batch_size 0"),
        ({"process_index": 1}, r"process_index 1; allowed are 0\.\.0"),
    ],
)
def test_arguments_are_checked_at_once(options, message):
    options = {"batch_size": 4} | options
    with pytest.raises(ValueError, match=message):
        train_batches(Numbered(8), seed=0, **options)
    with pytest.raises(ValueError, match=message):
        eval_batches(Numbered(8), **options)


def test_what_only_training_takes_is_checked_at_once():
    allowed = "allowed are start_step"
    for options in ({"start_step": -1}, {"seed": -1}):
        options = {"batch_size": 4, "seed": 0} | options
        with pytest.raises(ValueError, match=allowed):
            train_batches(Numbered(8), **options)
        with pytest.raises(ValueError, match=allowed):
            train_indices(8, **options)
    with pytest.raises(ValueError, match="num_workers -1; allowed is 0 or more"):
        train_batches(Numbered(8), batch_size=4, seed=0, num_workers=-1)
    with pytest.raises(ValueError, match="no examples"):
        train_batches(Numbered(0), batch_size=4, seed=0)
    with pytest.raises(ValueError, match="no examples"):
        read_examples(Numbered(0), range(0))


_TRAINER = """
    import time
    from fashionjax.data.pipeline import train_batches
    from tests.data.test_pipeline import Numbered
    if __name__ == "__main__":
        batches = train_batches(Numbered(21), batch_size=8, seed=0, num_workers=2)
        next(batches)
        print("ready", flush=True)
        {end}
"""


def _processes_of_group(group):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended while we looked
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def _start(tmp_path, end):
    script = tmp_path / "trainer.py"
    script.write_text(textwrap.dedent(_TRAINER.format(end=end)))
    root = pathlib.Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(root)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("ending", ["killed", "forgotten"])
def test_workers_end_with_their_trainer(tmp_path, ending):
    killed = ending == "killed"
    trainer = _start(tmp_path, "time.sleep(100)" if killed else "pass")
    try:
        assert trainer.stdout.readline() == "ready\n"
        if killed:
            # At once: a worker may not have got as far as watching yet.
            assert len(_processes_of_group(trainer.pid)) >= 3
            trainer.kill()
        # grain waits up to 25 s for each worker when it closes.
        assert trainer.wait(timeout=90) == (-signal.SIGKILL if killed else 0)
        deadline = time.monotonic() + 15
        while _processes_of_group(trainer.pid) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert _processes_of_group(trainer.pid) == []
    finally:
        for process in _processes_of_group(trainer.pid):
            os.kill(process, signal.SIGKILL)
        trainer.stdout.close()


def test_closing_ends_the_threads():
    before = threading.active_count()
    batches = train_batches(Numbered(21), batch_size=4, seed=0, num_threads=4)
    list(itertools.islice(batches, 3))
    assert threading.active_count() > before
    batches.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before


@pytest.mark.parametrize("module", ["label_maps", "images", "pipeline", "datasets.ccp"])
def test_importing_the_data_layer_needs_neither_jax_nor_tensorflow(module):
    code = (
        f"import sys, fashionjax.data.{module}; "
        "sys.exit(str([m for m in ('jax', 'tensorflow', 'flax') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stderr.strip() == "[]"
