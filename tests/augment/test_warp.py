import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from fashionjax.augment.warp import affine_matrix, warp
from fashionjax.constants import BACKGROUND, IGNORE_INDEX

BATCH, HEIGHT, WIDTH = 6, 23, 17
SCIPY_MODES = {"edge": "nearest", "reflect": "mirror", "constant": "grid-constant"}


def _examples(height=HEIGHT, width=WIDTH):
    rng = np.random.RandomState(0)
    image = rng.randint(0, 256, (BATCH, height, width, 3)).astype(np.uint8)
    return image, rng.choice([1, 2, 3, 7], (BATCH, height, width)).astype(np.uint8)


def _movements():
    """Every kind of movement, far beyond the edge too; no ties between pixels."""
    return {
        "flip": np.array([False, True, False, True, False, True]),
        "degrees": np.array([13.7, -41.3, 0.0, 0.0, 97.1, -171.9]),
        "scale": np.array([1.0, 0.61, 1.37, 1.0, 2.93, 1.13]),
        "offset": (
            np.array([0.13, 3.17, -2.63, 0.31, 1.57, 40.37]),
            np.array([0.29, -1.21, 5.81, -0.43, -2.17, -61.19]),
        ),
    }


def _matrix(*, flip=False, degrees=0.0, scale=1.0, offset=(0.0, 0.0)):
    def per_example(value):
        return jnp.broadcast_to(jnp.asarray(value), (BATCH,))

    return affine_matrix(
        flip=per_example(flip),
        degrees=per_example(degrees).astype(jnp.float32),
        scale=per_example(scale).astype(jnp.float32),
        offset=tuple(per_example(o).astype(jnp.float32) for o in offset),
    )


def _oracle_positions(movements, i, height=HEIGHT, width=WIDTH):
    """Source rows and columns of an example in float64, by matrix products."""
    angle = np.deg2rad(movements["degrees"][i])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = np.diag([-1.0 if movements["flip"][i] else 1.0, 1.0])
    offset = np.array([movements["offset"][0][i], movements["offset"][1][i]])
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    rows, columns = np.mgrid[:height, :width]
    place = np.stack([columns, rows], -1).reshape(-1, 2) - center
    seen = movements["scale"][i] * place @ mirror.T + offset
    x, y = (seen @ turn.T + center).T.reshape(2, height, width)
    return y, x


def _warp(image, label, matrix, image_fill="edge", label_fill="same"):
    fills = {"image_fill": image_fill, "label_fill": label_fill}
    out = jax.jit(functools.partial(warp, **fills))(image, label, matrix)
    return tuple(np.asarray(array) for array in out)


@pytest.mark.parametrize("image_fill", SCIPY_MODES)
def test_images_are_scipys_bilinear_samples(image_fill):
    image, label = _examples()
    movements = _movements()
    warped, _ = _warp(image, label, _matrix(**movements), image_fill)
    assert warped.dtype == np.float32
    for i in range(BATCH):
        positions = _oracle_positions(movements, i)
        for channel in range(3):
            expected = ndimage.map_coordinates(
                image[i, :, :, channel].astype(np.float64),
                positions,
                order=1,
                mode=SCIPY_MODES[image_fill],
            )
            np.testing.assert_allclose(warped[i, :, :, channel], expected, atol=0.02)


def _fold(index, size, image_fill):
    """A source index beyond the edge, step by step."""
    if image_fill == "edge":
        return min(max(index, 0), size - 1)
    while not 0 <= index < size:
        index = -index if index < 0 else 2 * (size - 1) - index
    return index


@pytest.mark.parametrize("label_fill", ["background", "ignore", "same"])
@pytest.mark.parametrize("image_fill", SCIPY_MODES)
def test_labels_are_the_nearest_pixels(image_fill, label_fill):
    image, label = _examples()
    movements = _movements()
    _, warped = _warp(image, label, _matrix(**movements), image_fill, label_fill)
    assert warped.dtype == np.uint8
    fills = {"background": BACKGROUND, "ignore": IGNORE_INDEX}
    fill = fills.get(label_fill, BACKGROUND if image_fill == "constant" else None)
    outside = 0
    for i in range(BATCH):
        rows, columns = (np.rint(p) for p in _oracle_positions(movements, i))
        for place in np.ndindex(HEIGHT, WIDTH):
            row, column = int(rows[place]), int(columns[place])
            inside = 0 <= row < HEIGHT and 0 <= column < WIDTH
            outside += not inside
            if inside or fill is None:
                row = _fold(row, HEIGHT, image_fill)
                column = _fold(column, WIDTH, image_fill)
                assert warped[i][place] == label[i, row, column]
            else:
                assert warped[i][place] == fill
    assert outside > 100


@pytest.mark.parametrize("image_fill", SCIPY_MODES)
@pytest.mark.parametrize("degrees", [0.0, 360.0, -720.0])
@pytest.mark.parametrize("size", [(23, 17), (16, 32)])
def test_whole_turns_are_the_exact_identity(size, degrees, image_fill):
    image, label = _examples(*size)
    matrix = _matrix(degrees=degrees)
    warped, warped_label = _warp(image, label, matrix, image_fill, "ignore")
    np.testing.assert_array_equal(warped, image)
    np.testing.assert_array_equal(warped_label, label)


@pytest.mark.parametrize("image_fill", SCIPY_MODES)
def test_a_flip_alone_is_the_exact_mirror_and_twice_the_identity(image_fill):
    image, label = _examples()
    matrix = _matrix(flip=True)
    once, once_label = _warp(image, label, matrix, image_fill, "ignore")
    np.testing.assert_array_equal(once, image[:, :, ::-1])
    np.testing.assert_array_equal(once_label, label[:, :, ::-1])
    twice, twice_label = _warp(
        once.astype(np.uint8), once_label, matrix, image_fill, "ignore"
    )
    np.testing.assert_array_equal(twice, image)
    np.testing.assert_array_equal(twice_label, label)


def test_a_turn_does_not_shear_an_image_that_is_not_square():
    linear = np.asarray(_matrix(degrees=30.0))[0, :, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2), atol=1e-6)


def test_positive_angles_turn_counterclockwise():
    image = np.zeros((BATCH, 21, 21, 3), np.uint8)
    image[:, 10, 18] = 255  # right of the centre; a quarter turn brings it to the top
    turned, _ = _warp(image, image[..., 0], _matrix(degrees=90.0))
    np.testing.assert_allclose(turned[0, 2, 10], 255, atol=0.1)


def test_images_one_pixel_wide_or_high_keep_their_values():
    image, label = _examples(1, 5)
    moved, moved_label = _warp(image, label, _matrix(offset=(0.0, 2.3)), "reflect")
    np.testing.assert_allclose(moved, image, atol=1e-4)
    np.testing.assert_array_equal(moved_label, label)


def test_each_example_is_read_from_itself_alone():
    image, label = _examples()
    movements = _movements()
    warped, warped_label = _warp(image, label, _matrix(**movements), "reflect")
    image[3], label[3] = 0, 0
    other, other_label = _warp(image, label, _matrix(**movements), "reflect")
    kept = np.arange(BATCH) != 3
    np.testing.assert_array_equal(other[kept], warped[kept])
    np.testing.assert_array_equal(other_label[kept], warped_label[kept])
    assert not other[3].any()


def test_positions_just_short_of_whole_periods_stay_in_the_image():
    # Division by the period rounds some of them up to the next period.
    periods = 120 * np.arange(1, 65, dtype=np.float32)
    shift = jnp.asarray(np.nextafter(periods, np.float32(0)))
    still = jnp.zeros(64)
    matrix = affine_matrix(
        flip=still > 0, degrees=still, scale=still + 1, offset=(shift, still)
    )
    image = jnp.broadcast_to(jnp.arange(61, dtype=jnp.uint8)[:, None], (64, 3, 61, 3))
    reflect = functools.partial(warp, image_fill="reflect", label_fill="same")
    moved, _ = jax.jit(reflect)(image, image[..., 0], matrix)
    np.testing.assert_allclose(moved, image, atol=0.02)
