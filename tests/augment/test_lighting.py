import jax.numpy as jnp
import numpy as np

from fashionjax.augment.lighting import adjust_lighting


def _image():
    image = np.random.RandomState(0).uniform(0, 1, (3, 4, 5, 3)).astype(np.float32)
    image[:, 0, 0], image[:, 0, 1] = 0.0, 1.0
    return image


def _fastai(image, change, scale):
    """`brightness`, then `contrast`, between `logit_` and `sigmoid_`, in float64."""
    image = np.clip(image.astype(np.float64), 1e-7, 1 - 1e-7)
    logit = -np.log(1 / image - 1)
    logit = (logit + np.log(change / (1 - change))) * scale
    return 1 / (1 + np.exp(-logit))


def test_lighting_is_fastais():
    image = _image()
    change = np.array([0.4, 0.5, 0.6], np.float32)
    scale = np.array([1.25, 0.8, 1.0], np.float32)
    lit = adjust_lighting(jnp.asarray(image), jnp.asarray(change), jnp.asarray(scale))
    for i in range(3):
        expected = _fastai(image[i], float(change[i]), float(scale[i]))
        np.testing.assert_allclose(lit[i], expected, atol=2e-6)


def test_black_and_white_stay_finite_and_in_range():
    image = jnp.stack([jnp.zeros((2, 2, 3)), jnp.ones((2, 2, 3))])
    for change, scale in ((0.001, 8.0), (0.999, 8.0), (0.5, 0.125)):
        lit = np.asarray(
            adjust_lighting(image, jnp.full(2, change), jnp.full(2, scale))
        )
        assert np.isfinite(lit).all()
        assert lit.min() >= 0
        assert lit.max() <= 1
        assert lit[1].min() >= lit[0].max()


def test_mid_grey_becomes_the_change():
    grey = jnp.full((2, 2, 2, 3), 0.5)
    lit = adjust_lighting(grey, jnp.array([0.3, 0.55]), jnp.ones(2))
    np.testing.assert_allclose(lit[0], 0.3, atol=1e-6)
    np.testing.assert_allclose(lit[1], 0.55, atol=1e-6)
