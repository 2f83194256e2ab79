import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from fashionjax.data.images import (
    check_image,
    crop_image,
    decode_image,
    decode_label,
    decode_photo,
    encode_label,
    encode_photo,
    resize_image,
    resize_label,
)


def _encode(image, image_format, **options):
    file = io.BytesIO()
    image.save(file, format=image_format, **options)
    return file.getvalue()


def _gradient(height, width):
    ramp = np.linspace(0, 255, height * width).reshape(height, width)
    return np.stack([ramp, ramp[::-1], ramp[:, ::-1]], -1).astype(np.uint8)


def _png(values, bits):
    """A grey PNG of 1, 2 or 4 bits, which Pillow itself does not write."""
    height, width = values.shape
    rows = b""
    for row in values:
        digits = "".join(f"{v:0{bits}b}" for v in row)
        digits += "0" * (-len(digits) % 8)
        rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "YCbCr"])
def test_every_mode_becomes_rgb(mode):
    image = Image.fromarray(_gradient(6, 9)).convert(mode)
    image_format = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    decoded = decode_image(_encode(image, image_format))
    assert decoded.shape == (6, 9, 3)
    assert decoded.dtype == np.uint8
    np.testing.assert_allclose(decoded, np.asarray(image.convert("RGB")), atol=2)


def test_sixteen_bits_keep_the_high_byte():
    wide = np.array([[0, 255, 256, 0x7FFF, 0xFFFF]], np.uint16)
    decoded = decode_image(_encode(Image.fromarray(wide), "PNG"))
    np.testing.assert_array_equal(decoded[..., 0], [[0, 0, 1, 0x7F, 0xFF]])
    np.testing.assert_array_equal(decoded[..., 0], decoded[..., 2])


@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_is_applied(orientation):
    image = Image.fromarray(_gradient(4, 6))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _encode(image, "PNG", exif=exif)
    decoded = decode_image(data)
    if orientation == 6:  # the viewer turns it 90 degrees clockwise
        np.testing.assert_array_equal(decoded, np.rot90(_gradient(4, 6), -1))
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decoded, np.asarray(turned))
    assert check_image(data) == decoded.shape[:2]


@pytest.mark.parametrize("orientation", [1, 6])
def test_decoding_to_a_size_is_close_to_resizing_the_whole(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth = Image.fromarray(_gradient(400, 800))
    for image_format in ("JPEG", "PNG"):
        data = _encode(smooth, image_format, exif=exif)
        small = decode_image(data, size=(120, 50))
        expected = resize_image(decode_image(data), (120, 50))
        assert small.shape == (120, 50, 3)
        np.testing.assert_allclose(small, expected, atol=4)


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(monkeypatch):
    sizes = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image, "resize", lambda i, *a: sizes.append(i.size) or resize(i, *a)
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _encode(Image.new("RGB", (800, 400)), "JPEG", exif=exif)
    for size in [(200, 100), (201, 100), (800, 400), (2000, 1000)]:
        assert decode_image(data, size=size).shape == (*size, 3)
    assert sizes == [(100, 200), (200, 400), (400, 800), (400, 800)]


def test_what_is_no_image_is_named():
    photo = _encode(Image.fromarray(_gradient(64, 64)), "JPEG")
    for data in (b"", b"text", photo[: len(photo) // 2]):
        with pytest.raises(ValueError, match=f"cannot decode x.jpg .{len(data)} byte"):
            decode_image(data, name="x.jpg")


def test_formats_that_start_programs_are_refused():
    # Pillow hands EPS to Ghostscript.
    data = _encode(Image.new("RGB", (8, 8)), "EPS")
    with pytest.raises(ValueError, match=r"cannot decode x\.jpg"):
        decode_image(data, name="x.jpg")


@pytest.mark.parametrize("decode", [decode_image, decode_label])
@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_header_of_a_hundred_megapixels_is_refused(decode, side):
    small = bytearray(_encode(Image.new("L", (1, 1)), "PNG"))
    small[16:24] = struct.pack(">II", side, side)
    small[29:33] = struct.pack(">I", zlib.crc32(small[12:29]))
    with pytest.raises(ValueError, match=r"x\.png"):
        decode(bytes(small), name="x.png")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_damage_never_raises_anything_but_value_error(image_format):
    clean = _encode(Image.fromarray(_gradient(40, 40)), image_format)
    rng = np.random.default_rng(0)
    failures = 0
    for _ in range(300):
        data = np.frombuffer(clean, np.uint8).copy()
        data[rng.integers(len(data), size=3)] = rng.integers(256, size=3)
        try:
            decode_image(data.tobytes())
        except ValueError:
            failures += 1
    assert failures > 0


def test_labels_round_trip_exactly():
    label = np.arange(256, dtype=np.uint8).reshape(8, 32)
    np.testing.assert_array_equal(decode_label(encode_label(label)), label)


def test_palette_labels_give_indices_and_not_colours():
    label = np.array([[0, 3, 58, 255]], np.uint8)
    image = Image.fromarray(label)
    image.putpalette([7] * 768)
    np.testing.assert_array_equal(decode_label(_encode(image, "PNG")), label)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gray_labels_of_few_bits_keep_their_values(bits):
    label = np.arange(2**bits, dtype=np.uint8).reshape(2, -1)
    np.testing.assert_array_equal(decode_label(_png(label, bits)), label)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (_encode(Image.new("RGB", (2, 2)), "PNG"), "PNG with mode RGB"),
        (_encode(Image.new("L", (2, 2)), "JPEG"), "JPEG with mode L"),
        (_encode(Image.new("I;16", (2, 2)), "PNG"), "PNG with mode I;16"),
    ],
)
def test_images_that_hold_no_ids_are_refused(data, found):
    with pytest.raises(ValueError, match=f"x is a {found}; allowed are lossless"):
        decode_label(data, name="x")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "BMP"])
def test_columns_are_cut_out_of_a_file(image_format):
    noise = np.random.default_rng(0).integers(0, 256, (24, 33, 3), dtype=np.uint8)
    data = _encode(Image.fromarray(noise), image_format, **{"quality": 95})
    cut = crop_image(data, (5, 21))
    expected = decode_image(data)[:, 5:21].astype(int)
    # Noise of all colours would not survive a JPEG of half of them.
    difference = np.abs(decode_image(cut) - expected)
    assert difference.mean() < (4 if image_format == "JPEG" else 1e-9)
    assert Image.open(io.BytesIO(cut)).format == (
        "JPEG" if image_format == "JPEG" else "PNG"
    )
    with pytest.raises(ValueError, match=r"cannot decode x\.jpg"):
        crop_image(data[:50], (5, 21), name="x.jpg")


def test_shrinking_an_image_averages():
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    resized = resize_image(stripes, (4, 1))
    assert resized.shape == (4, 1, 3)
    assert np.abs(resized.astype(int) - 100).max() <= 25


def test_resizing_an_image_takes_height_first():
    assert resize_image(_gradient(10, 20), (7, 3)).shape == (7, 3, 3)


def test_labels_are_resized_at_pixel_centres():
    label = np.array([[0, 1, 2, 3, 4]], np.uint8)
    np.testing.assert_array_equal(resize_label(label, (1, 3)), [[0, 2, 4]])
    np.testing.assert_array_equal(
        resize_label(label[:, :2], (2, 4)), [[0, 0, 1, 1]] * 2
    )


def test_label_resize_equals_pillow():
    label = np.random.default_rng(0).integers(0, 59, (37, 23), dtype=np.uint8)
    for height, width in [(12, 8), (37, 23), (50, 60), (1, 1), (36, 24)]:
        pillow = Image.fromarray(label).resize(
            (width, height), Image.Resampling.NEAREST
        )
        np.testing.assert_array_equal(resize_label(label, (height, width)), pillow)


def test_an_encoded_photo_is_a_jpeg_of_full_colour():
    image = _gradient(30, 20)
    with Image.open(io.BytesIO(encode_photo(image))) as photo:
        reference = io.BytesIO()
        Image.fromarray(image).save(reference, "JPEG", quality=95, subsampling="4:4:4")
        assert photo.format == "JPEG"
        assert photo.quantization == Image.open(reference).quantization
        assert {(h, v) for _, h, v, _ in photo.layer} == {(1, 1)}
        out = np.zeros((30, 20, 3), np.uint8)
        decode_photo(encode_photo(image), out)
        np.testing.assert_array_equal(out, np.asarray(photo))
    assert np.abs(out.astype(int) - image).mean() < 3


def test_a_photo_is_decoded_to_its_own_place_only():
    data, out = encode_photo(_gradient(30, 20)), np.zeros((30, 20, 3), np.uint8)
    for shape in ((20, 30, 3), (1, 1, 3)):
        with pytest.raises(ValueError, match=r"photo 7 is a RGB of 30x20; the place"):
            decode_photo(data, np.zeros(shape, np.uint8), name="photo 7")
    for broken in (b"", data[: len(data) // 2], b"text"):
        with pytest.raises(ValueError, match="cannot decode photo 7"):
            decode_photo(broken, out, name="photo 7")
    with pytest.raises(ValueError, match="is a L of 30x20"):
        decode_photo(_encode(Image.new("L", (20, 30)), "JPEG"), out)
