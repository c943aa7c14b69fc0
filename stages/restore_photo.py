"""restore_photo: a photo with noise, dull colours, scratches or few pixels becomes a better one to read a face from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from digitalme.artifacts import Photo
from digitalme.artifacts.files import read_png
from digitalme.errors import InputError
from digitalme.events import note
from digitalme.imaging.photo_files import decode_photo
from digitalme.imaging.restore import can_enlarge, denoised, enlarged_by_network, graded, inpainted

SMALL = 400
"""Longer side, pixels, below which "auto" enlarges."""


@dataclass(frozen=True)
class RestorePhotoConfig:
    """What is done to it, in this order: gaps, noise, pixels, light and colour."""

    gaps: str = ""
    """A black picture of the photo's size, white where the photo is to be filled from around: scratches, a date."""
    denoise: float = 0.3
    """0 leaves the noise, 1 is for a dark room's."""
    enlarge: str = "auto"
    """Four times the pixels by Real-ESRGAN: "photo", "drawn", "fast", "none", or "auto": photo for small pictures, where the extra is installed."""  # noqa: E501
    exposure: float = 0.0
    """Stops brighter."""
    contrast: float = 0.0
    """-1..1."""
    warmth: float = 0.0
    """-1 bluer, 1 redder."""
    saturation: float = 0.0
    """-1 grey, 1 twice as colourful."""


def restore_photo(photo: Photo, config: RestorePhotoConfig = RestorePhotoConfig()) -> Photo:
    """The photo made better. Raises InputError for what cannot be used, MissingExtraError without the networks."""
    grades = (config.contrast, config.warmth, config.saturation)
    if not 0 <= config.denoise <= 1 or not -5 <= config.exposure <= 5 or not all(-1 <= each <= 1 for each in grades):
        raise InputError("expected denoise in 0..1, exposure in -5..5, contrast, warmth and saturation in -1..1")
    image = decode_photo(photo.data, photo.name).image
    if config.gaps:
        image = inpainted(image, _gaps(Path(config.gaps), image.shape[:2]))
    image = denoised(image, config.denoise)
    small = max(image.shape[:2]) < SMALL and can_enlarge()
    network = ("photo" if small else "none") if config.enlarge == "auto" else config.enlarge
    if network != "none":
        image = enlarged_by_network(image, network)
    image = graded(image, config.exposure, *grades)
    note(enlarged_by=network, size=list(image.shape[:2]))
    return Photo(cv2.imencode(".png", image[..., ::-1])[1].tobytes(), photo.name)


def _gaps(path: Path, size: tuple[int, ...]) -> np.ndarray:
    if not path.is_file():
        raise InputError(f"restore_photo.gaps: {path}: no such file")
    mask = read_png(path)
    if mask.shape[:2] != tuple(size):
        raise InputError(
            f"restore_photo.gaps: {path}: is {mask.shape[1]} x {mask.shape[0]}; the photo is {size[1]} x {size[0]}"
        )
    return mask.reshape(*mask.shape[:2], -1)[..., :3].max(2) > 127
