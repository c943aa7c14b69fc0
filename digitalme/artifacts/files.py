"""Reading and writing the few file kinds that artifacts are made of."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from digitalme.errors import InputError

LARGEST_PICTURE = 120_000_000
"""Pixels of a picture that is read."""
LARGEST_JSON = 1 << 28
"""Bytes of a JSON file that is read: an hour of performance and more."""
LARGEST_ARRAYS = 1 << 30
"""Bytes of the arrays of one NPZ, unpacked."""


def write_png(path: Path, image: np.ndarray, compression: int = 1) -> None:
    """Write (h, w), (h, w, 3) RGB or (h, w, 4) RGBA uint8 as PNG. Compression 1 is 5x faster than the default."""
    if image.dtype != np.uint8:
        raise TypeError(f"{path.name}: a PNG holds uint8, got {image.dtype}")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, compression])
    if not done:
        raise ValueError(f"{path.name}: could not be encoded as PNG")
    path.write_bytes(data.tobytes())


def read_png(path: Path) -> np.ndarray:
    """Read a picture file as uint8: (h, w), (h, w, 3) RGB or (h, w, 4) RGBA."""
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as header:  # reads no pixels
            width, height = header.size
        if width * height > LARGEST_PICTURE:
            raise InputError(f"{path}: {width} x {height} pixels; at most {LARGEST_PICTURE // 10**6} million are read")
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if _chunks_fit(data) else None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: too large; at most {LARGEST_PICTURE // 10**6} million are read") from None
    except (OSError, SyntaxError, ValueError, cv2.error):
        image = None
    if image is None:
        raise InputError(f"{path}: not a readable picture; expected a PNG")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return image


def _chunks_fit(data: bytes) -> bool:
    """Whether no chunk of a PNG says it is longer than the file: OpenCV would allocate 2 GB for it first."""
    at = 8
    while data.startswith(b"\x89PNG") and at < len(data):
        length = int.from_bytes(data[at : at + 4])
        if at + 12 + length > len(data):
            return False
        if data[at + 4 : at + 8] == b"IEND":
            break
        at += 12 + length
    return True


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a float mask in 0..1 as an 8-bit grey PNG."""
    write_png(path, np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8))


def read_mask(path: Path) -> np.ndarray:
    return read_png(path).astype(np.float32) / 255


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file. A small file that says that it unpacks to a huge one is refused; pickles are, too."""
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST_ARRAYS:
        raise InputError(f"{path}: {size >> 20} MB when unpacked; at most {LARGEST_ARRAYS >> 20} MB are read")
    with np.load(path, allow_pickle=False) as data:
        return dict(data)


def write_json(path: Path, value: Any) -> None:
    """Indented JSON; numpy numbers and arrays become plain ones, rounded to 6 decimals so that people can read it."""

    def plain(item: Any) -> Any:
        match item:
            case np.ndarray():
                return plain(item.tolist())
            case bool() | np.bool_():
                return bool(item)
            case np.integer():
                return int(item)
            case float() | np.floating():
                return round(float(item), 6)
            case dict():
                return {str(key): plain(entry) for key, entry in item.items()}
            case list() | tuple():
                return [plain(entry) for entry in item]
            case _:
                return item

    path.write_text(json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    if path.stat().st_size > LARGEST_JSON:
        raise InputError(f"{path}: {path.stat().st_size >> 20} MB of JSON; at most {LARGEST_JSON >> 20} MB are read")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
