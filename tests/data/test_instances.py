import numpy as np
import pytest

from fashionjax.data.instances import (
    ORDERS,
    Instance,
    Overlap,
    crop_stacks,
    describe_overlap,
    format_stacks,
    parse_stacks,
    stack_instances,
)
from fashionjax.data.label_maps import FASHIONPEDIA_47, IMATERIALIST_9
from fashionjax.data.rle import runs_of
from fashionjax.data.synthetic import render_photo

JACKET, POCKET, DRESS = 4, 32, 10


def _instance(category_id, mask, **options):
    return Instance(category_id, runs_of(mask), **options)


def _box(top, left, bottom, right, shape=(6, 5)):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def _paint(label_map, instances, shape, order="smaller_wins"):
    label, stacks = stack_instances(instances, shape, order)
    assert label.dtype == np.uint8
    assert stacks[0] == ()
    return label_map.classes_of(stacks)[label]


def test_small_things_lie_on_big_ones_whatever_their_order():
    jacket, pocket = _box(0, 0, 6, 5), _box(1, 1, 3, 3)
    parts = [_instance(JACKET, jacket), _instance(POCKET, pocket)]
    expected = np.where(pocket, POCKET + 1, JACKET + 1)
    for instances in (parts, parts[::-1]):
        np.testing.assert_array_equal(
            _paint(FASHIONPEDIA_47, instances, (6, 5)), expected
        )


def test_what_is_background_in_a_map_hides_nothing():
    jacket, pocket = _box(0, 0, 6, 4), _box(1, 1, 3, 5)
    parts = [_instance(JACKET, jacket), _instance(POCKET, pocket)]
    overtop = IMATERIALIST_9.class_names.index("overtop")
    np.testing.assert_array_equal(
        _paint(IMATERIALIST_9, parts, (6, 5)), np.where(jacket, overtop, 0)
    )


def test_of_equal_areas_the_later_one_is_on_top_and_crowds_are_below():
    a, b = _box(0, 0, 4, 5), _box(2, 0, 6, 5)
    label = _paint(FASHIONPEDIA_47, [_instance(1, a), _instance(2, b)], (6, 5))
    assert label[3, 0] == 3
    crowd = [_instance(DRESS, a), _instance(2, _box(1, 1, 2, 2), crowd=True)]
    assert (_paint(FASHIONPEDIA_47, crowd, (6, 5))[:4] == DRESS + 1).all()


@pytest.mark.parametrize("label_map", [FASHIONPEDIA_47, IMATERIALIST_9])
@pytest.mark.parametrize("seed", range(6))
def test_stacks_show_what_masks_painted_one_by_one_show(label_map, seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((12, 9, 7)) < rng.random((12, 1, 1))
    masks[3] = False
    ids = rng.integers(0, 46, 12)
    instances = [_instance(int(i), m) for i, m in zip(ids, masks, strict=True)]
    np.testing.assert_array_equal(
        _paint(label_map, instances, (9, 7)), label_map.paint(masks, ids)
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(4))
def test_each_pixel_shows_the_instance_that_wins(order, seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((9, 6, 5)) < rng.uniform(0.2, 0.8, (9, 1, 1))
    ids, crowds = rng.integers(0, 46, 9), rng.random(9) < 0.3
    urgency = {
        "smaller_wins": [(-mask.sum(), i) for i, mask in enumerate(masks)],
        "file_order_last_wins": [(i, i) for i in range(9)],
        "first_wins": [(-i, i) for i in range(9)],
    }[order]
    expected = np.zeros((6, 5), np.uint8)
    for place in np.ndindex(6, 5):
        there = [i for i in range(9) if masks[i][place]]
        classes = [i for i in there if IMATERIALIST_9.target_of[ids[i]]]
        if classes:
            top = max(classes, key=lambda i: (not crowds[i], *urgency[i]))
            expected[place] = IMATERIALIST_9.target_of[ids[top]]
    instances = [
        _instance(int(i), mask, crowd=bool(crowd))
        for i, mask, crowd in zip(ids, masks, crowds, strict=True)
    ]
    found = _paint(IMATERIALIST_9, instances, (6, 5), order)
    np.testing.assert_array_equal(found, expected)


def test_columns_are_cut_out_with_what_is_left_in_them():
    jacket, pocket, dress = _box(0, 0, 6, 4), _box(1, 1, 3, 2), _box(0, 4, 6, 5)
    parts = [
        _instance(JACKET, jacket),
        _instance(POCKET, pocket),
        _instance(DRESS, dress),
    ]
    whole, stacks = stack_instances(parts, (6, 5))
    label, left = crop_stacks(whole, stacks, (2, 5))
    assert left == ((), (JACKET,), (DRESS,))
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, [[1, 1, 2]] * 6)
    label, left = crop_stacks(whole, stacks, (1, 2))
    assert set(left) == {(), (JACKET,), (POCKET, JACKET)}
    np.testing.assert_array_equal(
        FASHIONPEDIA_47.classes_of(left)[label],
        FASHIONPEDIA_47.classes_of(stacks)[whole][:, 1:2],
    )


@pytest.mark.parametrize("label_map", [FASHIONPEDIA_47, IMATERIALIST_9])
def test_stacks_of_rendered_people_show_their_labels(label_map):
    photo = render_photo(3, (288, 192))
    instances = [
        _instance(int(i), m)
        for i, m in zip(photo.category_ids, photo.masks, strict=True)
    ]
    np.testing.assert_array_equal(
        _paint(label_map, instances, (288, 192)),
        label_map.paint(photo.masks, photo.category_ids),
    )


def test_nothing_is_all_background():
    label, stacks = stack_instances([], (3, 4))
    assert stacks == ((),)
    np.testing.assert_array_equal(label, np.zeros((3, 4)))


def test_too_many_kinds_of_overlap_are_refused():
    numbers = np.arange(512).reshape(16, 32)
    instances = [_instance(bit, numbers >> bit & 1 == 1) for bit in range(9)]
    with pytest.raises(ValueError, match="512 different ways; allowed are 256"):
        stack_instances(instances, (16, 32))
    label, stacks = stack_instances(instances[:8], (16, 32))
    assert len(stacks) == 256
    assert set(stacks[label[7, 31]]) == set(range(8))  # 255 has all bits


def test_stacks_survive_text():
    for stacks in [((),), ((), (10,), (31, 10))]:
        assert parse_stacks(format_stacks(stacks)) == stacks
    assert format_stacks(((), (10,), (31, 10))) == ";10;31 10"


def test_what_is_covered_is_counted():
    overlap = Overlap()
    instances = [
        _instance(JACKET, _box(0, 0, 6, 5)),
        _instance(POCKET, _box(1, 1, 3, 3)),
    ]
    for _ in range(2):
        overlap.add(*stack_instances(instances, (6, 5)))
    assert overlap.visible == {JACKET: 52, POCKET: 8}
    assert overlap.hidden == {JACKET: 8}


def test_overlap_is_told_in_a_line():
    names = ("jacket", "pocket", "sleeve")
    line = describe_overlap({"0": 60, "1": 20, "2": 5}, {"0": 10, "2": 5}, names)
    assert line == (
        "15.0% of the labelled pixels lie below other things: sleeve 50%, jacket 14%"
    )
    assert describe_overlap({}, {}, names).startswith("0.0%")


def test_an_unknown_category_is_named():
    with pytest.raises(ValueError, match=r"'imaterialist_9' does not know .*\[46\]"):
        IMATERIALIST_9.classes_of(((), (3, 46)))
