"""Photos as they should not be, from the raw files of every dataset to an example."""

import io
import itertools
import os
import re
import shutil
import socket
import struct
import tempfile

import numpy as np
import pytest
from PIL import Image

from fashionjax.data import synthesize
from fashionjax.data.datasets import ccp
from fashionjax.data.prepare import prepare
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.synthetic import photo_categories, render_photo
from tests.data.boundless import boundless_jpeg, boundless_png

JUMPSUIT = 11
SIZE = (96, 72)
COUNT = 24


def _encode(image, image_format, **options):
    file = io.BytesIO()
    image.save(file, format=image_format, **options)
    return file.getvalue()


def _turned(photo, others=b"", num_others=0):
    # A viewer turns it upright, clockwise.
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1 + num_others)
    exif += struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) + others + bytes(4)
    stored = Image.fromarray(np.rot90(np.asarray(photo)))
    return _encode(stored, "JPEG", exif=exif, quality=95)


def _turned_with_a_damaged_tag(photo):
    """Its resolution is a text."""
    return _turned(photo, struct.pack(">HHI4s", 0x011A, 2, 4, b"abc"), 1)


def _wide(photo):
    gray = np.asarray(photo.convert("L")).astype(np.uint16)
    return _encode(Image.fromarray(gray << 8 | 0x7F), "PNG")


READABLE = {
    "cmyk": lambda photo: _encode(photo.convert("CMYK"), "JPEG", quality=95),
    "16 bit": _wide,
    "palette": lambda photo: _encode(photo.quantize(256), "PNG"),
    "another format": lambda photo: _encode(photo, "BMP"),
    "turned": _turned,
    "turned, with a damaged tag": _turned_with_a_damaged_tag,
}


def _tiff_at_a_fraction(photo):
    """Its pixels begin where no byte is, which Pillow finds out by itself."""
    data = bytearray(_encode(photo, "TIFF"))
    (table,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, table)
    entries = [table + 2 + 12 * i for i in range(count)]
    (at,) = [e for e in entries if struct.unpack_from("<H", data, e)[0] == 273]
    struct.pack_into("<HIf", data, at + 2, 11, 1, 8.5)
    return bytes(data)


BOUNDLESS = "10001x10001 pixels; allowed are 100000000"
BAD = {
    "empty": (lambda _: b"", r"cannot decode .* \(0 bytes\)|no encoded image"),
    "truncated": (lambda photo: _encode(photo, "JPEG")[:900], "cannot decode"),
    "text": (lambda _: b"<html>not found</html>", "cannot decode"),
    "a format that starts a program": (lambda p: _encode(p, "EPS"), "cannot decode"),
    "boundless PNG": (lambda p: boundless_png(_encode(p, "PNG")), BOUNDLESS),
    "boundless JPEG": (lambda p: boundless_jpeg(_encode(p, "JPEG")), BOUNDLESS),
    "TIFF at a fraction": (_tiff_at_a_fraction, "cannot decode"),
    "not upright": (
        lambda photo: _encode(photo.rotate(90, expand=True), "JPEG"),
        r"is \(96, 72\), its photo \(72, 96\)",
    ),
}

POSITION_IDS = ("ccp", "fashionista", "fashionista_v02", "cfpd")


@pytest.fixture(scope="module")
def people():
    """Photos that every dataset keeps."""
    seeds = (seed for seed in itertools.count() if JUMPSUIT not in _categories(seed))
    return [render_photo(seed, SIZE) for seed in itertools.islice(seeds, COUNT)]


def _categories(seed):
    return photo_categories(seed)


@pytest.fixture
def write(people, tmp_path, monkeypatch):
    """Writes the raw files of a dataset, some of the photos replaced by other bytes."""

    def write_raw(name, replaced):
        numbers = itertools.count()
        encode = synthesize._jpeg

        def write_photo(photo):
            number = next(numbers)
            return replaced[number] if number in replaced else encode(photo)

        monkeypatch.setattr(synthesize, "_jpeg", write_photo)
        raw = tmp_path / "raw"
        raw.mkdir()
        synthesize.WRITERS[name](raw, enumerate(people))
        return raw

    return write_raw


def _id(name, number):
    return f"{number + 1:04d}" if name in POSITION_IDS else f"{number:032x}"


def _bytes_of(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", synthesize.WRITERS)
def test_photos_of_any_kind_become_rgb_or_are_left_out(name, people, write, tmp_path):
    images = [Image.fromarray(person.image) for person in people]
    readable = dict(enumerate(READABLE.values(), 3))
    bad = dict(enumerate(BAD.values(), 10))
    replaced = {i: make(images[i]) for i, make in readable.items()}
    replaced |= {i: make(images[i]) for i, (make, _) in bad.items()}
    raw = write(name, replaced)
    before = _bytes_of(raw)
    with pytest.raises(ValueError, match=r"cannot decode|no encoded image|pixels"):
        prepare(name, raw, tmp_path / "data")
    assert not list((tmp_path / "data").rglob("dataset_info.json"))
    done = prepare(name, raw, tmp_path / "data", max_bad_fraction=0.35)

    assert done.quarantine.keys() == {_id(name, i) for i in bad}
    for i, (_, reason) in bad.items():
        assert re.search(reason, done.quarantine[_id(name, i)])
    sources = [
        PreparedSource(done.directory, split, None, None)
        for split, count in done.num_examples.items()
        if count
    ]
    examples = {e["image_id"]: e["image"] for source in sources for e in source}
    assert len(examples) == COUNT - len(bad)
    for number, make in readable.items():
        seen = images[number].convert("L") if make is _wide else images[number]
        expected = np.asarray(seen.convert("RGB")).astype(int)
        difference = examples[_id(name, number)] - expected
        assert np.abs(difference).mean() < 6, list(READABLE)[number - 3]
    # Nothing else was written, and nothing of what was given.
    assert _bytes_of(raw) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "raw"]


def _pipe(path, _):
    os.mkfifo(path)


def _socket(path, _):
    """Names of sockets are short, so it is made elsewhere."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{folder}/s")
        shutil.move(f"{folder}/s", path)


def _link_out(path, outside):
    path.symlink_to(outside)


def _link_to_nothing(path, _):
    path.symlink_to(path.with_name("nothing"))


def _folder(path, _):
    path.mkdir()


def _endless(path, _):
    """It takes no room on disk, and more in memory than any machine has."""
    path.touch()
    os.truncate(path, 4 << 40)


NO_FILES = {
    _pipe: "is a pipe",
    _socket: "is a pipe, socket",
    _link_out: "is a link to .* out of",
    _link_to_nothing: "No such file",
    _folder: "is a pipe, socket, device or folder",
    _endless: "has 4398046511104 bytes",
}
IN_FOLDERS = ("ccp", "imaterialist2019", "imaterialist2020", "fashionpedia", "cfpd")


@pytest.mark.parametrize("name", IN_FOLDERS)
def test_what_is_no_file_of_the_folder_is_left_out(name, write, tmp_path):
    """A pipe would wait for ever, a link could read any file of the system."""
    raw = write(name, {})
    outside = tmp_path / "outside.jpg"
    photos = sorted(raw.rglob("*.jpg"))
    shutil.copy(photos[0], outside)
    bad = dict(zip(photos[3:], NO_FILES, strict=False))
    for photo, make in bad.items():
        photo.unlink()
        make(photo, outside)
    # A link within the folder is as good as a file.
    kept = photos[1].rename(photos[1].with_name("kept"))
    photos[1].symlink_to(kept)
    with pytest.raises(ValueError, match="|".join(NO_FILES.values())):
        prepare(name, raw, tmp_path / "data")
    done = prepare(name, raw, tmp_path / "data", max_bad_fraction=0.25)
    assert sum(done.num_examples.values()) == COUNT - len(NO_FILES)
    assert len(done.quarantine) == len(bad)
    for photo, make in bad.items():
        (reason,) = [r for r in done.quarantine.values() if f"{photo}" in r]
        assert re.search(NO_FILES[make], reason)


def test_labels_that_are_no_files_are_left_out(write, tmp_path):
    raw = write("ccp", {})
    labels = sorted((raw / "annotations/pixel-level").iterdir())
    kinds = [make for make in NO_FILES if make is not _endless]  # labels are hashed
    bad = dict(zip(labels[3:], kinds, strict=False))
    for label, make in bad.items():
        outside = shutil.copy(label, tmp_path / "outside.mat")
        label.unlink()
        make(label, outside)
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.25)
    # A folder is none of the labels at all.
    found = {p.stem: m for p, m in bad.items() if m is not _folder}
    assert done.quarantine.keys() == found.keys()
    for image_id, make in found.items():
        assert re.search(NO_FILES[make], done.quarantine[image_id])


@pytest.mark.parametrize("name", IN_FOLDERS)
def test_folders_may_be_links(name, write, tmp_path):
    """Photos often lie on another disk."""
    raw = write(name, {})
    (tmp_path / "disk").mkdir()
    for folder in {photo.parent for photo in raw.rglob("*.jpg")}:
        folder.rename(tmp_path / "disk" / folder.name)
        folder.symlink_to(tmp_path / "disk" / folder.name)
    done = prepare(name, raw, tmp_path / "data")
    assert sum(done.num_examples.values()) >= COUNT - 1
    assert not done.quarantine


def test_too_many_bad_photos_end_the_preparation_early(
    write_ccp, tmp_path, monkeypatch
):
    raw, _ = write_ccp([f"{i:04d}" for i in range(1, 301)])
    for photo in (raw / "photos").iterdir():
        photo.write_bytes(b"")
    read = []
    original = ccp.read_label
    monkeypatch.setattr(
        ccp, "read_label", lambda path: read.append(path) or original(path)
    )
    with pytest.raises(ValueError, match="4 of 300 examples are bad; allowed are 3"):
        prepare("ccp", raw, tmp_path / "data")
    assert len(read) < 100
