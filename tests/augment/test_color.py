"""The oracle is `colorsys` and torchvision's formulas, pixel by pixel in float64."""

import colorsys

import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.augment.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
)

FACTORS = (0.0, 0.4, 1.0, 1.7)
GRAY = np.array([0.2989, 0.587, 0.114])


def _image():
    image = np.random.RandomState(0).uniform(0, 1, (4, 6, 5, 3)).astype(np.float32)
    # Black, white, grey, pure and mixed colours: each a corner case of the hue.
    image[:, 0, :] = [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 0), (0, 1, 0)]
    image[:, 1, :] = [(0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (0.2, 0.2, 0.1)]
    return image


def _brightness(image, factor):
    return image * factor


def _contrast(image, factor):
    levels = np.rint(255 * (image @ GRAY))  # the mean of the uint8 grey picture
    return factor * image + (1 - factor) * levels.mean() / 255


def _saturation(image, factor):
    return factor * image + (1 - factor) * (image @ GRAY)[..., None]


@pytest.mark.parametrize(
    ("adjust", "oracle"),
    [
        (adjust_brightness, _brightness),
        (adjust_contrast, _contrast),
        (adjust_saturation, _saturation),
    ],
)
def test_blends_are_torchvisions(adjust, oracle):
    image = _image()
    adjusted = adjust(jnp.asarray(image), jnp.array(FACTORS))
    for i, factor in enumerate(FACTORS):
        expected = np.clip(oracle(image[i].astype(np.float64), factor), 0, 1)
        np.testing.assert_allclose(adjusted[i], expected, atol=1e-6)


def test_hues_are_colorsys_hues():
    image = _image()
    turns = (-0.5, -0.13, 0.0, 0.29)
    adjusted = np.asarray(adjust_hue(jnp.asarray(image), jnp.array(turns)))
    for i, shift in enumerate(turns):
        for place in np.ndindex(6, 5):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[i][place].tolist())
            expected = colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)
            np.testing.assert_allclose(adjusted[i][place], expected, atol=2e-6)


def test_a_third_of_the_circle_permutes_the_colours():
    image = _image()
    adjusted = adjust_hue(jnp.asarray(image), jnp.full(4, 1 / 3))
    np.testing.assert_allclose(adjusted, image[..., [2, 0, 1]], atol=2e-6)
