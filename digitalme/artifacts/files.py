"""Reading and writing the few file kinds that artifacts are made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from digitalme.errors import InputError


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
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"{path}: not a readable picture; expected a PNG")
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return image


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a float mask in 0..1 as an 8-bit grey PNG."""
    write_png(path, np.round(np.clip(mask, 0, 1) * 255).astype(np.uint8))


def read_mask(path: Path) -> np.ndarray:
    return read_png(path).astype(np.float32) / 255


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
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
