"""Any picture file decodes to the same upright 8-bit RGB; what is no usable picture is refused in one line."""

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from digitalme.errors import InputError
from digitalme.imaging.photo_files import BACKGROUND, decode_photo


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """(96, 64, 3): smooth, and different in each corner."""
    y, x = np.mgrid[:96, :64]
    return np.stack([x * 3.5, y * 2.3, 255 - x - y], -1).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L"))


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [("PNG", {}, 0), ("BMP", {}, 0), ("TIFF", {}, 0), ("WEBP", {"lossless": True}, 0), ("JPEG", {"quality": 97}, 6)],
)
def test_formats(picture, kind, options, tolerance):
    found = decode_photo(encoded(Image.fromarray(picture), kind, **options), f"me.{kind}").image
    assert np.abs(found.astype(int) - picture).max() <= tolerance


def test_heic(picture):
    heif = pillow_heif.from_bytes("RGB", (64, 96), picture.tobytes())
    file = io.BytesIO()
    heif.save(file, quality=95)
    found = decode_photo(file.getvalue(), "me.heic").image
    assert np.abs(found.astype(int) - picture).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(picture, orientation):
    """A file stored turned or mirrored, with the tag that says so, decodes as if it had not been."""
    stored = Image.fromarray(picture)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's numbers of the inverse transpositions
    if orientation in undo:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, "PNG", exif=exif)
    np.testing.assert_array_equal(decode_photo(data, "me.png").image, picture)


def test_focal_length_from_exif(picture):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    data = encoded(Image.fromarray(picture), "JPEG", exif=exif)
    assert decode_photo(data, "me.jpg").focal_px == pytest.approx(26 / 43.27 * np.hypot(64, 96))
    assert decode_photo(encoded(Image.fromarray(picture), "JPEG"), "me.jpg").focal_px is None


def test_transparency_shows_light_grey(picture):
    alpha = np.full((96, 64, 1), 255, np.uint8)
    alpha[:, :10] = 0
    found = decode_photo(encoded(Image.fromarray(np.concatenate([picture, alpha], 2)), "PNG"), "me.png").image
    assert (found[:, :10] == BACKGROUND).all()
    np.testing.assert_array_equal(found[:, 10:], picture[:, 10:])


def test_palette_with_a_transparent_colour_decodes():
    flat = Image.new("P", (64, 64), 3)
    flat.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 10, 20, 30])
    found = decode_photo(encoded(flat, "PNG", transparency=0), "me.png").image
    assert (found == [10, 20, 30]).all()


def test_grey_8_and_16_bit_agree(picture):
    eight = decode_photo(encoded(Image.fromarray(grey(picture)), "PNG"), "a.png").image
    sixteen = Image.fromarray(grey(picture).astype(np.uint16) * 257)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(decode_photo(encoded(sixteen, kind), "b").image, eight)
    assert (eight == grey(picture)[..., None]).all()


def test_cmyk(picture):
    data = encoded(Image.fromarray(picture).convert("CMYK"), "JPEG", quality=97)
    assert np.abs(decode_photo(data, "me.jpg").image.astype(int) - picture).mean() < 6


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"dear diary, this is no picture\n" * 20, "not a picture"),
        (png_that_claims(30_000, 30_000), "too large|30000 x 30000"),
        (png_that_claims(30_000, 100), "30000 x 100"),
        (png_that_claims(60, 20), "only 60 x 20"),
        (png_that_claims(600, 600), "damaged or cut short"),
    ],
)
def test_refused_in_one_line(data, words):
    with pytest.raises(InputError, match=words) as caught:
        decode_photo(data, "me.jpg")
    assert str(caught.value).startswith("me.jpg: ")
    assert "\n" not in str(caught.value)


def test_truncated_jpeg_is_refused(picture):
    data = encoded(Image.fromarray(picture).resize((640, 960)), "JPEG")
    with pytest.raises(InputError, match="cut short"):
        decode_photo(data[: len(data) // 2], "me.jpg")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["", "PNG", "JPEG", "GIF", "TIFF"]), st.integers(8, 400))
def test_rubbish_never_escapes_as_anything_else(rubbish, kind, cut):
    """Random bytes, alone or after a real file's beginning: decoded, or InputError."""
    start = encoded(Image.new("RGB", (64, 64), (9, 99, 200)), kind)[:cut] if kind else b""
    try:
        found = decode_photo(start + rubbish, "me")
    except InputError:
        return
    assert found.image.dtype == np.uint8
    assert found.image.shape[2] == 3
