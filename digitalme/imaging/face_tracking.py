"""A face's landmarks through a video: found in the first pictures, followed from one to the next, missed where gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.body.landmarks import mirrored_marks
from digitalme.imaging.face_detection import choose_face, face_landmarks, find_faces, landmarks_in_box

CROP = 320
"""Side of the crops that the landmark network looks at, pixels; the face fills about half."""
_WAYS = ((0.0, 1.0, 0.0, 0.0, False), (0.0, 1.0, 0.0, 0.0, True), (4.0, 0.93, 0.02, -0.02, False))
"""Turn in degrees, size, shift right and down, mirrored: the answers' mean wobbles less than each."""

Landmarks = Float32[np.ndarray, "478 3"]
STEADY = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 98, 327, 127, 356)
"""Landmarks that no expression moves much: eye corners, the nose's ridge and sides, temples."""
FACE_SIZE = (128, 144)
"""Width and height of `face_crop`, pixels: from the brows to the chin."""
_EYES_APART, _EYES_DOWN = 72.0, 48.0
"""In that crop: pixels between the outer eye corners, and from its upper edge to them."""


def follow_face(pictures: Iterable[UInt8[np.ndarray, "h w 3"]], face: int = 0) -> Iterator[Landmarks | None]:
    """The landmarks of one face in each picture, pixels; None where it is not seen. `face` as in choose_face."""
    near: Landmarks | None = None
    for picture in pictures:
        found = None
        if near is not None:
            found = landmarks_near(picture, near)
        if found is None:
            found = _sought(picture, near, face)
        if found is not None:
            near = found
        yield found


def landmarks_near(picture: UInt8[np.ndarray, "h w 3"], near: Landmarks) -> Landmarks | None:
    """Landmarks of the face that was at `near` a moment ago: the mean of several looks at an upright crop of it."""
    middle, reach, roll = _place(near)
    answers = []
    for turn, grow, right, down, mirrored in _WAYS:
        centre = middle + np.array([right, down]) * reach
        scale = CROP / (2 * reach * grow)
        to_crop = cv2.getRotationMatrix2D(tuple(map(float, centre)), turn + float(np.degrees(roll)), float(scale))
        to_crop[:, 2] += CROP / 2 - centre
        crop = cv2.warpAffine(picture, to_crop, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found = face_landmarks(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop)
        if found is None:
            if not answers:
                return None
            continue
        if mirrored:
            found = found[mirrored_marks()] * np.array([-1, 1, 1], np.float32) + np.array([CROP, 0, 0], np.float32)
        back = cv2.invertAffineTransform(to_crop)
        answers.append(np.c_[found[:, :2] @ back[:, :2].T + back[:, 2], found[:, 2] / scale])
    seen = np.mean(answers, 0).astype(np.float32)
    moved = np.linalg.norm(_place(seen)[0] - middle)
    return seen if moved < 0.6 * reach and 0.6 < _place(seen)[1] / reach < 1.6 else None


@lru_cache(maxsize=1)
def _steady_places() -> Float32[np.ndarray, "points 2"]:
    """Where the mean face has its STEADY landmarks in `face_crop`."""
    from digitalme.body.landmarks import landmark_points
    from digitalme.body.model import load_body

    flat = landmark_points(load_body().template.astype(float))[:, :2] * [1, -1]
    middle = (flat[33] + flat[263]) / 2
    scale = _EYES_APART / np.linalg.norm(flat[33] - flat[263])
    return ((flat[list(STEADY)] - middle) * scale + [FACE_SIZE[0] / 2, _EYES_DOWN]).astype(np.float32)


def crop_from_picture(marks: Landmarks) -> Float[np.ndarray, "2 3"]:
    """Where `face_crop` puts the picture's pixels: turned, sized and shifted by what no expression moves."""
    found, wanted = marks[list(STEADY), :2].astype(float), _steady_places().astype(float)
    from_found, to = found - found.mean(0), wanted - wanted.mean(0)
    turn = np.vdot(from_found @ [1, 1j], to @ [1, 1j]) / (from_found**2).sum()
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.c_[linear, wanted.mean(0) - linear @ found.mean(0)]


def face_crop(picture: UInt8[np.ndarray, "h w 3"], marks: Landmarks) -> UInt8[np.ndarray, "144 128 3"]:
    """The face of these landmarks brought upright to one place and size."""
    way = crop_from_picture(marks)
    smaller = np.hypot(*way[:, 0]) < 1
    return cv2.warpAffine(
        picture, way, FACE_SIZE, flags=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _place(marks: Landmarks) -> tuple[np.ndarray, float, float]:
    """Middle of the face, half the side of the crop around it, and its roll in the picture, radians."""
    low, high = marks[:468, :2].min(0), marks[:468, :2].max(0)
    right_eye, left_eye = marks[[33, 133], :2].mean(0), marks[[263, 362], :2].mean(0)
    across = left_eye - right_eye
    return (
        (low + high) / 2,
        float(0.80 * np.linalg.norm(high - low) / np.sqrt(2) * 1.1),
        float(np.arctan2(across[1], across[0])),
    )


def find_landmarks(picture: UInt8[np.ndarray, "h w 3"]) -> Landmarks | None:
    """The landmarks of the largest face of a picture."""
    return _sought(picture, None, 0)


def _sought(picture: UInt8[np.ndarray, "h w 3"], near: Landmarks | None, face: int) -> Landmarks | None:
    """The face in the whole picture: the chosen one, or the one nearest to where it was."""
    faces = find_faces(picture)
    if not faces:
        return None
    if near is None:
        box = choose_face(faces, "video", face) if face else max(faces, key=lambda box: box.size)
    else:
        x, y = _place(near)[0]
        box = min(faces, key=lambda box: np.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y))
    found = landmarks_in_box(picture, box)
    return None if found is None else landmarks_near(picture, found)
