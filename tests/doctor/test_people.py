import numpy as np
import pytest

from fashionjax.data.detector import Detections
from fashionjax.doctor.datasets import StoredDataset
from fashionjax.doctor.people import confident, count_people, find_people
from fashionjax.doctor.survey import survey
from tests.doctor.toy import STORED, ListSource, example


def _found(*scores):
    boxes = np.tile(np.array([[0, 0, 5, 9]], np.float32), (len(scores), 1))
    return Detections(boxes, np.array(scores, np.float32))


def test_people_have_a_high_score():
    people = {"a": _found(0.9, 0.75, 0.69), "b": _found(0.9), "elsewhere": _found(0.9)}
    ids = ["a", "b", "c", "d"]
    assert count_people(people, ids) == {0: ["c", "d"], 1: ["b"], 2: ["a"]}
    assert count_people(people, ids, min_score=0.5)[3] == ["a"]
    assert len(confident(_found(0.5, 0.4), 0.5)) == 1


def test_a_dataset_may_show_nobody():
    assert count_people({}, ["a"]) == {0: ["a"]}


def test_detections_of_other_images_are_refused():
    with pytest.raises(ValueError, match=r"detections, of \['z'\] …, have none"):
        count_people({"z": _found()}, ["a", "b"])


def test_a_detector_sees_every_readable_image_by_its_id():
    train = [example("a", size=(70, 80)), ValueError("broken"), example("b")]
    sources = {
        "train": ListSource(train),
        "test": ListSource([example("c", size=(90, 66))]),
    }

    def detector(image):
        """Finds a person of the size of the photo."""
        height, width = image.shape[:2]
        return Detections(
            np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32)
        )

    found = survey(StoredDataset("toy", (STORED,), sources))
    people = find_people(found, sources, detector, "toy", threads=3)
    assert {i: d.boxes[0].tolist() for i, d in people.items()} == {
        "a": [0, 0, 80, 70],
        "b": [0, 0, 80, 120],
        "c": [0, 0, 66, 90],
    }
