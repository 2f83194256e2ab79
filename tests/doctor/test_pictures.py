import io

import numpy as np
import pytest
from PIL import Image

from fashionjax.doctor.gallery import draw_gallery
from fashionjax.doctor.page import share_text
from fashionjax.doctor.pictures import HEIGHT, draw_rows, photo, photo_and_label
from fashionjax.doctor.survey import survey
from tests.doctor.toy import STORED, dataset, example

GRAY = np.full((60, 40, 3), 128, np.uint8)
WIDTH = HEIGHT * 40 // 60


def _decoded(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)), np.int64)


def _color(pixels):
    """The channel that stands out; None for grey."""
    mean = pixels.reshape(-1, 3).mean(axis=0)
    return int(mean.argmax()) if np.ptp(mean) > 20 else None


def _quarters(class_id):
    """Which colours the four quarters of a label of classes 0 to 3 get."""
    label = np.zeros((60, 40), np.uint8)
    label[:30, 20:], label[30:, :20], label[30:, 20:] = 1, 2, 3
    drawn = _decoded(photo_and_label(GRAY, label, STORED.palette, class_id))
    assert drawn.shape == (HEIGHT, 2 * WIDTH, 3)
    assert _color(drawn[:, :WIDTH]) is None
    half, middle = HEIGHT // 2, WIDTH // 2
    right = drawn[:, WIDTH:]
    return [
        _color(right[rows, columns])
        for rows in (slice(10, half - 10), slice(half + 10, -10))
        for columns in (slice(10, middle - 10), slice(middle + 10, -10))
    ]


def test_classes_have_their_colours_beside_the_photo():
    assert _quarters(None) == [None, 0, 1, 2]


def test_one_class_is_shown_alone():
    assert _quarters(2) == [None, None, 1, None]


def test_a_label_of_another_size_is_stretched():
    drawn = photo_and_label(GRAY, np.ones((6, 9), np.uint8), STORED.palette)
    assert _color(_decoded(drawn)[:, WIDTH:]) == 0


def test_boxes_are_outlined_where_they_are():
    drawn = _decoded(photo(GRAY, np.array([[10.0, 15.0, 30.0, 45.0]])))
    changed = np.abs(drawn - 128).max(axis=2) > 60
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(0))
    scale = HEIGHT / 60
    assert [rows[0], rows[-1]] == pytest.approx([15 * scale, 45 * scale], abs=3)
    assert [columns[0], columns[-1]] == pytest.approx([10 * scale, 30 * scale], abs=3)


def test_a_banner_is_cut_down_to_the_page():
    drawn = _decoded(photo(np.zeros((10, 900, 3), np.uint8)))
    assert drawn.shape == (HEIGHT, 3 * HEIGHT, 3)


def test_drawn_rows_are_candidates():
    rng = np.random.default_rng(0)
    candidates = np.arange(50) % 5 == 0
    rows = draw_rows(candidates, 4, rng)
    assert len(set(rows)) == 4
    assert rows == sorted(rows)
    assert candidates[rows].all()
    assert draw_rows(candidates, 99, rng) == list(range(0, 50, 5))


def test_examples_of_a_class_are_those_with_more_of_it():
    examples = []
    for i, rows in enumerate((0, 3, 6, 40, 80)):
        label = np.zeros((120, 80), np.uint8)
        label[:rows] = 2
        examples.append(example(f"i{i}", label=label))
    toy = dataset({"train": examples})
    gallery = draw_gallery(toy, survey(toy), per_class=9)
    # The median of the four that contain it lies between the second and the third.
    captions = [picture.caption for picture in gallery.classes[2]]
    assert captions == ["i3 · train", "i4 · train"]
    assert set(gallery.classes) == {2}
    assert [picture.classes for picture in gallery.random] == [(), *[(2,)] * 4]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (1e-7, "<0.001 %"),
        (0.000123, "0.012 %"),
        (0.0123, "1.23 %"),
        (0.5, "50.0 %"),
        (1.0, "100.0 %"),
    ],
)
def test_small_shares_differ_from_none(share, text):
    assert share_text(share) == text
