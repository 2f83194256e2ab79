import json

import numpy as np
import pytest

from fashionjax.doctor.people import count_people, people_boxes, read_detections


def _write(tmp_path, contents):
    path = tmp_path / "people.json"
    text = contents if isinstance(contents, str) else json.dumps(contents)
    path.write_text(text)
    return path


def test_people_are_boxes_with_a_high_score(tmp_path):
    path = _write(
        tmp_path,
        {
            "a": [[0, 0, 5, 9, 0.9], [4, 0, 9, 9, 0.7], [1, 1, 2, 2, 0.69]],
            "b": [[0, 0, 5, 9, 0.9]],
            "c": [],
            "elsewhere": [[0, 0, 5, 9, 0.9]],
        },
    )
    detections = read_detections(path)
    assert count_people(detections, ["a", "b", "c", "d"]) == {
        0: ["c"],
        1: ["b"],
        2: ["a"],
    }
    np.testing.assert_array_equal(
        people_boxes(detections, "a"), [[0, 0, 5, 9], [4, 0, 9, 9]]
    )


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ("{", "is no JSON"),
        ([], "holds a list; allowed is an object"),
        ({"a": [[1, 2, 3, 4]]}, r"'a': .*allowed are boxes \[x1, y1, x2, y2, score\]"),
        ({"a": [["x", 2, 3, 4, 1]]}, "'a': .* is no list of boxes"),
        ({"a": [[1, 2, 3, 4, 1], [1]]}, "'a': .* is no list of boxes"),
        ({"a": [[1, 2, 3, 4, 1.5]]}, "'a': .*scores in 0..1"),
        ({"a": [[3, 2, 1, 4, 1]]}, "'a': .*x1 <= x2"),
        ('{"a": [[NaN, 2, 3, 4, 1]]}', "'a': .*of numbers"),
    ],
)
def test_other_files_are_refused(tmp_path, contents, message):
    with pytest.raises(ValueError, match=message):
        read_detections(_write(tmp_path, contents))


def test_detections_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r"detections, of \['z'\] …, have none"):
        count_people({"z": np.empty((0, 5))}, ["a", "b"])
