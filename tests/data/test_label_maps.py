import dataclasses
import pickle

import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.data import label_maps
from fashionjax.data.body_order import head_to_feet
from fashionjax.data.label_maps import (
    CCP_4,
    CCP_4_BARE,
    CCP_59,
    CFPD_4,
    CFPD_23,
    FASHIONISTA_25,
    FASHIONISTA_56,
    FASHIONPEDIA_47,
    IMATERIALIST_9,
    LabelMap,
)

ALL = (
    FASHIONPEDIA_47,
    IMATERIALIST_9,
    CCP_59,
    CCP_4,
    CCP_4_BARE,
    FASHIONISTA_25,
    FASHIONISTA_56,
    CFPD_23,
    CFPD_4,
)
TINY = LabelMap(
    name="tiny",
    class_names=("background", "dress", "belt"),
    palette=((0, 0, 0), (1, 1, 1), (2, 2, 2)),
    target_of={0: 0, 3: 1, 5: 2},
)


def _class_of(label_map, source_id):
    return label_map.class_names[label_map.target_of[source_id]]


@pytest.mark.parametrize(
    ("label_map", "num_classes", "num_sources"),
    list(
        zip(
            ALL,
            (47, 9, 59, 4, 4, 25, 56, 23, 4),
            (46, 46, 59, 59, 59, 25, 56, 23, 23),
            strict=True,
        )
    ),
    ids=lambda value: getattr(value, "name", None),
)
def test_map_has_the_published_number_of_classes(label_map, num_classes, num_sources):
    assert label_map.num_classes == num_classes
    assert sorted(label_map.target_of) == list(range(num_sources))
    assert set(label_map.target_of.values()) | {0} == set(range(num_classes))


@pytest.mark.parametrize("label_map", ALL, ids=lambda m: m.name)
def test_every_source_has_a_name_and_every_class_a_place_on_the_body(label_map):
    assert len(label_map.source_names) == len(label_map.target_of)
    assert sorted(label_map.body_order) == list(range(label_map.num_classes))
    assert label_map.body_order[0] == 0


@pytest.mark.parametrize(
    ("label_map", "names"),
    [
        (CFPD_23, "hat hair sunglass scarf blouse coat belt skirt jeans socks shoe"),
        (IMATERIALIST_9, "top overtop dress skirt shorts pants shoe"),
        (FASHIONISTA_25, "hair glasses necklace vest belt skirt shorts socks boots"),
        (FASHIONPEDIA_47, "hat glasses collar jacket belt dress skirt pants sock shoe"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_classes_go_from_head_to_feet(label_map, names):
    order = [label_map.class_names[i] for i in label_map.body_order]
    places = [order.index(name) for name in names.split()]
    assert places == sorted(places)


def test_a_name_without_a_place_is_told():
    with pytest.raises(ValueError, match=r"\['tail'\] have no place"):
        head_to_feet(("background", "tail"))


@pytest.mark.parametrize("label_map", ALL, ids=lambda m: m.name)
def test_colours_are_distinct_and_background_is_black(label_map):
    assert len(set(label_map.palette)) == label_map.num_classes
    assert label_map.palette[0] == (0, 0, 0)


def test_voc_palette_equals_the_published_first_colours():
    assert label_maps.voc_palette(22)[1:4] == ((128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert label_maps.voc_palette(22)[15] == (192, 128, 128)
    assert label_maps.voc_palette(22)[20] == (0, 64, 128)


@pytest.mark.parametrize(
    ("source_id", "name"),
    [
        (0, "shirt, blouse"),
        (11, "jumpsuit"),
        (23, "shoe"),
        (31, "sleeve"),
        (45, "tassel"),
    ],
)
def test_fashionpedia_class_is_category_plus_one(source_id, name):
    assert FASHIONPEDIA_47.target_of[source_id] == source_id + 1
    assert _class_of(FASHIONPEDIA_47, source_id) == name


def test_imaterialist_merge_is_the_one_of_s3():
    groups = {
        "top": {0, 1},
        "overtop": {2, 3, 4, 5, 9},
        "pants": {6},
        "shorts": {7},
        "skirt": {8},
        "dress": {10},
        "shoe": {23},
        "bag": {24},
    }
    for source_id in range(46):
        expected = [name for name, ids in groups.items() if source_id in ids]
        assert _class_of(IMATERIALIST_9, source_id) == (expected or ["background"])[0]
    assert IMATERIALIST_9.class_names == ("background", *groups)


def test_only_images_with_a_jumpsuit_are_dropped():
    assert IMATERIALIST_9.dropped == {11}
    assert not FASHIONPEDIA_47.dropped


@pytest.mark.parametrize(
    ("source_id", "name"),
    [(7, "boots"), (19, "hair"), (25, "jeans"), (41, "skin"), (58, "wedges")],
)
def test_ccp_59_keeps_ids_and_names(source_id, name):
    assert CCP_59.target_of[source_id] == source_id
    assert CCP_59.class_names[source_id] == name


def test_ccp_4_is_clothes_but_for_null_hair_and_skin():
    label = np.arange(59, dtype=np.uint8).reshape(1, 59)
    expected = np.ones((1, 59), np.uint8)
    expected[0, [0, 19, 41]] = [0, 2, 3]
    np.testing.assert_array_equal(CCP_4.apply(label), expected)
    accessories = [1, 2, 9, 15, 17, 29, 33, 34, 47, 56, 57]
    expected[0, accessories] = 0
    np.testing.assert_array_equal(CCP_4_BARE.apply(label), expected)


def test_apply_maps_each_pixel_and_keeps_ignore():
    label = np.array([[3, 5], [0, IGNORE_INDEX]], np.uint8)
    mapped = TINY.apply(label)
    np.testing.assert_array_equal(mapped, [[1, 2], [0, IGNORE_INDEX]])
    assert mapped.dtype == np.uint8
    np.testing.assert_array_equal(label, [[3, 5], [0, IGNORE_INDEX]])


def test_ids_can_be_ignored():
    partly = dataclasses.replace(TINY, target_of={0: 0, 3: IGNORE_INDEX, 5: 2})
    np.testing.assert_array_equal(
        partly.apply(np.array([[0, 3, 5]], np.uint8)), [[0, IGNORE_INDEX, 2]]
    )
    stacks = ((), (3, 5), (5, 3), (0, 3))
    shown = [0, IGNORE_INDEX, 2, IGNORE_INDEX]
    assert partly.classes_of(stacks).tolist() == shown
    numbers = np.arange(4, dtype=np.uint8)[None]
    np.testing.assert_array_equal(partly.apply(numbers, stacks), [shown])
    painted = partly.paint(_masks([1, 1, 0], [0, 1, 1]), [3, 5])
    np.testing.assert_array_equal(painted, [[IGNORE_INDEX, 2, 2]])


def test_apply_names_unknown_ids_and_the_known_ones():
    with pytest.raises(ValueError, match=r"\[4, 77\]; it knows 0, 3, 5"):
        TINY.apply(np.array([[4, 77, 3]], np.uint8))
    with pytest.raises(ValueError, match=r"\[59\]; it knows 0\.\.58"):
        CCP_59.apply(np.array([[59]], np.uint8))


def test_apply_refuses_other_dtypes():
    with pytest.raises(ValueError, match="int64; allowed is uint8"):
        TINY.apply(np.zeros((1, 1), np.int64))


def _masks(*rows):
    return np.array(rows, bool).reshape(len(rows), 1, -1)


def test_small_instances_stay_visible_whatever_the_file_order():
    dress, belt = [1, 1, 1, 1], [0, 1, 1, 0]
    expected = [[1, 2, 2, 1]]
    np.testing.assert_array_equal(TINY.paint(_masks(dress, belt), [3, 5]), expected)
    np.testing.assert_array_equal(TINY.paint(_masks(belt, dress), [5, 3]), expected)


def test_of_equal_areas_the_later_in_the_file_wins():
    a, b = [1, 1, 0], [0, 1, 1]
    np.testing.assert_array_equal(TINY.paint(_masks(a, b), [3, 5]), [[1, 2, 2]])
    np.testing.assert_array_equal(TINY.paint(_masks(b, a), [5, 3]), [[1, 1, 2]])


def test_background_instances_do_not_cover_others():
    painted = TINY.paint(_masks([1, 1], [1, 0]), np.array([3, 0]))
    np.testing.assert_array_equal(painted, [[1, 1]])
    assert painted.dtype == np.uint8


def test_no_instance_paints_background():
    painted = TINY.paint(np.zeros((0, 2, 3), bool), np.zeros(0, int))
    np.testing.assert_array_equal(painted, np.zeros((2, 3)))


def test_paint_names_unknown_categories():
    with pytest.raises(ValueError, match=r"\[46\]; it knows 0\.\.45"):
        FASHIONPEDIA_47.paint(_masks([1]), [46])


def test_paint_refuses_unequal_counts():
    with pytest.raises(ValueError, match=r"allowed are \[n, height, width\] and \[n\]"):
        TINY.paint(_masks([1, 0]), [3, 5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"palette": ((0, 0, 0),)}, "1 colours for 2 classes"),
        ({"palette": ((9, 0, 0), (1, 1, 1))}, "class 0 must be"),
        ({"class_names": ("null", "a")}, "class 0 must be"),
        ({"target_of": {0: 2}}, "targets 0..1"),
        ({"target_of": {255: 1}}, "source ids are 0..254"),
        ({"source_names": ("a",)}, "1 source names for ids up to 1"),
        ({"body_order": (0,)}, r"body order \(0,\); allowed are the classes 0\.\.1"),
        ({"body_order": (1, 1)}, r"body order \(1, 1\)"),
    ],
)
def test_a_map_whose_parts_disagree_is_refused(change, message):
    good = {
        "name": "bad",
        "class_names": ("background", "a"),
        "palette": ((0, 0, 0), (1, 1, 1)),
        "target_of": {0: 0, 1: 1},
    }
    LabelMap(**good)
    with pytest.raises(ValueError, match=message):
        LabelMap(**(good | change))


def test_maps_survive_pickling():
    assert pickle.loads(pickle.dumps(IMATERIALIST_9)) == IMATERIALIST_9
