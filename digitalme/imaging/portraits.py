"""From an upright picture to a Portrait: the face found, cropped to working size, its landmarks, masks and colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts import Portrait
from digitalme.body import landmarks as marks
from digitalme.errors import InputError
from digitalme.events import progress
from digitalme.geometry.fit import face_angles, mean_landmarks
from digitalme.imaging import appearance
from digitalme.imaging.face_detection import (
    SURE,
    choose_face,
    find_faces,
    landmarks_in_box,
    person_segmentation,
    softened,
    steady_landmarks,
    unsure_faces,
)
from digitalme.imaging.jaw import onto_jaw
from digitalme.imaging.masks import (
    FaceFrame,
    hair_below_hat,
    hair_mask,
    person_mask,
    plain_seed,
    skin_distance,
    skin_seed,
)
from digitalme.imaging.matting import guided_filter, person_matte, smoothstep

MASK_FACE_PX = 220
"""Masks are cut at this face height and refined at the portrait's own."""
UNREADABLE = 0.6
"""A face that the detector is surer of than this is taken even if it shows no landmarks."""
UP, DOWN, ASIDE = 1.05, 1.25, 1.45
"""The crop's margins over the forehead, under the chin, and left and right of the middle, in face heights."""


@dataclass(frozen=True)
class EncodePhotoConfig:
    """Which face to take, and at what size: the knobs of the stage encode_photo."""

    face: int = 0
    """Which face to take, counted from 1 at the left. 0: the largest."""
    face_px_min: int = 300
    """A smaller face is enlarged to this height in pixels, forehead to chin."""
    face_px_max: int = 480
    """A larger face is reduced to this height."""
    face_px_needed: int = 40
    """A face smaller than this in the photo is refused: nothing could be seen in it."""


def portrait_of(
    image: UInt8[np.ndarray, "h w 3"], focal_px: float | None, name: str, config: EncodePhotoConfig
) -> Portrait:
    """Find the person in a picture and what is seen of them. Raises InputError where there is no usable face.

    `focal_px`: in pixels of the picture, where it is known. `name` is used in messages only.
    """
    original, turns, near, certainty = _upright(image, name, config.face)
    progress(1, 4)
    top, chin = near[marks.FOREHEAD_TOP, :2], near[marks.CHIN, :2]
    face_px = float(np.linalg.norm(top - chin))
    if face_px < config.face_px_needed:
        raise InputError(
            f"{name}: the face is only {face_px:.0f} pixels high; at least {config.face_px_needed} are needed, "
            "and 300 or more are good"
        )
    image, to_original = _crop(original, (top + chin) / 2, face_px, config)
    scale = 1 / to_original[0, 0]
    guess = ((near[:, :2] - to_original[:, 2]) * scale).astype(np.float32)
    landmarks = steady_landmarks(image, np.c_[guess, near[:, 2:] * scale].astype(np.float32))
    if certainty >= SURE:
        landmarks = onto_jaw(image, landmarks)
    progress(2, 4)

    face = FaceFrame.of(landmarks, image.shape)
    person, hair, skin, seed, of_head = _masks(image, landmarks, face)
    progress(3, 4)
    longest = max(original.shape[:2])
    focal = focal_px or 1.6 * longest
    lens = float(np.clip(focal * scale, 2.2 * face.height_px if focal_px is None else 0, 16 * face.height_px))
    pitch, yaw, roll = face_angles(landmarks, image.shape[1], image.shape[0], lens)
    quality = {"face_px": face_px, "blur": appearance.blur(image, face), "yaw": yaw, "pitch": pitch, "roll": roll}
    if turns:
        quality["quarter_turns"] = float(turns)
    if certainty < SURE:
        quality["certainty"] = certainty
    traits = appearance.traits(image, seed, hair, face)
    portrait = Portrait(
        image=image,
        landmarks=landmarks,
        person=person,
        hair=hair,
        skin=skin,
        focal_px=lens,
        original_from_image=to_original.astype(np.float32),
        **appearance.colors(image, seed, np.minimum(hair, of_head), landmarks, face, below_hat=traits["hat"] > 0.5),
        quality=quality,
        traits=traits,
        warnings=_warnings(quality, landmarks, traits),
    )
    progress(4, 4)
    return portrait


def _upright(image: np.ndarray, name: str, number: int) -> tuple[np.ndarray, int, np.ndarray, float]:
    """The picture turned so that the face stands upright, how many quarter turns that took, the landmarks, and how
    sure the detector is (0..1)."""
    for turns in (0, 2, 1, 3):  # the detector sees faces that lie on their side, but none upside down
        turned = np.ascontiguousarray(np.rot90(image, turns))
        faces = find_faces(turned)
        if not faces:
            continue
        lean = round(choose_face(faces, name, number).roll / (np.pi / 2))
        if lean:
            turns = (turns + lean) % 4
            turned = np.ascontiguousarray(np.rot90(image, turns))
            faces = find_faces(turned)
        box = choose_face(faces, name, number)
        found = landmarks_in_box(turned, box)
        if found is not None:
            return turned, turns, found, box.score
    guesses = unsure_faces(image)
    for box in guesses:
        for look in (image, softened(image)):
            found = landmarks_in_box(look, box)
            if found is not None:
                return image, 0, found, min(box.score, 0.99 * SURE)
    for box in guesses[:1]:
        if box.score > UNREADABLE:  # a drawing: no landmarks, but eyes, nose and mouth
            return image, 0, mean_landmarks(np.array(box.points)), 0.5 * SURE
    choose_face([], name)
    raise AssertionError("choose_face refuses an empty list")


def _crop(
    image: np.ndarray, middle: np.ndarray, face_px: float, config: EncodePhotoConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Head and shoulders at working size, sides even, and the affine map back to the original's pixels."""
    height, width = image.shape[:2]
    x0, x1 = int(max(0, middle[0] - ASIDE * face_px)), int(min(width, middle[0] + ASIDE * face_px))
    y0, y1 = int(max(0, middle[1] - (UP + 0.5) * face_px)), int(min(height, middle[1] + (DOWN + 0.5) * face_px))
    scale = np.clip(face_px, config.face_px_min, config.face_px_max) / face_px
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    crop = image[y0:y1, x0:x1]
    if scale != 1:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=how)
    crop = np.ascontiguousarray(crop[: crop.shape[0] // 2 * 2, : crop.shape[1] // 2 * 2])
    return crop, np.array([[1 / scale, 0, x0], [0, 1 / scale, y0]])


def _segmentation(image: np.ndarray, face: FaceFrame) -> np.ndarray:
    """The selfie network on the whole crop, and again on the head alone, where it sees finer; blended between."""
    whole = person_segmentation(image)
    height, width = whole.shape
    x, y = face.points[[marks.FOREHEAD_TOP, marks.CHIN]].mean(0)
    unit = face.height_px
    x0, x1 = int(max(0, x - 1.2 * unit)), int(min(width, x + 1.2 * unit))
    y0, y1 = int(max(0, y - 1.3 * unit)), int(min(height, y + unit))
    head = person_segmentation(np.ascontiguousarray(image[y0:y1, x0:x1]))
    edge, weight = int(0.15 * unit), np.zeros(whole.shape, np.float32)
    weight[y0 + edge * (y0 > 0) : y1 - edge, x0 + edge * (x0 > 0) : x1 - edge * (x1 < width)] = 1
    weight = cv2.GaussianBlur(weight, (0, 0), edge / 2.5)
    fine = np.zeros_like(whole)
    fine[y0:y1, x0:x1] = head
    return whole * (1 - weight) + fine * weight


def _masks(image: np.ndarray, landmarks: np.ndarray, face: FaceFrame) -> tuple[np.ndarray, ...]:
    """Person, hair (and hat) and skin as soft masks, the pixels that are surely skin, and the hair without a hat."""
    scale = min(1.0, MASK_FACE_PX / face.height_px)
    height, width = image.shape[:2]
    small = image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small_face = face if scale == 1 else FaceFrame.of(landmarks * np.float32(scale), small.shape)
    person = person_mask(small, _segmentation(small, small_face), small_face)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    seed = plain_seed(lab, skin_seed(small_face), small_face)
    away = skin_distance(lab, seed)
    hair = hair_mask(small, person, away, seed, small_face)
    of_head = hair
    if appearance.hat_score(small, hair, small_face) > 0.5:
        of_head = hair_below_hat(small, person, hair, away, small_face)
        hair = hair | of_head

    def enlarged(mask: np.ndarray) -> np.ndarray:
        return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)

    matte = person_matte(image, enlarged(person) > 0.5, face.height_px)
    grown = max(1, round(0.012 * face.height_px))
    soft_hair = guided_filter(image, enlarged(hair), grown, 4e-4)
    soft_hair = np.minimum(
        np.where(enlarged(cv2.erode(hair.astype(np.uint8), np.ones((5, 5)))) > 0.99, 1, soft_hair), matte
    )
    features = np.zeros((height, width), bool)
    for ring, grow in ((marks.EYE_RIGHT, 0.01), (marks.EYE_LEFT, 0.01), (marks.LIPS_INNER, 0.005)):
        features |= face.polygon(ring, grow)
    inside = face.polygon(marks.OVAL, -0.04) & (face.up < 0.3)  # skin even where light or a beard change its colour
    skin = np.maximum(smoothstep(5.0, 3.5, enlarged(away)), inside * smoothstep(9, 6, enlarged(away)))
    skin = skin * (matte - soft_hair) * ~features
    return matte, soft_hair, skin.astype(np.float32), enlarged(seed) > 0.5, enlarged(of_head)


def _warnings(quality: dict[str, float], landmarks: np.ndarray, traits: dict[str, float]) -> tuple[str, ...]:
    """What will make the result worse, in plain words."""
    said = []
    if "certainty" in quality:
        said.append(
            f"the detector is not sure that this is a face (score {quality['certainty']:.2f}, usually 0.75 and more): "
            "shape, colours and hair may be off"
        )
    if quality["face_px"] < 150:
        said.append(f"the face is only {quality['face_px']:.0f} pixels high; 300 or more look better")
    if quality["blur"] < 12:
        said.append("the face looks out of focus")
    if abs(quality["yaw"]) > np.radians(20):
        said.append(f"the head is turned by {abs(np.degrees(quality['yaw'])):.0f} degrees; look at the camera instead")
    if abs(quality["pitch"]) > np.radians(20):
        said.append("the head is tilted up or down; hold the camera at eye height")
    mouth = np.linalg.norm(landmarks[13, :2] - landmarks[14, :2]) / np.linalg.norm(
        landmarks[33, :2] - landmarks[263, :2]
    )
    if mouth > 0.15:
        said.append("the mouth is wide open; a closed mouth gives a better likeness")
    if traits["hat"] > 0.5:
        said.append(
            "there seems to be a hat: the avatar wears its picture, and hair below it where the photo shows any"
        )
    return tuple(said)
