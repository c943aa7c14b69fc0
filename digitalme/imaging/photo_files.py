"""Decode any photo that people have: JPEG, PNG, HEIC, WebP, TIFF...; sizes checked before pixels are read."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
import pillow_heif
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from digitalme.errors import InputError

MAX_SIDE = 20_000
MAX_PIXELS = 120_000_000
MIN_SIDE = 48
BACKGROUND = 230
"""Grey that shows through transparent pixels."""
FILM_DIAGONAL_MM = 43.27

_BROKEN = (
    UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
"""What decoders raise over damaged data."""

pillow_heif.register_heif_opener()


@dataclass(frozen=True)
class DecodedPhoto:
    """An upright picture and what its file says about the lens."""

    image: UInt8[np.ndarray, "h w 3"]
    focal_px: float | None
    """Focal length in pixels, from the 35 mm equivalent in the EXIF data; None when not given."""


def decode_photo(data: bytes, name: str) -> DecodedPhoto:
    """Decode a picture file. `name` is used in messages only.

    Applies the EXIF orientation; puts transparent pixels on light grey; turns CMYK, greyscale, palette and 16-bit
    into 8-bit sRGB. Raises InputError for what is not a picture, is cut short, or is unreasonably large or small.
    """
    if not data:
        raise InputError(f"{name}: the file is empty; expected a photo (JPEG, PNG, HEIC, WebP, TIFF)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn of what is refused or does no harm
        return _decode(data, name)


def _decode(data: bytes, name: str) -> DecodedPhoto:
    try:
        picture = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise InputError(f"{name}: the picture is too large ({error}); {_limits()}") from None
    except _BROKEN:
        raise InputError(f"{name}: not a picture; expected a photo (JPEG, PNG, HEIC, WebP, TIFF)") from None
    width, height = picture.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(f"{name}: the picture is {width} x {height} pixels; {_limits()}")
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{name}: the picture is only {width} x {height} pixels; at least {MIN_SIDE} a side are needed"
        )
    try:
        picture.load()
        focal = _focal(picture)
        image = _rgb(ImageOps.exif_transpose(picture))
    except _BROKEN as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name}: the picture is damaged or cut short ({why}); save or copy it again") from None
    return DecodedPhoto(image, focal)


def _limits() -> str:
    return f"at most {MAX_SIDE} a side and {MAX_PIXELS // 1_000_000} million in all; make it smaller first"


def _focal(picture: Image.Image) -> float | None:
    equivalent = picture.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    try:
        millimetres = float(equivalent or 0)
    except (TypeError, ValueError):
        return None
    return millimetres / FILM_DIAGONAL_MM * float(np.hypot(*picture.size)) if 8 <= millimetres <= 1000 else None


def _rgb(picture: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    if picture.mode.startswith(("I", "F")):  # 16- or 32-bit grey
        grey = np.asarray(picture, np.float32)
        top = 65535 if picture.mode.startswith("I") and grey.max() > 255 else max(float(grey.max()), 1.0)
        return np.repeat((np.clip(grey / top, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, 2)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        pixels = np.asarray(picture.convert("RGBA"), np.float32)
        alpha = pixels[..., 3:] / 255
        return (pixels[..., :3] * alpha + BACKGROUND * (1 - alpha)).round().astype(np.uint8)
    return np.array(picture.convert("RGB"), np.uint8)
