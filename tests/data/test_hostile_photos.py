"""Photos as they should not be, from the raw folder to an example."""

import io

import numpy as np
import pytest
from PIL import Image

from fashionjax.data.label_maps import CCP_59
from fashionjax.data.prepare import open_split, prepare

IDS = [f"{i:04d}" for i in range(1, 31)]
VICTIM = "0003"  # one to train
SIZE = (12, 9)


def _encode(image, image_format, **options):
    file = io.BytesIO()
    image.save(file, format=image_format, **options)
    return file.getvalue()


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it upright, clockwise
    return _encode(Image.new("RGB", SIZE, (200, 100, 50)), "JPEG", exif=exif)


def _wide():
    return _encode(Image.fromarray(np.full(SIZE, 0x64FF, np.uint16)), "PNG")


UPRIGHT = SIZE[::-1]
READABLE = {
    "cmyk": (_encode(Image.new("CMYK", UPRIGHT), "JPEG"), (255, 255, 255)),
    "16 bit": (_wide(), (0x64, 0x64, 0x64)),
    "palette": (
        _encode(Image.new("RGB", UPRIGHT, (9, 8, 7)).convert("P"), "PNG"),
        None,
    ),
    "another format": (
        _encode(Image.new("RGB", UPRIGHT, (9, 8, 7)), "BMP"),
        (9, 8, 7),
    ),
    "turned": (_turned(), (200, 100, 50)),
}
JPEG = _encode(Image.effect_noise((64, 64), 80).convert("RGB"), "JPEG")
BAD = {
    "empty": (b"", "cannot decode"),
    "truncated": (JPEG[: len(JPEG) // 2], "cannot decode"),
    "text": (b"<html>not found</html>", "cannot decode"),
    "not upright": (_encode(Image.new("RGB", SIZE), "JPEG"), r"its photo \(9, 12\)"),
}


@pytest.mark.parametrize("kind", READABLE)
def test_photos_of_any_kind_become_rgb(write_ccp, tmp_path, kind):
    data, color = READABLE[kind]
    raw, labels = write_ccp(IDS, SIZE)
    (raw / f"photos/{VICTIM}.jpg").write_bytes(data)
    done = prepare("ccp", raw, tmp_path / "data")
    assert not done.quarantine
    source = open_split("ccp", tmp_path / "data", "train", SIZE, CCP_59)
    example = next(e for e in source if e["image_id"] == VICTIM)
    np.testing.assert_array_equal(example["label"], labels[VICTIM])
    assert example["image"].shape == (*SIZE, 3)
    if color is not None:
        np.testing.assert_allclose(example["image"].mean((0, 1)), color, atol=3)


@pytest.mark.parametrize("kind", BAD)
def test_photos_that_are_none_are_left_out(write_ccp, tmp_path, kind):
    data, reason = BAD[kind]
    raw, _ = write_ccp(IDS, SIZE)
    (raw / f"photos/{VICTIM}.jpg").write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        prepare("ccp", raw, tmp_path / "data")
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.04)
    assert list(done.quarantine) == [VICTIM]
    assert sum(done.num_examples.values()) == 29
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "raw"]
