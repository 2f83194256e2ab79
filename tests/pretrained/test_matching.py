import numpy as np
import pytest

from fashionjax.pretrained import WeightsError, torchvision
from fashionjax.pretrained.matching import blank_head, find_matches
from fashionjax.pretrained.references import REFERENCES
from tests.pretrained import tiny

pytestmark = pytest.mark.usefixtures("only_tiny")


def test_the_reference_that_fits_is_found_among_others_with_the_same_names(monkeypatch):
    monkeypatch.setitem(REFERENCES, "tiny/wider", tiny.reference(features=8))
    (match,) = find_matches(tiny.state())
    assert match.reference == tiny.NAME
    assert match.options.head
    assert match.options.num_classes == 7
    kernel = match.variables["params"]["encoder"]["stem_conv"]["kernel"]
    weight = tiny.state()["conv1.weight"]
    np.testing.assert_array_equal(kernel, weight.transpose(2, 3, 1, 0))


def test_an_encoder_without_its_head_is_found():
    state = {k: v for k, v in tiny.state().items() if not k.startswith("fc.")}
    (match,) = find_matches(state)
    assert not match.options.head
    assert "stem_conv" in match.variables["params"]


NAN_FC = {k: np.full_like(tiny.state()[k], np.nan) for k in ("fc.weight", "fc.bias")}


def test_a_head_without_numbers_is_left_out():
    (match,) = find_matches({**tiny.state(), **NAN_FC})
    assert not match.options.head
    assert match.blank == set(NAN_FC)
    assert "stem_conv" in match.variables["params"]
    assert not find_matches(tiny.state())[0].blank


@pytest.mark.parametrize(
    "change",
    [
        {"fc.weight": NAN_FC["fc.weight"]},
        {"fc.bias": NAN_FC["fc.bias"]},
        {**NAN_FC, "fc.bias": np.asarray([np.nan] * 6 + [1], np.float32)},
        {**NAN_FC, "bn1.bias": np.full(4, np.nan, np.float32)},
        {**NAN_FC, "fc.bias": np.zeros(0, np.float32)},
    ],
)
def test_other_tensors_that_are_not_numbers_are_refused(change):
    with pytest.raises(WeightsError, match="has values that are not finite"):
        find_matches({**tiny.state(), **change})


def test_the_vgg16_whose_convolutions_alone_are_numbers_has_a_blank_head():
    reference = torchvision.REFERENCES["torchvision/vgg16"]
    names = {f"classifier.{i}.{kind}" for i in (0, 3, 6) for kind in ("weight", "bias")}
    nan = np.full(2, np.nan, np.float32)
    state = {"features.0.weight": np.ones(2), **dict.fromkeys(names, nan)}
    assert blank_head(reference, state) == names
    assert not blank_head(reference, {**state, "classifier.3.bias": np.ones(2)})


def _without(key):
    return lambda state: state.pop(key)


def _with(key, value):
    return lambda state: state.__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _with("layer1.0.conv1.weight", np.zeros((4, 4, 1, 1), np.float32)),
            r"layer1\.0\.conv1\.weight: has shape \(1, 1, 4, 4\) in our layout",
        ),
        (_with("conv1.weight", np.zeros(3, np.float32)), r"conv1\.weight: would be"),
        (
            _with("bn1.bias", np.full(4, np.nan, np.float32)),
            r"bn1\.bias: has values that are not finite",
        ),
        (_with("bn1.bias", np.zeros(4, np.int32)), r"bn1\.bias: is int32"),
        (_with("extra.weight", np.zeros(4, np.float32)), r"extra\.weight: unknown"),
        (_with("bn1.more", np.zeros(4, np.float32)), r"bn1\.more: unknown"),
        (_without("bn1.bias"), "nothing for our params/encoder/stem_norm/bias"),
        (_without("fc.bias"), "nothing for our params/head/linear/bias"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch, change, message):
    monkeypatch.setitem(REFERENCES, "tiny/wider", tiny.reference(features=8))
    state = tiny.state()
    change(state)
    with pytest.raises(WeightsError, match=rf"(?s)of tiny/resnet18:.*{message}"):
        find_matches(state)


def test_names_that_nothing_knows_are_shown():
    with pytest.raises(WeightsError, match=r"resnet18 knows; the first are a\.x, b"):
        find_matches({"a.x": np.zeros(1), "b": np.zeros(1)})
