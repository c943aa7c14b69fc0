"""encode_photo: a picture file to a Portrait, that is one upright person with landmarks, masks and colours."""

from __future__ import annotations

from digitalme.artifacts import Photo, Portrait
from digitalme.imaging.photo_files import decode_photo
from digitalme.imaging.portraits import EncodePhotoConfig, portrait_of

DEFAULT = EncodePhotoConfig()


def encode_photo(photo: Photo, config: EncodePhotoConfig = DEFAULT) -> Portrait:
    """Find the person and what is seen of them. Raises InputError where there is no usable picture or face."""
    decoded = decode_photo(photo.data, photo.name)
    return portrait_of(decoded.image, decoded.focal_px, photo.name, config)
