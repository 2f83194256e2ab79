import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.postprocess import dense_crf
from fashionjax.postprocess.dense_crf import infer, make_kernels
from tests.postprocess.oracles import exact_crf

SETTING = {
    "bilateral_sxy": 20.0,
    "bilateral_srgb": 13.0,
    "bilateral_compat": 5.0,
    "gaussian_sxy": 3.0,
    "gaussian_compat": 3.0,
    "num_iterations": 10,
}


def _draw(height, width, num_classes, seed=0):
    """Blocks of colour with noise, and probabilities that know them badly."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, num_classes, (-(-height // 8), -(-width // 8)))
    label = np.kron(coarse, np.ones((8, 8), int))[:height, :width]
    colors = rng.integers(0, 256, (num_classes, 3))
    image = colors[label] + rng.normal(0, 12, (height, width, 3))
    image = np.clip(image, 0, 255).astype(np.uint8)
    logits = 1.5 * np.eye(num_classes)[label] + rng.normal(
        0, 1, (*label.shape, num_classes)
    )
    probs = np.exp(logits)
    probs /= probs.sum(-1, keepdims=True)
    return image, probs.astype(np.float32)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"bilateral_sxy": 5.0, "bilateral_srgb": 5.0},
        {"bilateral_sxy": 60.0, "bilateral_srgb": 40.0, "bilateral_compat": 10.0},
        {"gaussian_sxy": 1.0, "gaussian_compat": 1.0},
        {"gaussian_sxy": 6.0, "gaussian_compat": 10.0},
    ],
)
def test_the_field_over_all_pairs_of_pixels(change):
    image, probs = _draw(24, 32, 4)
    setting = SETTING | change
    found = np.asarray(dense_crf(probs, image, **setting))
    expected = exact_crf(probs, image, **setting)
    assert np.mean(found.argmax(-1) == expected.argmax(-1)) >= 0.96
    assert np.abs(found - expected).mean() <= 0.02
    # The field does change labels: equality is no matter of course.
    assert np.mean(probs.argmax(-1) != expected.argmax(-1)) > 0.05


def test_probabilities_in_and_out():
    image, probs = _draw(17, 23, 5)
    found = dense_crf(probs, image, **SETTING)
    assert found.shape == probs.shape
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


def test_a_batch_is_its_images():
    drawn = [_draw(24, 32, 4, seed) for seed in range(3)]
    images, probs = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    batch = dense_crf(probs, images, **SETTING)
    assert batch.shape == probs.shape
    for found, (image, prob) in zip(batch, drawn, strict=True):
        alone = dense_crf(prob, image, **SETTING)
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_within_a_compiled_function():
    image, probs = _draw(17, 23, 5)
    inside = jax.jit(lambda probs, image: dense_crf(probs, image, **SETTING))
    expected = dense_crf(probs, image, **SETTING)
    np.testing.assert_allclose(inside(probs, image), expected, atol=1e-5)


def test_no_iterations_change_nothing_that_is_likely():
    image, probs = _draw(24, 32, 4)
    found = dense_crf(probs, image, **SETTING | {"num_iterations": 0})
    np.testing.assert_allclose(found, probs, atol=1e-4)


def test_probabilities_of_half_precision():
    image, probs = _draw(24, 32, 4)
    half = jnp.asarray(probs, jnp.bfloat16)
    found = dense_crf(half, image, **SETTING)
    assert found.dtype == jnp.float32
    expected = dense_crf(half.astype(jnp.float32), image, **SETTING)
    np.testing.assert_array_equal(found, expected)


def test_an_image_of_one_color_is_smoothed_towards_the_majority():
    image = np.full((24, 32, 3), 77, np.uint8)
    probs = np.full((24, 32, 4), 0.1, np.float32)
    probs[..., 0] = 0.7
    probs[8:11, 8:11, :2] = [0.1, 0.7]
    found = dense_crf(probs, image, **SETTING)
    assert not found.argmax(-1).any()


def test_a_single_class_and_a_single_pixel():
    image, probs = _draw(9, 7, 1)
    np.testing.assert_allclose(dense_crf(probs, image, **SETTING), 1)
    image, probs = image[:1, :1], np.float32([[[0.2, 0.8]]])
    found = dense_crf(probs, image, **SETTING)
    expected = exact_crf(probs, image, **SETTING)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probs": np.zeros((4, 4, 2), np.int32)}, "probs int32 [4, 4, 2]"),
        ({"probs": np.zeros((4, 2), np.float32)}, "probs float32 [4, 2]"),
        ({"probs": np.zeros((4, 4, 0), np.float32)}, "probs float32 [4, 4, 0]"),
        ({"image": np.zeros((4, 4, 3), np.float32)}, "image float32 [4, 4, 3]"),
        ({"image": np.zeros((4, 5, 3), np.uint8)}, "image uint8 [4, 5, 3]"),
        ({"probs": np.full((4, 4, 2), np.nan, np.float32)}, "not in [0, 1]"),
        ({"probs": np.full((4, 4, 2), 3.0, np.float32)}, "not in [0, 1]"),
        ({"bilateral_sxy": 0.0}, "bilateral_sxy=0.0; allowed is more than 0"),
        ({"bilateral_srgb": -1.0}, "bilateral_srgb=-1.0"),
        ({"gaussian_sxy": float("nan")}, "gaussian_sxy=nan"),
        ({"bilateral_compat": float("inf")}, "bilateral_compat=inf"),
        ({"gaussian_compat": -1.0}, "gaussian_compat=-1.0; allowed is 0 or more"),
        ({"num_iterations": -1}, "num_iterations=-1"),
        ({"num_iterations": 1.5}, "num_iterations=1.5"),
    ],
)
def test_wrong_input_is_refused(change, message):
    given = {
        "probs": np.full((4, 4, 2), 0.5, np.float32),
        "image": np.zeros((4, 4, 3), np.uint8),
    }
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        dense_crf(**given | SETTING | change)
    assert message in str(refused.value)


def test_an_iteration_keeps_no_copy_of_the_map_for_each_tap():
    # One colour, few corners: what memory is for is the filter of smoothness.
    image = np.full((1, 96, 64, 3), 100, np.uint8)
    probs = np.full((1, 96, 64, 25), 1 / 25, np.float32)
    options = {k: v for k, v in SETTING.items() if k != "num_iterations"}
    kernels = make_kernels(jnp.asarray(image), **options)
    program = infer.lower(probs, kernels, num_iterations=10).compile()
    # 25 taps; what is read and written at the same time is a handful of maps.
    assert program.memory_analysis().temp_size_in_bytes < 8 * probs.nbytes
