import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.augment import Normalization, Prepare


def test_images_are_normalised_per_colour():
    prepare = Prepare(3, Normalization((0.5, 0.25, 0.0), (0.5, 0.25, 1.0)))
    image = jnp.full((1, 2, 2, 3), 255, jnp.uint8)
    normalised, _ = prepare(image, jnp.zeros((1, 2, 2), jnp.uint8))
    np.testing.assert_allclose(normalised[0, 0, 0], [1, 3, 1], rtol=1e-6)


def test_boxes_follow_the_flip():
    prepare = Prepare(2, Normalization(), horizontal_flip=1.0)
    label = jnp.zeros((1, 4, 8), jnp.uint8).at[0, 1:3, 0:2].set(1)
    image = jnp.zeros((1, 4, 8, 3), jnp.uint8)
    _, targets = prepare(image, label, jax.random.key(0))
    np.testing.assert_allclose(targets.boxes[0, 0], [0.75, 0.25, 1.0, 0.75])


def test_evaluation_leaves_examples_as_they_are():
    prepare = Prepare(2, Normalization(), horizontal_flip=1.0)
    label = jnp.zeros((1, 4, 8), jnp.uint8).at[0, 1:3, 0:2].set(1)
    _, targets = prepare(jnp.zeros((1, 4, 8, 3), jnp.uint8), label)
    np.testing.assert_array_equal(targets.label[0], label[0])
