import dataclasses
import json
import types

import numpy as np
import pytest

from fashionjax import models
from fashionjax.augment import Normalization
from fashionjax.builders import build_encoder
from fashionjax.pretrained import WeightsError, convert
from fashionjax.pretrained.checksums import file_sha256
from fashionjax.pretrained.convert import expected_shapes
from fashionjax.pretrained.load import hub, load_pretrained
from fashionjax.pretrained.native import flatten, save_native, split_native
from fashionjax.pretrained.reference import Options, Published
from fashionjax.pretrained.references import REFERENCES
from fashionjax.pretrained.torchvision_segmentation import REFERENCES as SEGMENTATION
from tests.pretrained import tiny
from tests.pretrained.test_read import _save
from tests.references.draw import draw_state

_KERNEL = "params/stem_conv/kernel"
_MEAN, _STD = "normalization/mean", "normalization/std"
FC = ("fc.weight", "fc.bias")

pytestmark = pytest.mark.usefixtures("only_tiny")


def _unet(features=4):
    encoder = build_encoder("resnet18", features=features)
    return models.UNet(encoder, 3, decoder_features=(8, 8, 8, 8, 8))


@pytest.fixture(scope="module")
def shapes():
    return expected_shapes(_unet(), (64, 64))


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "tiny.npz", **tiny.state())
    return tmp_path / "tiny.npz"


def _encoder_paths(shapes):
    return {path for path in shapes if path.split("/")[1] == "encoder"}


def test_a_classifiers_file_fills_the_models_encoder(file, shapes):
    weights = load_pretrained(str(file), shapes)
    assert set(weights.variables) == _encoder_paths(shapes)
    kernel = weights.variables["params/encoder/stem_conv/kernel"]
    torchs = tiny.state()["conv1.weight"]
    np.testing.assert_array_equal(kernel, torchs.transpose(2, 3, 1, 0))
    assert all(v.dtype == np.float32 for v in weights.variables.values())
    assert weights.reference == tiny.NAME
    assert weights.normalization == tiny.NORMALIZATION
    assert weights.sha256 == file_sha256(file)
    assert weights.licence == f"{tiny.LICENCE} (of the published file)"
    assert weights.licence in weights.describe()


def test_a_file_without_the_head_fills_the_encoder_too(tmp_path, shapes):
    state = {k: v for k, v in tiny.state().items() if not k.startswith("fc.")}
    np.savez(tmp_path / "x.npz", **state)
    weights = load_pretrained(str(tmp_path / "x.npz"), shapes)
    assert set(weights.variables) == _encoder_paths(shapes)


def test_a_file_whose_head_is_not_numbers_fills_the_encoder(tmp_path, file, shapes):
    path = tmp_path / "x.npz"
    head = {name: np.full_like(tiny.state()[name], np.nan) for name in FC}
    np.savez(path, **{**tiny.state(), **head})
    weights = load_pretrained(str(path), shapes)
    whole = load_pretrained(str(file), shapes).variables
    assert weights.variables.keys() == whole.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(weights.variables[name], array)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_types_become_float32(tmp_path, shapes, dtype):
    state = {k: v.astype(dtype) if v.ndim else v for k, v in tiny.state().items()}
    np.savez(tmp_path / "x.npz", **state)
    weights = load_pretrained(str(tmp_path / "x.npz"), shapes)
    assert {v.dtype for v in weights.variables.values()} == {np.dtype(np.float32)}


def test_our_own_file_fills_the_encoder_and_brings_its_normalisation(tmp_path, shapes):
    variables = flatten(convert(tiny.NAME, tiny.state()))
    path = tmp_path / "ours.npz"
    save_native(path, variables, tiny.NORMALIZATION)
    weights = load_pretrained(str(path), shapes)
    assert set(weights.variables) == _encoder_paths(shapes)
    assert weights.normalization == tiny.NORMALIZATION
    np.savez(tmp_path / "bare.npz", **variables)
    assert load_pretrained(str(tmp_path / "bare.npz"), shapes).normalization is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({_KERNEL: np.full(3, np.nan)}, "stem_conv/kernel: has values that are not"),
        ({_KERNEL: np.full(3, 1e300)}, "stem_conv/kernel: has values that are not"),
        ({_KERNEL: np.ones(3, np.int32)}, "stem_conv/kernel: is int32; floating"),
        ({_MEAN: np.asarray([0, np.nan, 0])}, "mean: has values that are not finite"),
        ({_MEAN: np.zeros(3, np.int64)}, "mean: is int64; floating point is needed"),
        ({_STD: np.asarray([1, np.inf, 1])}, "std: has values that are not finite"),
        ({_STD: np.asarray([1.0, 0.0, 1.0])}, "its normalization is none"),
        ({_STD: np.ones(2)}, "its normalization is none"),
        ({"more": np.ones(2)}, "more: is no variable of ours"),
    ],
)
def test_values_of_our_own_file_that_are_no_numbers_are_refused(change, message):
    state = {_KERNEL: np.ones(3), _MEAN: np.zeros(3), _STD: np.ones(3)}
    variables, normalization = split_native(state)
    assert variables[_KERNEL].dtype == np.float32
    assert normalization == Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    with pytest.raises(WeightsError, match=message):
        split_native({**state, **change})


def test_an_encoder_of_another_size_is_refused(file):
    wide = expected_shapes(_unet(features=8), (64, 64))
    message = (
        r"tiny\.npz': as tiny/resnet18, .*/conv1/kernel has shape \(3, 3, 4, 4\),"
        r" the model's \(3, 3, 8, 8\).*--config\.model\.pretrained=none"
    )
    with pytest.raises(WeightsError, match=message):
        load_pretrained(str(file), wide)


def test_a_model_without_encoder_is_refused(file):
    shapes = expected_shapes(models.ClassicUNet(3, features=(2, 2)), (64, 64))
    with pytest.raises(WeightsError, match="the model has no params/encoder/"):
        load_pretrained(str(file), shapes)


def _make_fcn(options):
    encoder = build_encoder("resnet18", features=4)
    return models.FCN(encoder, options.num_classes, aux_head=options.aux)


def _fcn_state():
    """A torchvision FCN on the tiny encoder."""
    shapes = {f"backbone.{k}": v for k, v in tiny.shapes().items() if k[:2] != "fc"}
    for head, features in {"classifier": 32, "aux_classifier": 16}.items():
        hidden = features // 4
        shapes[f"{head}.0.weight"] = (hidden, features, 3, 3)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{head}.1.{leaf}"] = (hidden,)
        shapes |= {f"{head}.4.weight": (21, hidden, 1, 1), f"{head}.4.bias": (21,)}
    return draw_state(shapes)


@pytest.mark.parametrize(("num_classes", "aux"), [(21, True), (21, False), (5, True)])
def test_a_whole_models_file_fills_all_but_other_class_scores(
    tmp_path, monkeypatch, num_classes, aux
):
    published = SEGMENTATION["torchvision/fcn_resnet50"]
    reference = dataclasses.replace(published, make=_make_fcn)
    monkeypatch.setitem(REFERENCES, "tiny/fcn", reference)
    model = _make_fcn(Options(num_classes, aux=aux))
    shapes = expected_shapes(model, (64, 64))
    path = tmp_path / "fcn.npz"
    np.savez(path, **_fcn_state())
    weights = load_pretrained(str(path), shapes)
    heads = ("head", "aux_head") if aux else ("head",)
    scores = {f"params/{h}/scores/{leaf}" for h in heads for leaf in ("kernel", "bias")}
    left_out = set() if num_classes == 21 else scores
    assert set(weights.variables) == set(shapes) - left_out


# --- names --------------------------------------------------------------------


@pytest.fixture
def downloaded(monkeypatch, file):
    found = types.SimpleNamespace(
        path=file,
        licence="that of the repository",
        normalization=Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    )
    monkeypatch.setattr(hub, "fetch", lambda _: found)
    return found


def test_a_hub_repository_brings_its_normalisation_and_licence(
    monkeypatch, downloaded, shapes
):
    weights = load_pretrained("timm/resnet18.tiny", shapes)
    assert weights.reference == tiny.NAME
    assert weights.licence == "that of the repository"
    assert weights.normalization.mean == (0.5, 0.5, 0.5)
    downloaded.licence = None
    weights = load_pretrained("timm/resnet18.tiny", shapes)
    assert weights.licence == "see https://huggingface.co/timm/resnet18.tiny"
    known = Published("timm/resnet18.tiny", licence="known")
    first = tiny.reference()
    published = (*first.published, known)
    monkeypatch.setitem(
        REFERENCES, tiny.NAME, dataclasses.replace(first, published=published)
    )
    assert load_pretrained("timm/resnet18.tiny", shapes).licence == "known"


def test_a_file_of_the_hub_keeps_its_normalisation(tmp_path, shapes):
    _save(tmp_path / "model.safetensors", tiny.state())
    config = {"pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = load_pretrained(str(tmp_path / "model.safetensors"), shapes)
    assert weights.normalization == Normalization((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.pth", "there is no such file"),
        (tiny.NAME, r"published: tiny-0123\.pth.*get the file and name it instead"),
        ("resnet34", "no Hub repository timm/… and none of tiny/resnet18"),
        ("efficientnet_lite0", "not installed|none of tiny"),
    ],
)
def test_what_cannot_be_had_says_how_to_go_on_without(
    monkeypatch, shapes, name, message
):
    def missing():
        raise FileNotFoundError("not installed")

    monkeypatch.setattr(
        "fashionjax.pretrained.efficientnet_lite.installed_weights", missing
    )
    with pytest.raises(WeightsError, match=message) as caught:
        load_pretrained(name, shapes)
    assert str(caught.value).startswith(f"pretrained={name!r}: ")
    assert str(caught.value).endswith("without them by --config.model.pretrained=none")


def test_a_file_with_a_published_name_must_have_its_content(
    monkeypatch, tmp_path, file, shapes
):
    path = tmp_path / "tiny-0123.npz"
    path.write_bytes(file.read_bytes())
    sha256 = file_sha256(path)
    for prefix, refused in ((sha256[:8], False), ("01234567", True)):
        reference = tiny.reference(prefix)
        published = Published(path.name, prefix, "free")
        reference = reference.__class__(
            **{**vars(reference), "published": (published,)}
        )
        monkeypatch.setitem(REFERENCES, tiny.NAME, reference)
        if refused:
            with pytest.raises(
                WeightsError, match="that of the published file with 01"
            ):
                load_pretrained(str(path), shapes)
        else:
            assert load_pretrained(str(path), shapes).licence == "free"


def test_two_references_that_normalise_differently_are_no_answer(
    monkeypatch, file, shapes
):
    monkeypatch.setitem(REFERENCES, "tiny/same", tiny.reference())
    assert load_pretrained(str(file), shapes).reference == tiny.NAME
    other = tiny.reference(normalization=Normalization())
    monkeypatch.setitem(REFERENCES, "tiny/other", other)
    with pytest.raises(WeightsError, match=r"tiny/same or tiny/other, which normalise"):
        load_pretrained(str(file), shapes)


def test_kernels_for_bgr_images_are_turned_round(monkeypatch, file, shapes):
    plain = load_pretrained(str(file), shapes).variables
    bgr = dataclasses.replace(tiny.reference(), bgr_kernel="stem_conv/kernel")
    monkeypatch.setitem(REFERENCES, tiny.NAME, bgr)
    turned = load_pretrained(str(file), shapes).variables
    for path, array in plain.items():
        wanted = array[:, :, ::-1] if path.endswith("stem_conv/kernel") else array
        np.testing.assert_array_equal(turned[path], wanted)
