import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fashionjax.augment import EXTENDED_UNET, Augmentation, Normalization, Prepare

NUM_CLASSES = 6
FLIP = Augmentation(horizontal_flip=1.0)
WARP = Augmentation(
    horizontal_flip=0.5, rotation=30.0, shift=0.3, zoom=0.3, label_fill="ignore"
)


def _batch(batch=8, height=40, width=28):
    rng = np.random.RandomState(0)
    image = rng.randint(0, 256, (batch, height, width, 3)).astype(np.uint8)
    label = np.zeros((batch, height, width), np.uint8)
    for i in range(batch):
        for _ in range(2):
            top, left = rng.randint(0, height - 8), rng.randint(0, width - 6)
            label[i, top : top + 8, left : left + 6] = rng.randint(1, NUM_CLASSES)
    return image, label, np.arange(batch, dtype=np.int32)


def test_images_are_normalised_per_colour():
    prepare = Prepare(3, Normalization((0.5, 0.25, 0.0), (0.5, 0.25, 1.0)))
    image = jnp.full((1, 2, 2, 3), 255, jnp.uint8)
    normalised, _ = prepare(image, jnp.zeros((1, 2, 2), jnp.uint8))
    np.testing.assert_allclose(normalised[0, 0, 0], [1, 3, 1], rtol=1e-6)


def test_boxes_follow_the_flip():
    prepare = Prepare(2, Normalization(), FLIP)
    label = jnp.zeros((1, 4, 8), jnp.uint8).at[0, 1:3, 0:2].set(1)
    image = jnp.zeros((1, 4, 8, 3), jnp.uint8)
    _, targets = prepare(image, label, jax.random.key(0), jnp.zeros(1, jnp.int32))
    np.testing.assert_allclose(targets.boxes[0, 0], [0.75, 0.25, 1.0, 0.75])


def test_boxes_and_tags_are_those_of_the_warped_label():
    image, label, index = _batch()
    prepare = Prepare(NUM_CLASSES, Normalization(), WARP)
    key = jax.random.key(5)
    _, warped = jax.jit(prepare.augment)(image, label, key, index)
    _, targets = jax.jit(prepare)(image, label, key, index)
    warped = np.asarray(warped)
    assert (warped != label).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(targets.label, warped)
    height, width = label.shape[1:]
    found = 0
    for i in range(len(image)):
        for class_id in range(1, NUM_CLASSES):
            rows, columns = np.nonzero(warped[i] == class_id)
            assert targets.tags[i, class_id - 1] == bool(rows.size)
            expected = np.zeros(4)
            if rows.size:
                found += 1
                ends = (columns.max() + 1) / width, (rows.max() + 1) / height
                expected = [columns.min() / width, rows.min() / height, *ends]
            np.testing.assert_allclose(
                targets.boxes[i, class_id - 1], expected, atol=1e-6
            )
    assert found > len(image)


def test_evaluation_leaves_examples_as_they_are():
    image, label, index = _batch()
    plain = Prepare(NUM_CLASSES, Normalization())
    expected, _ = plain(image, label, jax.random.key(0), index)
    for example_index in (None, index):
        prepare = Prepare(NUM_CLASSES, Normalization(), WARP)
        normalised, targets = prepare(image, label, example_index=example_index)
        np.testing.assert_array_equal(normalised, expected)
        np.testing.assert_array_equal(targets.label, label)


def test_the_model_sees_what_the_pictures_show():
    image, label, index = _batch()
    prepare = Prepare(NUM_CLASSES, Normalization((0, 0, 0), (1, 1, 1)), EXTENDED_UNET)
    key = jax.random.key(1)
    picture, picture_label = jax.jit(prepare.augment)(image, label, key, index)
    normalised, targets = jax.jit(prepare)(image, label, key, index)
    assert picture.dtype == jnp.uint8
    assert picture_label.dtype == jnp.uint8
    assert (np.asarray(picture) != image).any()
    # Rounded, not cut off: no pixel is more than half a level away.
    difference = 255 * np.asarray(normalised) - np.asarray(picture, np.float32)
    assert np.abs(difference).max() <= 0.501
    np.testing.assert_array_equal(targets.label, picture_label)


def test_a_key_without_indices_is_refused():
    image, label, _ = _batch()
    prepare = Prepare(NUM_CLASSES, Normalization(), FLIP)
    with pytest.raises(ValueError, match="example_index"):
        prepare(image, label, jax.random.key(0))
