"""encode_photos: several picture files to an Album of one person; photos of others and spoilt ones are left out."""

from __future__ import annotations

from dataclasses import dataclass

from digitalme.artifacts import Album, Photos
from digitalme.errors import InputError
from digitalme.events import progress
from digitalme.imaging.photo_files import decode_photo
from digitalme.imaging.portraits import EncodePhotoConfig, portrait_of
from digitalme.metrics.people import Candidate, gathered


@dataclass(frozen=True)
class EncodePhotosConfig:
    """How many photos are used, and at what size."""

    most: int = 12
    """So many photos at most; more take longer and tell little more."""
    face_px_max: int = 480
    """A larger face is reduced to this height in pixels."""


def encode_photos(photos: Photos, config: EncodePhotosConfig = EncodePhotosConfig()) -> Album:
    """Find the person in every photo. Raises InputError where no photo can be used."""
    if not photos.pictures:
        raise InputError("no photo was given; expected one or more after --selfie")
    found: list[Candidate] = []
    left_out: list[tuple[str, str]] = []
    for done, photo in enumerate(photos.pictures):
        progress(done, len(photos.pictures) + 1)
        if len(found) == config.most:
            left_out.append((photo.name, f"more than {config.most} photos"))
            continue
        try:
            decoded = decode_photo(photo.data, photo.name)
            portrait = portrait_of(
                decoded.image, decoded.focal_px, photo.name, EncodePhotoConfig(face_px_max=config.face_px_max)
            )
        except InputError as error:
            left_out.append((photo.name, str(error).removeprefix(f"{photo.name}: ")))
            continue
        height, width = decoded.image.shape[:2]
        if int(portrait.quality.get("quarter_turns", 0)) % 2:
            height, width = width, height
        found.append(Candidate.of(photo.name, portrait, (width / 2, height / 2)))
    if not found:
        raise InputError("none of the photos can be used: " + "; ".join(f"{name}: {why}" for name, why in left_out))
    return gathered(found, left_out)
