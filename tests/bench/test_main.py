import json

import pytest

from fashionjax.bench import __main__ as command
from fashionjax.bench.augment import measure_augmentation
from fashionjax.bench.training import MODELS
from fashionjax.encoders import ResNet
from fashionjax.models import UNet


@pytest.mark.parametrize("text", ["288", "x192", "288x", "axb", "2x3x4"])
def test_what_is_no_size_is_refused(text, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["augment", f"--size={text}"])
    assert f"{text!r} is no HEIGHTxWIDTH" in capsys.readouterr().err


def test_a_model_that_is_not_measured_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["peer", "--model=vgg"])
    assert "unet-resnet34" in capsys.readouterr().err


def test_the_share_is_that_of_the_times(monkeypatch):
    tiny = UNet(ResNet((1, 1), features=4), 3, (4, 4, 4))
    monkeypatch.setitem(MODELS, "tiny", lambda _: tiny)
    result = measure_augmentation(
        batch_size=2,
        step_batch_size=2,
        image_size=(16, 16),
        num_classes=3,
        num_steps=1,
        model="tiny",
    )
    assert result["share"] == result["augment_ms"] / result["step_ms"] > 0
    json.dumps(result)
