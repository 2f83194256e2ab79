import numpy as np
import pytest

from fashionjax.data.class_balance import (
    class_repeat_factors,
    enet_weights,
    median_frequency_weights,
    repeat_factors,
)

# Class 0: 8 of 20 pixels; class 1: 2 of the 10 of one image; class 2: 10 of 20.
PIXELS = np.array([[6, 2, 2, 0], [2, 0, 8, 0]])


def test_median_frequency_weights_of_a_known_case():
    weights = median_frequency_weights(PIXELS)
    frequencies = [8 / 20, 2 / 10, 10 / 20]
    expected = [0.4 / frequency for frequency in frequencies]
    np.testing.assert_allclose(weights[:3], expected)
    assert np.isnan(weights[3])


def test_enet_weights_of_a_known_case():
    weights = enet_weights(PIXELS)
    expected = 1 / np.log(1.02 + np.array([8, 2, 10]) / 20)
    np.testing.assert_allclose(weights[:3], expected)
    assert np.isnan(weights[3])
    bounds = enet_weights(np.array([[10**9, 1]]))
    np.testing.assert_allclose(bounds, [1 / np.log(2.02), 1 / np.log(1.02)], rtol=1e-6)


def test_a_photo_is_repeated_as_its_rarest_class_asks():
    # Of 8 images all have class 0, two class 1, one class 2, none class 3.
    pixels = np.zeros((8, 4), int)
    pixels[:, 0] = 5
    pixels[:2, 1] = 1
    pixels[1, 2] = 9
    np.testing.assert_allclose(
        class_repeat_factors(pixels, 0.5), [1, np.sqrt(0.5 / 0.25), 2, 1]
    )
    np.testing.assert_allclose(
        repeat_factors(pixels, 0.5), [np.sqrt(2), 2, *np.ones(6)]
    )
    np.testing.assert_array_equal(repeat_factors(pixels, 0.0), np.ones(8))


@pytest.mark.parametrize("threshold", [-0.1, 1.5, np.nan])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    with pytest.raises(ValueError, match=r"repeat threshold .*; allowed is 0"):
        class_repeat_factors(PIXELS, threshold)
