"""nerfstudio's files: transforms.json with pictures and masks from fitted cameras, and camera paths for renders.

Cameras are OpenGL's there (+X right, +Y up, looking along -Z), camera to world, in a world whose +Z is up. Ours is +Y
up with the head at the body model's place; the head's middle becomes the origin, metres stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float

from digitalme.artifacts import Camera, Portrait
from digitalme.artifacts.files import write_json, write_mask, write_png
from digitalme.spaces import rotation_from_euler

Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From our world (+Y up) to nerfstudio's (+Z up)."""
_OPENGL = np.diag([1.0, -1, -1])
FREE_OF_SHOULDERS = 0.10
"""The mask ends so far below the chin, in face heights: shoulders do not turn with the head."""


def camera_to_world(camera: Camera, origin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
    """nerfstudio's transform_matrix of a camera; `origin` is a point of our world."""
    rotation = camera.camera_from_world[:, :3]
    matrix = np.eye(4)
    matrix[:3, :3] = Z_UP @ rotation.T @ _OPENGL
    matrix[:3, 3] = Z_UP @ (camera.position - origin)
    return matrix


def camera_from(matrix: Float[np.ndarray, "4 4"], frame: dict[str, Any], origin: Float[np.ndarray, "3"]) -> Camera:
    """The inverse: our camera of a frame of transforms.json."""
    rotation = (Z_UP.T @ matrix[:3, :3] @ _OPENGL).T
    position = Z_UP.T @ matrix[:3, 3] + origin
    pose = np.column_stack([rotation, -rotation @ position])
    return Camera(frame["fl_x"], frame["w"], frame["h"], pose, (frame["cx"], frame["cy"]))


def write_scene(
    portraits: Sequence[Portrait], cameras: Sequence[Camera], origin: Float[np.ndarray, "3"], folder: Path
) -> list[Path]:
    """transforms.json, a picture and a mask for each portrait, and a turntable for ns-render, all in one folder."""
    made, frames = [], []
    for place, (portrait, camera) in enumerate(zip(portraits, cameras, strict=True)):
        picture, mask = folder / f"view_{place:02d}.png", folder / f"view_{place:02d}_mask.png"
        write_png(picture, portrait.image)
        write_mask(mask, head_mask(portrait).astype(np.float32))
        cx, cy = camera.center
        frames.append(
            {
                "file_path": picture.name, "mask_path": mask.name,
                "fl_x": camera.focal_px, "fl_y": camera.focal_px, "cx": cx, "cy": cy,
                "w": camera.width, "h": camera.height,
                "transform_matrix": camera_to_world(camera, origin).tolist(),
            }
        )  # fmt: skip
        made += [picture, mask]
    transforms, path = folder / "transforms.json", folder / "camera_path.json"
    write_json(transforms, {"camera_model": "OPENCV", "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0, "frames": frames})
    write_json(path, camera_path(turntable(cameras[0], origin, 48), origin, fps=24.0))
    return [transforms, path, *made]


def head_mask(portrait: Portrait) -> np.ndarray:
    """The head without shoulders: the person down to a little below the chin."""
    marks = portrait.landmarks[:, :2]
    top, chin = marks[10], marks[152]
    rows, columns = np.indices(portrait.person.shape)
    down = ((columns - chin[0]) * (chin - top)[0] + (rows - chin[1]) * (chin - top)[1]) / ((chin - top) ** 2).sum()
    return (portrait.person > 0.5) & (down < FREE_OF_SHOULDERS)


def turntable(
    camera: Camera, origin: Float[np.ndarray, "3"], count: int, widest: float = math.radians(60)
) -> list[Camera]:
    """Cameras that swing round the origin from side to side, at the first one's distance and lens, upright."""
    distance = float(np.linalg.norm(camera.position - origin))
    cameras = []
    for step in range(count):
        turn = rotation_from_euler(0.0, widest * math.sin(2 * math.pi * step / count), 0.0)
        rotation = np.diag([1.0, -1, -1]) @ turn.T
        position = origin + turn @ np.array([0, 0, distance])
        pose = np.column_stack([rotation, -rotation @ position])
        cameras.append(replace(camera, camera_from_world=pose, center_px=None))
    return cameras


def camera_path(cameras: Sequence[Camera], origin: Float[np.ndarray, "3"], fps: float) -> dict[str, Any]:
    """What `ns-render camera-path` takes: the cameras of a render, in order."""
    first = cameras[0]
    steps = [
        {
            "camera_to_world": camera_to_world(camera, origin).ravel().tolist(),
            "fov": math.degrees(2 * math.atan(camera.height / 2 / camera.focal_px)),
            "aspect": camera.width / camera.height,
        }
        for camera in cameras
    ]
    return {
        "camera_type": "perspective", "render_height": first.height, "render_width": first.width,
        "fps": fps, "seconds": len(cameras) / fps, "smoothness_value": 0.0, "is_cycle": True, "crop": None,
        "camera_path": steps,
    }  # fmt: skip


def smaller(image: np.ndarray, side: int) -> np.ndarray:
    """A picture brought to so many pixels on its longer side."""
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
