import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from fashionjax.train.guards import CompilationCount, HealthWatch, NonFiniteError
from fashionjax.train.step import Health

SOURCE = [
    {
        "image": np.full((4, 3, 3), 10 + i, np.uint8),
        "label": np.full((4, 3), i, np.uint8),
        "image_id": f"photo-{i}",
    }
    for i in range(9)
]


def _batch(first):
    return np.array([first, first + 1], np.int32)


def _health(*, finite=True, num_skipped=0, stop=0):
    return Health(jnp.asarray(finite), jnp.int32(num_skipped), jnp.int32(stop))


def test_a_step_is_looked_at_when_the_next_has_begun(tmp_path):
    watch = HealthWatch(tmp_path, SOURCE, max_skipped=0)
    bad = _health(finite=False, num_skipped=1)
    assert not watch.add(6, _batch(0), _health())
    assert not watch.add(7, _batch(4), bad)
    with pytest.raises(NonFiniteError, match="step 7: loss or gradient is not finite"):
        watch.add(8, _batch(6), _health())
    folder = tmp_path / "nonfinite/step-00000007"
    record = json.loads((folder / "examples.json").read_text())
    assert record["step"] == 7
    assert record["examples"] == [
        {"row": 0, "example_index": 4, "image_id": "photo-4"},
        {"row": 1, "example_index": 5, "image_id": "photo-5"},
    ]
    np.testing.assert_array_equal(
        Image.open(folder / "001-example-5.png"), SOURCE[5]["image"]
    )
    np.testing.assert_array_equal(
        Image.open(folder / "001-example-5-label.png"), SOURCE[5]["label"]
    )
    assert len(list(tmp_path.glob("nonfinite/*"))) == 1


def test_as_many_steps_in_a_row_as_allowed_may_be_skipped(tmp_path):
    watch = HealthWatch(tmp_path, SOURCE, max_skipped=2)
    for step, count in ((1, 1), (2, 2), (3, 0), (4, 1), (5, 2)):
        watch.add(step, _batch(0), _health(finite=count == 0, num_skipped=count))
    watch.settle()
    watch.add(6, _batch(0), _health(finite=False, num_skipped=3))
    with pytest.raises(NonFiniteError, match="step 6"):
        watch.settle()
    assert not watch.settle()


def test_a_request_to_stop_is_passed_on(tmp_path):
    watch = HealthWatch(tmp_path, SOURCE, max_skipped=0)
    assert not watch.add(1, _batch(0), _health(stop=1))
    assert watch.add(2, _batch(0), _health())
    assert not watch.settle()


def test_compilations_are_counted_while_entered():
    @jax.jit
    def double(x):
        return 2 * x

    narrow, wide = jnp.ones(3), jnp.ones(5)
    with CompilationCount() as count:
        double(narrow)
        assert count.take() == 1
        double(narrow)
        assert count.take() == 0
        double(wide)
        assert count.take() == 1
    double(jnp.ones(7))
    assert count.take() == 0
