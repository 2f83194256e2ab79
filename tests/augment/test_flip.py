import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.augment import random_horizontal_flip


def _batch():
    rng = np.random.RandomState(0)
    image = jnp.asarray(rng.randint(0, 256, (16, 4, 6, 3)), jnp.uint8)
    return image, jnp.asarray(rng.randint(0, 9, (16, 4, 6)), jnp.uint8)


def test_image_and_label_flip_alike_and_only_some_do():
    image, label = _batch()
    new_image, new_label = random_horizontal_flip(jax.random.key(0), image, label)
    flipped = 0
    for i in range(16):
        kept = np.array_equal(new_image[i], image[i])
        assert kept == np.array_equal(new_label[i], label[i])
        if not kept:
            flipped += 1
            np.testing.assert_array_equal(new_image[i], image[i, :, ::-1])
            np.testing.assert_array_equal(new_label[i], label[i, :, ::-1])
    assert 0 < flipped < 16


def test_flipping_all_twice_is_the_identity():
    image, label = _batch()
    key = jax.random.key(0)
    once = random_horizontal_flip(key, image, label, probability=1.0)
    twice = random_horizontal_flip(key, *once, probability=1.0)
    np.testing.assert_array_equal(twice[0], image)
    np.testing.assert_array_equal(twice[1], label)
    assert not np.array_equal(once[0], image)
