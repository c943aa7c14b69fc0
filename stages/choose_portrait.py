"""choose_portrait: the picture of an Album that everything else starts from."""

from __future__ import annotations

from digitalme.artifacts import Album, Portrait


def choose_portrait(album: Album) -> Portrait:
    """The first: the album puts the sharpest picture that looks into the camera there."""
    return album.portraits[0]
