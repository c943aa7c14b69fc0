"""What a drawing of a face tells: where its features are, how long the hair is, and its colours where it has some."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.body.people import EYE_COLORS, HAIR_COLORS, SKIN_TONES, nearest_word
from digitalme.errors import InputError
from digitalme.imaging.face_detection import face_landmarks

SIDE = 512
"""Longer side that a drawing is brought to, pixels."""
COLORED = 0.16
"""Saturation from which a part of a drawing counts as coloured in."""


@dataclass(frozen=True)
class Sketch:
    """A drawing that was read."""

    image: UInt8[np.ndarray, "h w 3"]
    landmarks: Float32[np.ndarray, "478 3"]
    """As FaceMesh's, in pixels of `image`."""
    attributes: dict[str, str]
    """What can be seen of digitalme.body.attributes; what a line drawing leaves open is not there."""


def read_sketch(image: UInt8[np.ndarray, "height width 3"], name: str) -> Sketch:
    """Find the face in a drawing. Raises InputError where none is recognised."""
    scale = SIDE / max(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=how)
    # thin lines blurred look more like the shading that the detector knows
    for blur in (0.0, 1.5, 2.5, 4.0):
        seen = image if blur == 0 else cv2.GaussianBlur(image, (0, 0), blur)
        if (found := face_landmarks(seen)) is not None:
            return Sketch(image, found, _colors(image, found) | _hair(image, found))
    raise InputError(f"--sketch {name}: no face is recognised in it; expected a face from the front, drawn large")


def _frame(landmarks: Float32[np.ndarray, "478 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Middle of the face, its right and down directions, and its half width and half height in pixels."""
    top, chin, left, right = (landmarks[i, :2].astype(float) for i in (10, 152, 234, 454))
    down = (chin - top) / 2
    tall = max(float(np.linalg.norm(down)), 1.0)
    down = down / tall
    across = np.array([down[1], -down[0]])
    return (top + chin) / 2, across, down, max(float(np.linalg.norm(right - left)) / 2, 1.0), tall


def _region(image: np.ndarray, landmarks: np.ndarray, x: tuple[float, float], y: tuple[float, float]) -> np.ndarray:
    """Pixels (n, 3) of a box in the face's own frame: x and y are -1..1 over the face, y down."""
    middle, across, down, wide, tall = _frame(landmarks)
    u, v = np.meshgrid(np.linspace(*x, 40), np.linspace(*y, 40))
    spots = middle + u[..., None] * across * wide + v[..., None] * down * tall
    spots = np.round(spots).astype(int).reshape(-1, 2)
    height, width = image.shape[:2]
    inside = (spots >= 0).all(1) & (spots < [width, height]).all(1)
    return image[spots[inside, 1], spots[inside, 0]]


def _hair(image: np.ndarray, landmarks: np.ndarray) -> dict[str, str]:
    """How long the hair is, by where ink lies around the face; nothing where there is too little of it to tell."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    border = np.concatenate([grey[0], grey[:, 0], grey[:, -1]])
    paper = float(np.median(border))
    ink = cv2.GaussianBlur((np.abs(grey - paper) > 40).astype(np.float32), (0, 0), 4)[..., None]

    def inked(x: tuple[float, float], y: tuple[float, float]) -> float:
        spots = _region(ink, landmarks, x, y)
        return float((spots > 0.15).mean()) if len(spots) > 200 else 0.0

    top = inked((-0.6, 0.6), (-1.55, -1.05))
    jaw = min(inked((-1.6, -1.1), (0.35, 0.8)), inked((1.1, 1.6), (0.35, 0.8)))
    below = min(inked((-1.5, -0.9), (1.1, 1.5)), inked((0.9, 1.5), (1.1, 1.5)))
    if top < 0.02:
        return {"hair_style": "bald"}
    if jaw > 0.35:
        return {"hair_style": "long" if below > 0.35 else "bob"}
    return {"hair_style": "short"} if top > 0.35 and jaw < 0.1 else {}


def _colors(image: np.ndarray, landmarks: np.ndarray) -> dict[str, str]:
    """Hair, skin and eyes of a drawing that is coloured in."""
    parts = {
        "hair_color": (_region(image, landmarks, (-0.6, 0.6), (-1.45, -1.15)), HAIR_COLORS),
        "skin": (_region(image, landmarks, (-0.55, -0.35), (0.1, 0.4)), SKIN_TONES),
        "eye_color": (_iris(image, landmarks), EYE_COLORS),
    }
    told = {}
    for name, (pixels, words) in parts.items():
        if len(pixels) < 12:
            continue
        color = np.median(pixels, 0) / 255
        if (color.max() - color.min()) / max(float(color.max()), 0.05) > COLORED and color.max() > 0.15:
            told[name] = nearest_word(tuple(color.tolist()), words)
    return told


def _iris(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Pixels between pupil and rim of both irises."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    ring = np.zeros((height, width), bool)
    for first in (468, 473):
        radius = float(np.linalg.norm(landmarks[first + 1, :2] - landmarks[first + 3, :2])) / 2
        away = np.hypot(x - landmarks[first, 0], y - landmarks[first, 1])
        ring |= (away > 0.5 * radius) & (away < 0.85 * radius)
    return image[ring]
