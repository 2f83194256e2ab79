import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.ops.boxes import box_iou


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 1, 1], [0, 0, 1, 1], 1.0),
        ([0, 0, 1, 1], [0.5, 0, 1, 1], 0.5),
        ([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], 0.0),
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7),
        ([0, 0, 0, 0], [0, 0, 0, 0], 0.0),
        ([0.9, 0.9, 0.1, 0.1], [0, 0, 1, 1], 0.0),
    ],
)
def test_known_overlaps(a, b, expected):
    value = box_iou(jnp.asarray([a], jnp.float32), jnp.asarray([b], jnp.float32))
    np.testing.assert_allclose(value, [expected], rtol=1e-6)
