import numpy as np
import pytest

from fashionjax.doctor.problems import find_problems
from fashionjax.doctor.survey import survey
from tests.doctor.toy import STORED, dataset, example

BLANK = np.full((120, 80, 3), (9, 200, 40), np.uint8)


def _label(class_id, size=(120, 80)):
    return np.full(size, class_id, np.uint8)


def _problems(splits, quarantine=None):
    found = survey(dataset(splits), threads=2)
    problems = find_problems(found, quarantine or {}, STORED.class_names)
    return {(p.kind, p.split, p.image_id, p.reason) for p in problems}


def test_good_examples_have_none():
    assert _problems({"train": [example("a"), example("b")]}) == set()


@pytest.mark.parametrize(
    ("bad", "kind", "reason"),
    [
        (
            example("x", label=_label(1, (60, 80))[:, :40]),
            "label of another size",
            "label 40 × 60, photo 80 × 120 pixels",
        ),
        (example("x", size=(63, 90)), "small", "90 × 63 pixels"),
        (example("x", size=(300, 70)), "long", "70 × 300 pixels"),
        (example("x", label=_label(0)), "label without a class", "all background"),
        (example("x", label=_label(255)), "label without a class", "all unlabelled"),
        (example("x", label=_label(2)), "filled label", "hat is 100.0 % of it"),
        (
            example("x", image=BLANK),
            "blank photo",
            "its thumbnail spans 0 of 255",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_example_is_told(bad, kind, reason):
    found = _problems({"train": [example("a")], "test": [bad]})
    assert (kind, "test", "x", reason) in found
    assert {image_id for _, _, image_id, _ in found} == {"x"}


def test_unreadable_left_out_and_repeated_examples_are_told():
    found = _problems(
        {
            "train": [example("a"), ValueError("photo is cut off")],
            "val": [example("b", size=(100, 90)), example("a", size=(130, 90))],
        },
        quarantine={"q": "label id 99"},
    )
    assert found == {
        ("left out", "", "q", "label id 99"),
        ("unreadable", "train", "#1", "photo is cut off"),
        ("repeated id", "train", "a", "2 examples have this id, in train, val"),
    }


def test_a_dataset_of_which_nothing_can_be_read_is_an_error():
    with pytest.raises(ValueError, match=r"none of 1 examples can be read; .*: broken"):
        _problems({"train": [ValueError("broken")]})


def test_a_negative_number_of_threads_is_an_error():
    with pytest.raises(ValueError, match=r"threads -1; allowed are 0"):
        survey(dataset({"train": [example("a")]}), threads=-1)
