import pickle

import numpy as np
import pytest

from fashionjax.data.in_memory import InMemory


class Counting:
    """Counts how often it is read."""

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index not in range(3):
            raise IndexError(index)
        self.reads += 1
        image = np.full((5, 4, 3), index, np.uint8)
        return {"image": image, "label": image[..., 0].copy(), "image_id": str(index)}


def test_examples_are_read_once_and_stay_as_they_are():
    source = Counting()
    kept = InMemory(source)
    assert len(kept) == 3
    for _ in range(2):
        for index in range(3):
            example = kept[index]
            assert example["image_id"] == str(index)
            for key in ("image", "label"):
                np.testing.assert_array_equal(example[key], source[index][key])
                with pytest.raises(ValueError, match="read-only"):
                    example[key][0] = 1
            source.reads -= 2
            example["image_id"] = "changed"
    assert source.reads == 3


def test_another_process_reads_for_itself():
    kept = InMemory(Counting())
    empty = len(pickle.dumps(kept))
    kept[0], kept[1]
    assert len(pickle.dumps(kept)) == empty
    copy = pickle.loads(pickle.dumps(kept))
    np.testing.assert_array_equal(copy[2]["image"], kept[2]["image"])


def test_what_is_not_there_is_an_error():
    with pytest.raises(IndexError):
        InMemory(Counting())[3]
