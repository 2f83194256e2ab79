"""Tests of the sheet of augmented examples and of its section on the page."""

import types

import numpy as np
import pytest
from PIL import Image

from fashionjax.report import AugmentedExample, write_report
from fashionjax.report.contact_sheet import CONTACT_SHEET, HEIGHT, draw_contact_sheet
from fashionjax.visualize import IGNORE_COLOR

PALETTE = ((0, 0, 0), (200, 40, 40))


def _pair(grey, size=(64, 32), class_id=1):
    """A grey photo whose lower half is of a class."""
    label = np.zeros(size, np.uint8)
    label[size[0] // 2 :] = class_id
    return np.full((*size, 3), grey, np.uint8), label


def _example(grey, *versions, image_id="<i>.jpg"):
    return AugmentedExample(*_pair(grey), image_id, versions)


def _sheet(folder, examples):
    draw_contact_sheet(folder, examples, PALETTE)
    with Image.open(folder / CONTACT_SHEET) as picture:
        assert picture.mode == "RGBA"
        return np.asarray(picture)


def _cells(sheet, row, num_rows):
    """The pictures of a row: spans of columns where its middle is opaque."""
    heading = sheet.shape[0] - num_rows * HEIGHT
    top = heading + row * HEIGHT if num_rows == 1 else sheet.shape[0] - HEIGHT
    opaque = sheet[top + HEIGHT // 2, :, 3] > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], opaque, [0]])))
    return [sheet[top:, a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def test_the_original_comes_first_and_its_versions_follow(tmp_path):
    sheet = _sheet(tmp_path, [_example(40, _pair(90), _pair(140), _pair(190))])
    cells = _cells(sheet, 0, 1)
    assert [int(cell[HEIGHT // 4, 9, 0]) for cell in cells] == [40, 90, 140, 190]
    assert {cell.shape[1] for cell in cells} == {HEIGHT // 2}


def test_the_original_stands_apart(tmp_path):
    sheet = _sheet(tmp_path, [_example(40, _pair(90), _pair(140))])
    opaque = np.flatnonzero(np.diff(sheet[-9, :, 3] > 0))
    first, second = opaque[1] - opaque[0], opaque[3] - opaque[2]
    assert first > 2 * second > 0


def test_labels_lie_over_the_photos_with_a_contour(tmp_path):
    sheet = _sheet(tmp_path, [_example(100, _pair(100, class_id=255))])
    original, version = _cells(sheet, 0, 1)
    for cell, color in ((original, PALETTE[1]), (version, IGNORE_COLOR)):
        tint = cell[HEIGHT * 3 // 4, 9, :3].astype(int)
        mixed = sorted([(100, tint[i], color[i]) for i in range(3)])
        assert all(a < t < b or a > t > b for a, t, b in mixed)
        np.testing.assert_array_equal(cell[HEIGHT // 2, 9, :3], color)
        np.testing.assert_array_equal(cell[HEIGHT // 4, 9, :3], 100)


def test_every_example_has_a_row_though_one_has_fewer_versions(tmp_path):
    examples = [_example(10, _pair(20), _pair(30)), _example(40, _pair(50))]
    one = _sheet(tmp_path, examples[:1])
    two = _sheet(tmp_path, examples)
    assert one.shape[1] == two.shape[1]
    assert two.shape[0] - one.shape[0] > HEIGHT
    last = _cells(two, 1, 2)
    assert [int(cell[HEIGHT // 4, 9, 0]) for cell in last] == [40, 50]


def test_headings_can_be_read_on_white_and_on_dark(tmp_path):
    sheet = _sheet(tmp_path, [_example(10, _pair(20))])
    heading = sheet[: sheet.shape[0] - HEIGHT]
    assert (heading[..., 3] == 0).mean() > 0.5  # no ground of its own
    ink = heading[heading[..., 3] == 255][:, :3].astype(float) / 255
    assert len(ink) > 50

    def luminance(color):
        linear = np.where(color > 0.04, ((color + 0.055) / 1.055) ** 2.4, color / 12.92)
        return linear @ [0.2126, 0.7152, 0.0722]

    for ground in ((255, 255, 255), (27, 27, 31)):
        pair = luminance(ink).mean(), luminance(np.array(ground) / 255)
        assert (max(pair) + 0.05) / (min(pair) + 0.05) > 3.5


def test_a_sheet_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one example"):
        draw_contact_sheet(tmp_path, [], PALETTE)


def _page(workdir, **augmented):
    evaluation = types.SimpleNamespace(
        split="test",
        step=30,
        num_images=7,
        metrics={"mean_iou": 0.5},
        confusion=np.eye(2, dtype=np.int64),
    )
    path = write_report(
        workdir,
        title="a run",
        facts={},
        class_names=("background", "dress"),
        palette=PALETTE,
        evaluation=evaluation,
        panels=[],
        **augmented,
    )
    return path.read_text("utf-8"), path.parent


def test_the_page_shows_the_sheet_and_names_the_examples(tmp_path):
    text, folder = _page(tmp_path, augmented=[_example(10, _pair(20))])
    assert "<h2>Augmentation</h2>" in text
    assert f'src="{CONTACT_SHEET}"' in text
    assert "&lt;i&gt;.jpg" in text
    assert (folder / CONTACT_SHEET).exists()


@pytest.mark.parametrize("augmented", [{}, {"augmented": None}, {"augmented": []}])
def test_a_page_without_augmented_examples_has_no_sheet(tmp_path, augmented):
    _page(tmp_path, augmented=[_example(10, _pair(20))])
    text, folder = _page(tmp_path, **augmented)
    assert "Augmentation" not in text
    assert not (folder / CONTACT_SHEET).exists()
