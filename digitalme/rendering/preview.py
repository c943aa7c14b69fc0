"""The pictures of an avatar that the report and the store show."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts import Avatar
from digitalme.imaging.video import AUDIO_RATE, encode_mp4
from digitalme.rendering.studio import Studio, portrait_camera


def avatar_preview(avatar: Avatar, size: int = 384) -> UInt8[np.ndarray, "h w 3"]:
    """Front, three-quarter, profile and back, and a smile with the mouth a little open, side by side."""
    studio = Studio(avatar)
    smile = {
        "mouthSmileLeft": 0.6,
        "mouthSmileRight": 0.6,
        "jawOpen": 0.18,
        "cheekSquintLeft": 0.3,
        "cheekSquintRight": 0.3,
    }
    views = [(0.0, {}), (0.0, smile), (0.6, {}), (1.45, {}), (3.14, {})]
    return np.concatenate(
        [studio.picture(portrait_camera(avatar, yaw, width=size, height=size), weights) for yaw, weights in views], 1
    )


def turntable(avatar: Avatar, size: int = 288, frames: int = 30) -> bytes:
    """A silent MP4 in which the avatar turns round once in three seconds."""
    studio = Studio(avatar)
    turns = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    cameras = (portrait_camera(avatar, float(yaw), width=size, height=size) for yaw in turns)
    pictures = (studio.picture(camera, {}, supersample=1) for camera in cameras)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "turn.mp4"
        encode_mp4(path, pictures, frames / 3, (size, size), np.zeros(3 * AUDIO_RATE, np.float32), AUDIO_RATE, crf=24)
        return path.read_bytes()
