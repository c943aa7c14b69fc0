"""Which frames of a video of a turning head to look at: sharp ones, spread over the turn, of one uncut take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.body import landmarks as marks
from digitalme.events import progress
from digitalme.geometry.fit import face_angles
from digitalme.imaging.face_detection import FaceBox, find_faces, landmarks_in_box
from digitalme.imaging.video import read_video_at, video_seconds

LOOKS_A_SECOND = 10.0
"""Frames looked at; a head turns by some 5 degrees between two of them."""
MOST_LOOKS = 150
CUT, CUT_TIMES = 15.0, 4.0
"""A cut changes a 32 x 18 thumbnail by more grey levels than the first, and by more than so many times what is usual
from one look to the next of the same video."""
DIM = 0.5
"""A look less sharp than this share of those around it in yaw is blurred by motion."""


@dataclass(frozen=True)
class Look:
    """One frame as seen in passing."""

    seconds: float
    landmarks: Float32[np.ndarray, "478 3"] | None
    """Pixels of the frame; None where no face is."""
    yaw: float
    pitch: float
    sharpness: float
    take: int
    """Counts up at each cut."""


def looked_through(path: Path) -> list[Look]:
    """Pass through a video and follow the largest face. Raises InputError where it cannot be read."""
    seconds = video_seconds(path)
    step = max(1 / LOOKS_A_SECOND, seconds / MOST_LOOKS)
    looks: list[Look] = []
    last, before, take = None, None, 0
    changes: list[float] = []
    for when, image in read_video_at(path, step):
        progress(min(when, seconds), 2 * seconds)
        thumbnail = cv2.resize(image, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        if before is not None:
            change = float(np.abs(thumbnail - before).mean())
            if change > max(CUT, CUT_TIMES * np.median(changes or [0.0])):
                take, last = take + 1, None
            else:
                changes.append(change)
        before = thumbnail
        last = _followed(image, last)
        if last is None:
            looks.append(Look(when, None, 0.0, 0.0, 0.0, take))
            continue
        height, width = image.shape[:2]
        pitch, yaw, _ = face_angles(last, width, height, 1.2 * max(width, height))
        looks.append(Look(when, last, yaw, pitch, _sharpness(image, last), take))
    return looks


def _followed(image: UInt8[np.ndarray, "h w 3"], last: np.ndarray | None) -> np.ndarray | None:
    """Landmarks near where they were; else of the largest face anywhere."""
    if last is not None:
        low, high = last[:, :2].min(0), last[:, :2].max(0)
        size = float((high - low).max())
        x, y = (low + high) / 2 - size / 2
        found = landmarks_in_box(image, FaceBox(float(x), float(y), size, size, 1.0, 0.0))
        if found is not None and np.linalg.norm(found[:468, :2].mean(0) - last[:468, :2].mean(0)) < 0.5 * size:
            return found
    faces = find_faces(image)
    return landmarks_in_box(image, max(faces, key=lambda box: box.size)) if faces else None


def _sharpness(image: np.ndarray, found: np.ndarray) -> float:
    """Variance of the Laplacian of the face at 150 pixels height."""
    spots = found[list(marks.OVAL), :2]
    (x0, y0), (x1, y1) = np.maximum(spots.min(0), 0).astype(int), spots.max(0).astype(int)
    crop = image[y0:y1, x0:x1]
    if crop.size == 0:
        return 0.0
    scale = 150 / max(np.linalg.norm(found[marks.FOREHEAD_TOP, :2] - found[marks.CHIN, :2]), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale, interpolation=how)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def longest_take(looks: list[Look]) -> int:
    """The take with most faces in it."""
    takes = [look.take for look in looks if look.landmarks is not None]
    return max(set(takes), key=lambda take: (takes.count(take), -take)) if takes else 0


def blurred(looks: list[Look]) -> list[bool]:
    """Which looks are less sharp than those turned alike."""
    yaws = np.array([look.yaw for look in looks])
    sharp = np.array([look.sharpness for look in looks])
    around = [np.median(sharp[np.abs(yaws - yaw) < 0.25]) for yaw in yaws]
    return [bool(own < DIM * usual) for own, usual in zip(sharp, around, strict=True)]


def spread_over(
    yaws: Float[np.ndarray, "n"], worth: Float[np.ndarray, "n"], count: int, apart: float = np.radians(6)
) -> list[int]:
    """Places of `count` looks that cover the yaws evenly, of each neighbourhood the worthiest: the range is cut into
    equal bins; nearer than `apart` to one taken already counts as the same place."""
    if not len(yaws):
        return []
    low, high = yaws.min(), yaws.max()
    targets = np.linspace(low, high, max(count, 2)) if high - low > apart else np.array([yaws.mean()])
    width = max((high - low) / max(count - 1, 1), apart)
    chosen: list[int] = []
    for target in targets:
        near = [i for i in np.flatnonzero(np.abs(yaws - target) < 0.6 * width) if i not in chosen]
        near = [i for i in near if all(abs(yaws[i] - yaws[j]) > 0.5 * apart for j in chosen)]
        if near:
            chosen.append(max(near, key=lambda i: worth[i] - 0.5 * abs(yaws[i] - target) / width))
    return chosen
