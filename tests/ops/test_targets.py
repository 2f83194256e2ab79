import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.constants import IGNORE_INDEX
from fashionjax.ops.targets import label_to_boxes, label_to_tags, make_targets


def test_a_rectangle_gives_its_own_box_with_exclusive_far_edges():
    label = np.zeros((1, 8, 10), np.uint8)
    label[0, 2:5, 3:9] = 2
    boxes = label_to_boxes(jnp.asarray(label), 4)
    np.testing.assert_allclose(boxes[0, 1], [3 / 10, 2 / 8, 9 / 10, 5 / 8])
    np.testing.assert_array_equal(boxes[0, [0, 2]], np.zeros((2, 4)))


def test_a_single_pixel_at_each_corner_spans_the_image():
    label = np.zeros((1, 4, 6), np.uint8)
    label[0, 0, 0] = label[0, 3, 5] = 1
    np.testing.assert_array_equal(
        label_to_boxes(jnp.asarray(label), 2)[0, 0], [0, 0, 1, 1]
    )


def test_ignored_pixels_make_no_tag_and_no_box():
    label = jnp.full((1, 4, 4), IGNORE_INDEX, jnp.uint8)
    targets = make_targets(label, 5)
    assert not targets.tags.any()
    assert not targets.boxes.any()
    assert targets.label.dtype == jnp.int32


def test_tags_and_boxes_equal_a_plain_search():
    rng = np.random.RandomState(0)
    label = rng.choice(6, (3, 9, 7), p=[0.9, 0.04, 0.03, 0.02, 0.01, 0]).astype(
        np.uint8
    )
    tags = np.asarray(label_to_tags(jnp.asarray(label), 6))
    boxes = np.asarray(label_to_boxes(jnp.asarray(label), 6))
    for i in range(3):
        for k in range(1, 6):
            rows, columns = np.nonzero(label[i] == k)
            assert tags[i, k - 1] == bool(rows.size)
            expected = (
                [
                    columns.min() / 7,
                    rows.min() / 9,
                    (columns.max() + 1) / 7,
                    (rows.max() + 1) / 9,
                ]
                if rows.size
                else [0] * 4
            )
            np.testing.assert_allclose(boxes[i, k - 1], expected, rtol=1e-6)


def test_targets_need_no_scatter_and_no_gather():
    text = (
        jax.jit(make_targets, static_argnums=1)
        .lower(jnp.zeros((2, 8, 8), jnp.uint8), 9)
        .as_text()
    )
    assert "scatter" not in text
    assert "gather" not in text
