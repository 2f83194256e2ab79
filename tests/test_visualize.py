"""Tests of the pictures of label maps."""

import numpy as np
import pytest
from PIL import Image

from fashionjax.visualize import (
    IGNORE_COLOR,
    colorize,
    overlay,
    palette_png,
)

PALETTE = ((0, 0, 0), (200, 40, 40), (40, 80, 200))


@pytest.fixture
def label():
    label = np.zeros((12, 10), np.uint8)
    label[2:9, 2:9] = 1
    label[4:6, 4:6] = 2
    label[0, 0] = 255
    return label


def test_colorize_uses_the_palette_and_the_ignore_color(label):
    colors = colorize(label, PALETTE)
    assert colors.dtype == np.uint8
    assert tuple(colors[0, 0]) == IGNORE_COLOR
    assert tuple(colors[0, 1]) == PALETTE[0]
    assert tuple(colors[3, 3]) == PALETTE[1]
    assert tuple(colors[5, 5]) == PALETTE[2]


def test_an_id_without_a_color_is_named():
    with pytest.raises(ValueError, match=r"class id 3 .* 0\.\.2 and 255"):
        colorize(np.array([[0, 3]]), PALETTE)


def test_a_negative_id_is_refused():
    with pytest.raises(ValueError, match="class id -1"):
        colorize(np.array([[-1, 0]]), PALETTE)


def test_a_probability_map_is_not_a_label_map():
    with pytest.raises(ValueError, match="float64"):
        colorize(np.zeros((2, 2)), PALETTE)


def test_overlay_keeps_background_pixels_as_they_are(label):
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    out = overlay(image, label, PALETTE)
    np.testing.assert_array_equal(out[label == 0], image[label == 0])
    assert (out[label == 1] != image[label == 1]).any()


def test_overlay_draws_borders_in_full_color_and_blends_inside(label):
    image = np.full((12, 10, 3), 100, np.uint8)
    out = overlay(image, label, PALETTE, alpha=0.5)
    assert tuple(out[2, 2]) == PALETTE[1]  # at the background
    assert tuple(out[4, 4]) == PALETTE[2]  # at class 1
    assert tuple(out[7, 7]) == (150, 70, 70)


def test_overlay_refuses_an_image_of_another_size(label):
    with pytest.raises(ValueError, match=r"uint8 \[12, 10, 3\]"):
        overlay(np.zeros((10, 12, 3), np.uint8), label, PALETTE)


def test_palette_png_keeps_class_ids_and_colors(tmp_path, label):
    palette_png(tmp_path / "label.png", label, PALETTE)
    with Image.open(tmp_path / "label.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), label)
        rgb = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(rgb, colorize(label, PALETTE))


def test_palette_png_keeps_the_ids_of_a_map_with_few_classes(tmp_path):
    """Encoders that compact a palette would renumber the ids."""
    label = np.full((5, 5), 2, np.int32)
    palette_png(tmp_path / "label.png", label, PALETTE)
    with Image.open(tmp_path / "label.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), label)
