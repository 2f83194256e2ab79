import json
import sys
import types

import numpy as np
import pytest

from fashionjax.augment import Normalization
from fashionjax.pretrained import WeightsError, hub

CONFIG = {
    "architecture": "resnet34",
    "pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]},
}


@pytest.fixture
def server(tmp_path):
    """What the Hub has, and a function that downloads it."""
    files = {"model.safetensors": b"weights", "config.json": json.dumps(CONFIG)}
    asked = []

    def download(repository, name):
        asked.append((repository, name))
        path = tmp_path / name
        data = files[name]
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return types.SimpleNamespace(files=files, download=download, asked=asked)


def test_weights_bring_their_own_normalisation(server, tmp_path):
    record = tmp_path / "cache/checksums.json"
    file = hub.fetch("timm/resnet34.x", download=server.download, record=record)
    assert file.path.read_bytes() == b"weights"
    assert file.normalization == Normalization((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert file.licence is None
    assert {name for _, name in server.asked} == {"model.safetensors", "config.json"}
    server.files["config.json"] = json.dumps({"pretrained_cfg": {"license": "mit"}})
    file = hub.fetch("timm/resnet34.x", download=server.download, record=record)
    assert file.normalization is None
    assert file.licence == "mit"


def test_the_first_download_is_trusted_and_another_one_is_not(server, tmp_path):
    record = tmp_path / "cache/checksums.json"

    def fetch(repository):
        return hub.fetch(repository, download=server.download, record=record)

    assert fetch("timm/a").is_new
    assert not fetch("timm/a").is_new
    assert fetch("timm/b").is_new
    server.files["model.safetensors"] = b"others"
    message = r"timm/a: its weights are not those of the first download.*checksums"
    with pytest.raises(WeightsError, match=message):
        fetch("timm/a")
    assert fetch("timm/c").is_new
    assert set(json.loads(record.read_text())) == {"timm/a", "timm/b", "timm/c"}
    record.write_text("{")
    with pytest.raises(WeightsError, match="is damaged"):
        fetch("timm/a")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("no json", "no configuration of timm"),
        ("[]", "has no pretrained_cfg"),
        ('{"pretrained_cfg": {"mean": [1], "std": [1]}}', "not three numbers"),
        ('{"pretrained_cfg": {"mean": 1, "std": [1, 1, 1]}}', "not three numbers"),
        ('{"pretrained_cfg": {"mean": [0, 0, 0], "std": [1, 0, 1]}}', "not above 0"),
        ('{"pretrained_cfg": {"mean": [NaN, 0, 0], "std": [1, 1, 1]}}', "not finite"),
    ],
)
def test_a_wrong_configuration_is_refused(server, tmp_path, config, message):
    server.files["config.json"] = config
    with pytest.raises(WeightsError, match=message):
        hub.fetch("timm/a", download=server.download, record=tmp_path / "r.json")


def test_a_file_that_was_downloaded_by_hand_has_its_configuration_beside(tmp_path):
    path = tmp_path / "model.safetensors"
    assert hub.normalization_beside(path) is None
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    wanted = Normalization((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert hub.normalization_beside(path) == wanted
    # Of a folder of all kinds of weights, it is not known whose it is.
    assert hub.normalization_beside(tmp_path / "resnet34.safetensors") is None
    config.write_text('{"architectures": ["another library"]}')
    assert hub.normalization_beside(path) is None
    config.write_text("{")
    with pytest.raises(WeightsError, match="no configuration of timm"):
        hub.normalization_beside(path)


def _fake_hub(monkeypatch, function):
    module = types.ModuleType("huggingface_hub")
    module.hf_hub_download = function
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)


def test_the_hubs_own_library_downloads(monkeypatch, server, tmp_path):
    _fake_hub(monkeypatch, server.download)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert hub.fetch("timm/a").is_new
    assert (tmp_path / "cache/fashionjax/weights-checksums.json").is_file()


def test_what_cannot_be_downloaded_is_said_with_the_reason(monkeypatch):
    def fail(*_):
        raise RuntimeError("no network\nmore")

    _fake_hub(monkeypatch, fail)
    message = r"co/timm/a/resolve/main/model\.safetensors cannot be had: no network$"
    with pytest.raises(WeightsError, match=message):
        hub.fetch("timm/a")


def test_without_the_hubs_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"pip install 'fashionjax\[hub\]'; or down"):
        hub.fetch("timm/a")


def test_names_lead_to_repositories():
    assert hub.repository_of("torchvision/resnet34") == "timm/resnet34.tv_in1k"
    assert hub.repository_of("timm/resnet34.a1_in1k") == "timm/resnet34.a1_in1k"
    assert hub.repository_of("timm/hrnet_w18") == "timm/hrnet_w18.ms_in1k"
    assert hub.repository_of("smp/unet-resnet34") is None


def test_timms_vgg_gets_torchvisions_names():
    weight = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    state = {
        "features.0.weight": np.zeros((3, 3, 3, 3)),
        "pre_logits.fc1.weight": weight,
        "pre_logits.fc2.weight": np.zeros((2, 2, 1, 1)),
        "pre_logits.fc2.bias": np.zeros(2),
        "head.fc.weight": np.zeros((5, 2)),
    }
    renamed = hub.to_torchvision_names(state)
    assert {name: tensor.shape for name, tensor in renamed.items()} == {
        "features.0.weight": (3, 3, 3, 3),
        "classifier.0.weight": (2, 12),
        "classifier.3.weight": (2, 2),
        "classifier.3.bias": (2,),
        "classifier.6.weight": (5, 2),
    }
    # Channels first, as torchvision flattens.
    np.testing.assert_array_equal(renamed["classifier.0.weight"], weight.reshape(2, 12))
    others = {"head.fc.weight": np.zeros((5, 2))}
    assert list(hub.to_torchvision_names(others)) == ["head.fc.weight"]
