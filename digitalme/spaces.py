"""Frames and units, in one place.

World: glTF's axes, right-handed, metres: +X is the person's left, +Y up, +Z where the person looks; feet on y = 0.
Camera: OpenCV's: +X right in the picture, +Y down, +Z into the scene. A pixel (x, y) has its centre at +0.5.
Angles are radians. Rotations of the head are (pitch, yaw, roll) about world +X, +Y, +Z: positive pitch looks down,
positive yaw turns to the person's left, positive roll tilts the head to the person's right shoulder.
Images are (h, w, 3) uint8 sRGB unless the name says `linear_rgb` (float32, linear light).
"""

import numpy as np

CAMERA_FROM_WORLD_FRONT = np.diag([1.0, -1.0, -1.0])
"""A camera in front of the person, looking at the face: picture right is the person's left, picture down is -Y."""


def rotation_from_euler(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Rotation (3, 3) of (pitch, yaw, roll): roll first, then pitch, then yaw (R = Ry Rx Rz)."""
    cx, sx, cy, sy, cz, sz = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw), np.cos(roll), np.sin(roll)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def euler_from_rotation(rotation: np.ndarray) -> tuple[float, float, float]:
    """(pitch, yaw, roll) of a rotation (3, 3); the inverse of `rotation_from_euler` for |pitch| < 90 degrees."""
    pitch = np.arcsin(np.clip(-rotation[1, 2], -1, 1))
    yaw = np.arctan2(rotation[0, 2], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[1, 1])
    return float(pitch), float(yaw), float(roll)


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in 0..1 to linear light (IEC 61966-2-1), float32."""
    srgb = np.asarray(srgb, np.float32)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light in 0..1 to sRGB in 0..1 (IEC 61966-2-1), float32."""
    linear = np.clip(np.asarray(linear, np.float32), 0, None)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)
