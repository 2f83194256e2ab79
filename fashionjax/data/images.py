"""Decoding and resizing of photos and label images. Sizes are (height, width)."""

import io
import struct
import warnings
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 100_000_000
"""What one image may have; the largest of the supported datasets have 93 million."""

# Pillow reads more, some of them by starting other programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
# What it raises where a file is damaged, depending on where.
_DAMAGE = (
    *(OSError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError),
    *(ArithmeticError, LookupError, TypeError),
)
_JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_BITS = 24
"""Where the header of a PNG file tells the bits a channel."""
_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WIDE_GRAY = ("I", "I;16", "I;16B", "I;16L")


def decode_image(
    data: bytes, *, name: str = "image", size: tuple[int, int] | None = None
) -> np.ndarray:
    """Decodes a photo as a viewer would show it.

    Args:
        data: A JPEG, PNG, WebP, BMP, TIFF or GIF file.
        name: What to call the file in errors.
        size: (height, width) to resize to as `resize_image` does; None keeps the
            photo's own. A JPEG is decoded at the smallest of 1/1, 1/2, 1/4, 1/8 of its
            size that is not below this: three times as fast at a fifth of the size,
            and about 1/255 away from the resized full image.

    Returns:
        uint8 `[height, width, 3]`, RGB, turned upright by its EXIF orientation.
        Transparency is dropped; 16 bits become 8 by keeping the high byte.

    Raises:
        ValueError: The data are no complete image, or one of more than `MAX_PIXELS`.
    """
    try:
        with _open(data, name) as photo:
            if size is not None:
                photo.draft("RGB", _as_stored(photo, size))
            upright = _upright(photo)
            if upright.mode in _WIDE_GRAY:
                upright = Image.fromarray(_high_byte(np.asarray(upright)))
            return np.array(_resized(upright.convert("RGB"), size))
    except _DAMAGE as error:
        raise _unreadable(name, len(data), error) from error


def check_image(data: bytes, *, name: str = "image") -> tuple[int, int]:
    """Reads a photo to its end, making as few pixels of it as can be.

    Args:
        data: As `decode_image` takes it.
        name: What to call the file in errors.

    Returns:
        (height, width) of what `decode_image` makes without a size.

    Raises:
        ValueError: As `decode_image`.
    """
    decode_image(data, name=name, size=(1, 1))
    with _open(data, name) as photo:
        # Turning back is turning again: sides are swapped, or not.
        width, height = _as_stored(photo, (photo.height, photo.width))
        return height, width


def decode_label(data: bytes, *, name: str = "label") -> np.ndarray:
    """Decodes a label image to the exact ids in its file.

    Args:
        data: An encoded PNG (or other lossless format), palette or grey, 1 to 8 bits.
        name: What to call the file in errors.

    Returns:
        uint8 `[height, width]`: palette indices or grey values as stored.

    Raises:
        ValueError: The data are no complete image, one of more than `MAX_PIXELS`, or
            one with several channels or more than 8 bits, which holds colours and not
            ids.
    """
    try:
        with _open(data, name) as image:
            if image.format == "JPEG" or image.mode not in ("P", "L", "1"):
                raise ValueError(
                    f"{name} is a {image.format} with mode {image.mode}; allowed are "
                    "lossless palette (P) or grey (L, 1) images whose values are ids"
                )
            return np.array(image, np.uint8) // _gray_scale(data)
    except _DAMAGE as error:
        raise _unreadable(name, len(data), error) from error


def decode_first_channel(data: bytes, *, name: str = "label") -> np.ndarray:
    """Decodes a picture whose first channel holds ids to exactly these.

    Args:
        data: An encoded PNG (or other lossless format) of 8 bits, grey or RGB.
        name: What to call the file in errors.

    Returns:
        uint8 `[height, width]`.

    Raises:
        ValueError: The data are no complete image, one of more than `MAX_PIXELS`, or
            one with a palette, of more than 8 bits or whose values are not exact.
    """
    try:
        with _open(data, name) as image:
            bits = data[_PNG_BITS] if data.startswith(_PNG) else 8
            lossy = image.format in ("JPEG", "WEBP")
            if lossy or bits != 8 or image.mode not in ("L", "RGB", "RGBA"):
                raise ValueError(
                    f"{name} is a {image.format} with mode {image.mode} of {bits} bits;"
                    " allowed are lossless grey or RGB images of 8 bits, whose values"
                    " are ids"
                )
            return np.array(image.getchannel(0))
    except _DAMAGE as error:
        raise _unreadable(name, len(data), error) from error


def decode_integers(data: bytes, *, name: str = "integers") -> np.ndarray:
    """Decodes a grey image of 8 or 16 bits to the exact numbers in its file.

    Args:
        data: An encoded PNG (or other lossless format).
        name: What to call the file in errors.

    Returns:
        int64 `[height, width]`.

    Raises:
        ValueError: The data are no complete image, one of more than `MAX_PIXELS`, or
            one with several channels.
    """
    try:
        with _open(data, name) as image:
            if image.format == "JPEG" or image.mode not in ("L", *_WIDE_GRAY):
                raise ValueError(
                    f"{name} is a {image.format} with mode {image.mode}; allowed are "
                    "lossless grey images of 8 or 16 bits"
                )
            return np.array(image, np.int64)
    except _DAMAGE as error:
        raise _unreadable(name, len(data), error) from error


def encode_label(label: np.ndarray) -> bytes:
    """Encodes ids as a grey PNG of 8 bits, which `decode_label` reads back exactly.

    Args:
        label: uint8 `[height, width]`.

    Returns:
        The bytes of a PNG file.
    """
    file = io.BytesIO()
    Image.fromarray(label).save(file, format="PNG")
    return file.getvalue()


def crop_image(data: bytes, columns: tuple[int, int], *, name: str = "image") -> bytes:
    """Cuts columns out of a photo's file.

    Args:
        data: A file that `decode_image` reads.
        columns: The first column of the upright photo to keep, and the one after the
            last.
        name: What to call the file in errors.

    Returns:
        Of a JPEG file a JPEG file of quality 95 with full colour resolution; of others
        a PNG file of exactly the same pixels.

    Raises:
        ValueError: The data are no complete image, or one of more than `MAX_PIXELS`.
    """
    cut = Image.fromarray(decode_image(data, name=name)[:, slice(*columns)])
    file = io.BytesIO()
    if data.startswith(_JPEG):
        cut.save(file, format="JPEG", quality=95, subsampling=0)
    else:
        cut.save(file, format="PNG")
    return file.getvalue()


def encode_photo(image: np.ndarray) -> bytes:
    """Encodes a photo as a JPEG of quality 95 whose colours are as fine as its light.

    Decoded again it is 1.5 of 255 away in the mean, at the sizes of training.

    Args:
        image: uint8 `[height, width, 3]`.

    Returns:
        The bytes of a JPEG file.
    """
    file = io.BytesIO()
    # Without subsampling; better codes make 5 % less to decode, of the same pixels.
    Image.fromarray(image).save(
        file, format="JPEG", quality=95, subsampling=0, optimize=True
    )
    return file.getvalue()


def decode_photo(
    data: bytes | memoryview, out: np.ndarray, *, name: str = "photo"
) -> None:
    """Decodes what `encode_photo` wrote, without what photos of others need.

    Args:
        data: The JPEG file; its orientation is not looked at.
        out: uint8 `[height, width, 3]`, where to write the pixels.
        name: What to call it in errors.

    Raises:
        ValueError: The data are no complete JPEG, or one of another size.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as photo:
            if (photo.height, photo.width, photo.mode) != (*out.shape[:2], "RGB"):
                raise ValueError(
                    f"{name} is a {photo.mode} of {photo.height}x{photo.width}; the"
                    f" place for it is RGB of {out.shape[0]}x{out.shape[1]}"
                )
            out[...] = np.asarray(photo)
    except _DAMAGE as error:
        raise _unreadable(name, len(data), error) from error


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a photo bilinearly, with antialiasing where it shrinks.

    Args:
        image: uint8 `[height, width, 3]`.
        size: The new (height, width); the aspect ratio is not kept.

    Returns:
        uint8 `[*size, 3]`.
    """
    if image.shape[:2] == tuple(size):
        return image
    return np.array(_resized(Image.fromarray(image), size))


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a label by nearest neighbour between pixel centres.

    Args:
        label: uint8 `[height, width]`.
        size: The new (height, width).

    Returns:
        uint8 `[*size]`; the new pixel i shows the old pixel that its centre, at
        (i + 1/2) * old / new, falls into.
    """
    if label.shape == tuple(size):
        return label
    # Integers: a rounded centre could fall into the neighbour.
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, label.shape, strict=True)
    )
    return label[rows][:, columns]


def _open(data: bytes, name: str) -> Image.Image:
    """Opens an image whose header promises no more than what fits in memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(
            f"{name} has {image.height}x{image.width} pixels; allowed are {MAX_PIXELS}"
        )
    return image


def _resized(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    if size is None:
        return image
    height, width = size
    return image.resize((width, height), Image.Resampling.BILINEAR)  # antialiases


def _as_stored(photo: Image.Image, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in the file of a (height, width) on the screen."""
    height, width = size
    return (height, width) if _orientation(photo) in _SIDEWAYS else (width, height)


def _upright(photo: Image.Image) -> Image.Image:
    """Turns a photo as `ImageOps.exif_transpose`, which fails on other damaged tags."""
    photo.load()  # some formats have their tags behind the pixels
    turn = _UPRIGHT.get(_orientation(photo))
    return photo if turn is None else photo.transpose(turn)


def _orientation(photo: Image.Image) -> Any:
    return photo.getexif().get(_EXIF_ORIENTATION)


def _high_byte(gray: np.ndarray) -> np.ndarray:
    """RGB uint8 from grey values of 16 bits."""
    values = np.clip(gray.astype(np.int64), 0, 65535) >> 8
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


def _gray_scale(data: bytes) -> int:
    """The factor by which Pillow multiplied the values of a PNG of 2 or 4 bits."""
    if not data.startswith(_PNG):
        return 1
    bits, color_type = data[_PNG_BITS], data[_PNG_BITS + 1]
    return 255 // (2**bits - 1) if color_type == 0 and bits in (2, 4) else 1


def _unreadable(name: str, size: int, error: BaseException) -> ValueError:
    unknown = isinstance(error, UnidentifiedImageError)  # it says where in memory
    reason = "no image of a known format" if unknown else error
    return ValueError(f"cannot decode {name} ({size} bytes): {reason}")
