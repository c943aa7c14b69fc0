"""write_scene: an album and its fitted cameras as files that nerfstudio trains on, without COLMAP."""

from __future__ import annotations

from digitalme import events
from digitalme.artifacts import Album, Exports, Likeness
from digitalme.body.model import load_body
from digitalme.errors import InputError
from digitalme.exporters.nerfstudio import write_scene as write_files


def write_scene(album: Album, likeness: Likeness) -> Exports:
    """transforms.json, pictures and masks. Raises InputError where there is one picture only."""
    if len(likeness.cameras) < 2:
        raise InputError(f"a scene needs several pictures, and {len(album.portraits)} could be used")
    files = write_files(album.portraits, likeness.cameras, load_body().head_center.astype(float), events.scratch())
    return Exports({path.name: path for path in files})
