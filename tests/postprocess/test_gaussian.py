import jax
import numpy as np
import pytest

from fashionjax.postprocess.gaussian import make_gaussian


@pytest.mark.parametrize(
    ("size", "deviation"), [((7, 12), 1.0), ((5, 3), 3.5), ((1, 1), 1.0), ((1, 9), 0.2)]
)
def test_all_pairs_of_pixels(size, deviation):
    rng = np.random.default_rng(0)
    values = rng.random((size[0] * size[1], 3))
    before, after = rng.random((2, len(values)))
    y, x = (axis.reshape(-1) for axis in np.mgrid[: size[0], : size[1]])
    square = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    pairs = after[:, None] * np.exp(-0.5 * square / deviation**2) * before
    kernel = make_gaussian(size, deviation)
    kernel = kernel.scaled(before.astype(np.float32)).replace(
        after=after.astype(np.float32)
    )
    found = jax.jit(lambda kernel, values: kernel.filter(values))(
        kernel, values.astype(np.float32)
    )
    # The filter ends at four standard deviations.
    np.testing.assert_allclose(found, pairs @ values, rtol=1e-3, atol=1e-3)
