"""Find faces in a picture and their 478 landmarks with the models that mediapipe 0.10.21 carries.

mediapipe's graphs are made once per process and used under a lock: they are not thread-safe. What its C++ side writes
to standard error is dropped.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.body.landmarks import mirrored_marks
from digitalme.errors import InputError

_LOCK = threading.RLock()
SURE = 0.7
"""Score that a face needs where the first look at the whole picture found none."""
SAME_SIZE = 0.8
"""Two faces are of one size when the smaller is at least this share of the larger."""


@dataclass(frozen=True)
class FaceBox:
    """A detected face: pixels of the picture, x and y of the top left corner."""

    x: float
    y: float
    width: float
    height: float
    score: float
    roll: float
    """How far the eyes-to-mouth axis leans to the right of the picture, radians; 0 when upright."""
    points: tuple[tuple[float, float], ...] = ()
    """Right eye, left eye, tip of the nose, middle of the mouth; pixels of the picture."""

    def moved(self, x: float, y: float) -> FaceBox:
        """The same face in a picture whose origin lies so far to the left and above."""
        return replace(self, x=self.x + x, y=self.y + y, points=tuple((u + x, v + y) for u, v in self.points))

    @property
    def size(self) -> float:
        return max(self.width, self.height)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop what native code writes to file descriptor 2."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _started(make, answer: str):
    """Make a graph and run it once on a blank picture, which is when it writes its log lines."""
    with quiet_stderr():
        graph = make()
        getattr(graph.process(np.full((128, 128, 3), 128, np.uint8)), answer)
    return graph


@lru_cache(maxsize=1)
def _solutions():
    with quiet_stderr():
        import mediapipe

        return mediapipe.solutions


@lru_cache(maxsize=2)
def _detector(full_range: bool):
    def make():
        return _solutions().face_detection.FaceDetection(model_selection=int(full_range), min_detection_confidence=0.35)

    return _started(make, "detections")


@lru_cache(maxsize=1)
def _mesher():
    def make():
        return _solutions().face_mesh.FaceMesh(
            static_image_mode=True, refine_landmarks=True, max_num_faces=1, min_detection_confidence=0.2
        )

    return _started(make, "multi_face_landmarks")


@lru_cache(maxsize=1)
def _segmenter():
    return _started(lambda: _solutions().selfie_segmentation.SelfieSegmentation(model_selection=0), "segmentation_mask")


def find_faces(image: UInt8[np.ndarray, "h w 3"]) -> list[FaceBox]:
    """All faces, left to right, by the full-range detector; where that sees none, small faces in overlapping tiles of
    the picture, and faces that fill it by the detector for selfies."""
    height, width = image.shape[:2]
    boxes = _boxes_in(image)
    for tiles in [n for n in (2, 3, 5) if max(height, width) >= 200 * n]:
        if boxes:
            break
        side_x, side_y = int(width * 1.5 / (tiles + 0.5)), int(height * 1.5 / (tiles + 0.5))
        for x in np.linspace(0, width - side_x, tiles).astype(int):
            for y in np.linspace(0, height - side_y, tiles).astype(int):
                tile = np.ascontiguousarray(image[y : y + side_y, x : x + side_x])
                boxes += [b.moved(float(x), float(y)) for b in _boxes_in(tile) if b.score > SURE]
    if not boxes:
        boxes = [box for box in _boxes_in(image, full_range=False) if box.score > SURE]
    return sorted(_distinct(boxes), key=lambda box: box.x)


def softened(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with soft lines: a drawing that is nearer to a photo."""
    return cv2.GaussianBlur(image, (0, 0), max(max(image.shape[:2]) / 400, 0.5))


def unsure_faces(image: UInt8[np.ndarray, "h w 3"]) -> list[FaceBox]:
    """What might be a face, best first, for pictures in which `find_faces` sees none: drawings, mostly. Both detectors
    are asked, also about the picture with softer lines; whether there are landmarks is for the caller to see."""
    boxes = [box for look in (image, softened(image)) for full in (False, True) for box in _boxes_in(look, full)]
    return sorted(_distinct(boxes), key=lambda box: -box.score)


def _boxes_in(image: UInt8[np.ndarray, "h w 3"], full_range: bool = True) -> list[FaceBox]:
    height, width = image.shape[:2]
    with _LOCK, quiet_stderr():
        found = _detector(full_range).process(image).detections or []
    boxes = []
    for detection in found:
        place = detection.location_data
        eye, other_eye, nose, mouth, *_ = np.array([(p.x * width, p.y * height) for p in place.relative_keypoints])
        right, down = mouth - (eye + other_eye) / 2
        box = place.relative_bounding_box
        boxes.append(
            FaceBox(
                x=box.xmin * width,
                y=box.ymin * height,
                width=box.width * width,
                height=box.height * height,
                score=detection.score[0],
                roll=float(np.arctan2(-right, down)),
                points=tuple((float(u), float(v)) for u, v in (eye, other_eye, nose, mouth)),
            )
        )
    return boxes


def _distinct(boxes: list[FaceBox]) -> list[FaceBox]:
    """Drop boxes whose centre lies in a better-scored box."""
    kept: list[FaceBox] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        x, y = box.x + box.width / 2, box.y + box.height / 2
        if not any(k.x < x < k.x + k.width and k.y < y < k.y + k.height for k in kept):
            kept.append(box)
    return kept


def choose_face(faces: list[FaceBox], name: str, face: int = 0) -> FaceBox:
    """The face with this number, counted from 1 at the left; 0: the largest, unless two are of one size."""
    if not faces:
        raise InputError(f"{name}: no face found; expected a photo with one face, seen from the front and well lit")
    if face:
        if not 1 <= face <= len(faces):
            raise InputError(f"{name}: there is no face {face}; {len(faces)} found, counted from 1 at the left")
        return faces[face - 1]
    by_size = sorted(faces, key=lambda box: -box.size)
    if len(by_size) > 1 and by_size[1].size >= SAME_SIZE * by_size[0].size:
        raise InputError(
            f"{name}: {len(faces)} faces found and the largest two are of the same size; choose one with --face N, "
            f"N from 1 (left) to {len(faces)} (right)"
        )
    return by_size[0]


def face_landmarks(image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "478 3"] | None:
    """FaceMesh with irises: x, y and z in pixels of `image`; None when no face is found.

    It misses far turned heads that it sees in a mirror, so it is asked twice.
    """
    height, width = image.shape[:2]
    side = max(height, width)  # the graph wants a square
    square = cv2.copyMakeBorder(image, 0, side - height, 0, side - width, cv2.BORDER_REPLICATE)
    for mirrored in (False, True):
        with _LOCK, quiet_stderr():  # it writes a line at its first face
            found = _mesher().process(np.ascontiguousarray(square[:, ::-1]) if mirrored else square)
        if found.multi_face_landmarks:
            spots = np.array([(p.x, p.y, p.z) for p in found.multi_face_landmarks[0].landmark], np.float32)
            if mirrored:
                spots = spots[mirrored_marks()] * np.array([-1, 1, 1], np.float32) + np.array([1, 0, 0], np.float32)
            return spots * side
    return None


def landmarks_in_box(
    image: UInt8[np.ndarray, "h w 3"], box: FaceBox, margin: float = 0.6
) -> Float32[np.ndarray, "478 3"] | None:
    """Landmarks of the face in a box, in pixels of `image`: looked for in a crop with the face 300 px high, and with
    more and less around it where there are none."""
    height, width = image.shape[:2]
    x, y, scale = box.x + box.width / 2, box.y + box.height / 2, 300 / box.size
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    for share in (margin, margin + 0.2, margin - 0.2):
        reach = (0.5 + share) * box.size
        x0, x1 = int(max(0, x - reach)), int(min(width, x + reach))
        y0, y1 = int(max(0, y - reach)), int(min(height, y + reach))
        found = face_landmarks(cv2.resize(image[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=how))
        if found is not None:
            return found / np.float32(scale) + np.array([x0, y0, 0], np.float32)
    return None


def steady_landmarks(
    image: UInt8[np.ndarray, "h w 3"], near: Float32[np.ndarray, "478 3"]
) -> Float32[np.ndarray, "478 3"]:
    """The median of the detector's answers for five slightly different crops of the face at `near`.

    One answer wobbles by about a pixel when the crop moves; the median wobbles less.
    """
    middle, reach = near[[10, 152], :2].mean(0), 1.1 * np.linalg.norm(near[10, :2] - near[152, :2])
    answers = []
    for turn, grow, right, down in (
        (0, 1, 0, 0),
        (5, 1.1, 0.1, 0),
        (-5, 0.9, -0.1, 0),
        (3, 0.95, 0, 0.1),
        (-3, 1.05, 0, -0.1),
    ):
        centre = middle + np.array([right, down]) * reach * 0.3
        to_crop = cv2.getRotationMatrix2D(tuple(map(float, centre)), turn, float(150 / (reach * grow)))
        to_crop[:, 2] += 150 - centre
        crop = cv2.warpAffine(image, to_crop, (300, 300), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found = face_landmarks(crop)
        if found is None:
            continue
        back = cv2.invertAffineTransform(to_crop)
        spots = np.c_[found[:, :2] @ back[:, :2].T + back[:, 2], found[:, 2] * reach * grow / 150]
        if np.linalg.norm(spots[:468, :2] - near[:468, :2], axis=1).mean() < 0.1 * reach:  # the same face
            answers.append(spots)
    return np.median(answers, 0).astype(np.float32) if answers else near


def person_segmentation(image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """How sure the selfie network is that a pixel belongs to a person, 0..1."""
    with _LOCK:
        return _segmenter().process(image).segmentation_mask.astype(np.float32)
