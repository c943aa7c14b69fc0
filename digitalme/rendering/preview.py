"""The pictures of an avatar that the report and the store show."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts import Avatar
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
