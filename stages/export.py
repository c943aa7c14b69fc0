"""Export: the avatar and its performance as files that other programs load."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from digitalme import events
from digitalme.artifacts import Avatar, Exports, Performance
from digitalme.exporters.formats import export_files
from digitalme.exporters.options import DEFAULT, ExportConfig
from digitalme.trust.watermark import mark

MARKED = "head"
"""The texture that carries the mark: the face's."""


def export(avatar: Avatar, performance: Performance | None = None, config: ExportConfig = DEFAULT) -> Exports:
    """Files of every format that the config names; they lie in the run's scratch folder until the artifact is saved."""
    if config.watermark and MARKED in avatar.textures:
        avatar = replace(avatar, textures={**avatar.textures, MARKED: marked(avatar.textures[MARKED])})
    return Exports(export_files(avatar, performance, events.scratch(), config))


def marked(texture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    """The texture with the watermark in its colours, as made by digitalme."""
    payload = int.from_bytes(hashlib.sha256(texture.tobytes()).digest()[:4])
    colours = mark(np.ascontiguousarray(texture[..., :3]), payload)
    return np.concatenate([colours, texture[..., 3:]], -1)
