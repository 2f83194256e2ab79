import pytest

from fashionjax.data.label_maps import CCP_4, CCP_59, CFPD_4
from fashionjax.data.mixture import Mixture


class _Source(list):
    def __init__(self, count, label_map=CCP_4, size=(5, 4)):
        super().__init__({"image_id": f"{i}", "label": i} for i in range(count))
        self.class_names = label_map.class_names
        self.size = size


def test_examples_follow_each_other():
    mixture = Mixture({"a": _Source(2), "none": _Source(0), "b": _Source(3, CFPD_4)})
    assert len(mixture) == 5
    ids = [mixture[i]["image_id"] for i in range(5)]
    assert ids == ["a/0", "a/1", "b/0", "b/1", "b/2"]
    for index in (-1, 5):
        with pytest.raises(IndexError, match=f"example {index} of 5"):
            mixture[index]


@pytest.mark.parametrize("other", [{"label_map": CCP_59}, {"size": (4, 5)}])
def test_what_does_not_fit_is_refused(other):
    with pytest.raises(ValueError, match=r"b has the classes .*; allowed are those of"):
        Mixture({"a": _Source(1), "b": _Source(1, **other)})
