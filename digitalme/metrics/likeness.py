"""How much an exported avatar looks like its photo: pictures of it, compared with the portrait, beside controls.

The avatar is drawn in the portrait's own camera (landmarks, silhouette, colours) and turned by known angles (face
descriptor). The control is the mean face under the same texture and hair: what the shape adds is the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import util
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8
from scipy.spatial import cKDTree

from digitalme.artifacts import Avatar, Camera, Likeness, Portrait
from digitalme.artifacts.scorecard import Score
from digitalme.body.landmarks import EYE_CORNERS, OVAL
from digitalme.body.model import load_body
from digitalme.errors import MissingExtraError
from digitalme.imaging.exposure import well_lit
from digitalme.imaging.face_detection import face_landmarks
from digitalme.rendering.pose import pose_avatar
from digitalme.rendering.scene import Drawable, draw
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

Image = UInt8[np.ndarray, "h w 3"]
Landmarks = Float[np.ndarray, "478 3"]

DESCRIPTOR_HINT = 'needs the face descriptor: pip install "digitalme[eval]"'
SAME_PERSON = 0.6
"""dlib's own threshold on the descriptor distance: below it two photos are taken for one person."""

FIVE_POINTS = (263, 362, 33, 133, 2)
"""Landmarks in the order of dlib's alignment: outer and inner corner of the left eye, of the right eye, base of the
nose."""


def has_descriptor() -> bool:
    """Whether the extra is installed."""
    return all(util.find_spec(name) is not None for name in ("dlib", "face_recognition_models"))


@lru_cache(maxsize=1)
def _networks() -> tuple:
    """dlib and its descriptor network, from the file that face-recognition-models carries.

    The 68-point predictor in the same package was trained on data for non-commercial use only and is not touched.
    """
    if not has_descriptor():
        raise MissingExtraError(DESCRIPTOR_HINT)
    import dlib

    models = Path(str(getattr(util.find_spec("face_recognition_models"), "origin", ""))).parent / "models"
    return dlib, dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))


def face_descriptor(image: Image, landmarks: Landmarks) -> Float64[np.ndarray, "128"]:
    """dlib's 128 numbers of the face at these landmarks; distances below SAME_PERSON mean one person.

    The face is laid straight by these landmarks' own eye corners and nose, so that no second detector can miss a turned
    head: dlib's five-point predictor puts the corners of dark turned faces up to a fifth of the eyes' distance off.
    Raises MissingExtraError without the extra.
    """
    dlib, network = _networks()
    middle = landmarks[[33, 263, 152], :2].mean(0)
    half = 0.62 * np.linalg.norm(landmarks[168, :2] - landmarks[152, :2])
    left, top, right, bottom = (round(float(v)) for v in (*(middle - half), *(middle + half)))
    points = dlib.points([dlib.point(round(float(x)), round(float(y))) for x, y in landmarks[list(FIVE_POINTS), :2]])
    shape = dlib.full_object_detection(dlib.rectangle(left, top, right, bottom), points)
    return np.array(network.compute_face_descriptor(image, shape))


def landmark_nme(seen: Landmarks, wanted: Landmarks) -> float:
    """Mean distance of the 468 face landmarks over the distance of the outer eye corners of `wanted`."""
    away = np.linalg.norm(seen[:468, :2] - wanted[:468, :2], axis=1).mean()
    outer = wanted[[EYE_CORNERS[0], EYE_CORNERS[3]], :2]
    return float(away / np.linalg.norm(outer[0] - outer[1]))


def overlap(a: Bool[np.ndarray, "h w"], b: Bool[np.ndarray, "h w"]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def psnr(a: Image, b: Image, where: Bool[np.ndarray, "h w"]) -> float:
    """Peak signal to noise ratio in dB over the pixels `where`."""
    error = (a[where].astype(np.float64) - b[where]) ** 2
    return float(10 * np.log10(255**2 / max(error.mean(), 1e-9)))


def head_region(landmarks: Landmarks, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """Everything above the line through the chin, at right angles to the face's axis: the head without the body."""
    top, chin = landmarks[[10, 152], :2]
    y, x = np.indices(shape)
    return (x + 0.5 - chin[0]) * (chin - top)[0] + (y + 0.5 - chin[1]) * (chin - top)[1] < 0


def beside_jaw(portrait: Portrait) -> Bool[np.ndarray, "h w"]:
    """What stands beside the jaw and is neither skin nor hair: a collar or a raised shoulder, no part of the head."""
    marks = portrait.landmarks[:, :2]
    (top, chin), mouth = marks[[10, 152]], marks[[61, 291]].mean(0)
    y, x = np.indices(portrait.person.shape)
    below_mouth = (x + 0.5 - mouth[0]) * (chin - top)[0] + (y + 0.5 - mouth[1]) * (chin - top)[1] > 0
    face = cv2.dilate(
        face_region(portrait.landmarks, portrait.person.shape).astype(np.uint8), np.ones((9, 9), np.uint8)
    )
    return below_mouth & (face == 0) & (portrait.person > 0.5) & (portrait.skin < 0.5) & (portrait.hair < 0.5)


def face_region(landmarks: Landmarks, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """Inside the face's oval."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(landmarks[list(OVAL), :2] - 0.5).astype(np.int32)], 1)
    return mask > 0


def camera_on_avatar(avatar: Avatar, likeness: Likeness) -> Camera:
    """The portrait's camera moved to where the avatar's head is now: exporters stand the avatar on the ground."""
    bones, body = avatar.skeleton, load_body()
    now = bones.world_from_joint[bones.names.index("LeftEye"), :3, 3]
    move = now - body.joints(likeness.shape)[body.joint_names.index("eye.L")]
    pose = likeness.camera.camera_from_world.copy()
    pose[:, 3] -= pose[:, :3] @ move
    return replace(likeness.camera, camera_from_world=pose)


def turned_camera(camera: Camera, avatar: Avatar, yaw: float) -> Camera:
    """The same lens and distance, with the head upright and turned by `yaw` radians to the person's left."""
    bones = avatar.skeleton
    pivot = bones.world_from_joint[bones.names.index("Head"), :3, 3].astype(float)
    rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(0.0, yaw, 0.0)
    there = camera.camera_from_world[:, :3] @ pivot + camera.camera_from_world[:, 3]
    return replace(camera, camera_from_world=np.column_stack([rotation, there - rotation @ pivot]))


def on_mean_face(avatar: Avatar, likeness: Likeness) -> Avatar:
    """The control: the same textures, hair and clothes on the body model's mean shape.

    Every vertex moves as the nearest vertex of the body does; morphs, weights and UVs stay.
    """
    body = load_body()
    shaped = body.vertices(likeness.shape)
    bones = avatar.skeleton
    here = bones.world_from_joint[bones.names.index("LeftEye"), :3, 3]
    here = here - body.joints(likeness.shape)[body.joint_names.index("eye.L")]
    tree = cKDTree(shaped)
    meshes = []
    for mesh in avatar.meshes:
        _, nearest = tree.query(mesh.positions - here)
        moved = mesh.positions + (body.template - shaped)[nearest]
        meshes.append(replace(mesh, positions=moved.astype(np.float32)))
    return replace(avatar, meshes=tuple(meshes))


def flat_picture(
    avatar: Avatar, camera: Camera, weights: Mapping[str, float], background: tuple[int, int, int] = (128, 128, 128)
) -> Image:
    """The avatar's textures without lamps: what it has of the photo, and nothing that a look adds."""
    posed_meshes = list(zip(avatar.meshes, pose_avatar(avatar, weights), strict=True))
    posed_meshes.sort(key=lambda pair: ("OPAQUE", "MASK", "BLEND").index(pair[0].material.alpha_mode))
    drawables = []
    for mesh, posed in posed_meshes:
        material = mesh.material
        texture = avatar.textures[material.texture] if material.texture else None
        drawables.append(
            Drawable(
                posed.positions, mesh.faces, uvs=mesh.uvs, texture=texture, color=material.base_color,
                blend=material.alpha_mode.lower(), alpha_cutoff=material.alpha_cutoff, cull=not material.double_sided,
                depth_write=material.alpha_mode != "BLEND",
            )
        )  # fmt: skip
    return draw(drawables, camera, background=background)


def silhouette(avatar: Avatar, camera: Camera, weights: Mapping[str, float]) -> Bool[np.ndarray, "h w"]:
    """Where the avatar covers at least half of a pixel: what black and white backgrounds cannot change."""
    black, white = (flat_picture(avatar, camera, weights, (level,) * 3).astype(int) for level in (0, 255))
    return (white - black).mean(2) < 128


@dataclass(frozen=True)
class LikenessFigures:
    """What one avatar scores against one portrait. None: no face was found in the picture."""

    landmark_nme: float | None
    """Mean landmark distance over the distance of the outer eye corners, photo's camera and expression."""
    silhouette_iou: float
    """Head above the chin's line against the portrait's person matte; clothes beside the jaw are left out."""
    face_psnr: float
    """dB inside the face's oval, textures without lamps; against the photo in the light of the avatar's colours."""
    descriptor: dict[int, float | None]
    """Distance to the selfie's face descriptor by degrees of yaw: the mean of both sides. Empty without the extra."""


YAWS = (0, 20, 30)


def measure_likeness(
    portrait: Portrait, likeness: Likeness, avatar: Avatar, lit: Portrait | None = None
) -> tuple[LikenessFigures, list[Image]]:
    """The avatar in the photo's expression against its portrait; and the pictures: photo's camera, then each yaw.

    `lit`: the portrait in the light that its colours were taken in, where that is not what `well_lit` makes of it.
    """
    camera, shape = camera_on_avatar(avatar, likeness), portrait.image.shape[:2]
    weights, marks = likeness.expression, portrait.landmarks
    picture = flat_picture(avatar, camera, weights)
    found = face_landmarks(picture)
    head = head_region(marks, shape) & ~beside_jaw(portrait)
    pictures, distances = [picture], {}
    wanted = face_descriptor(portrait.image, marks) if has_descriptor() else None
    for degrees in YAWS:
        sides = [
            flat_picture(avatar, turned_camera(camera, avatar, np.radians(turn)), weights)
            for turn in sorted({degrees, -degrees}, reverse=True)
        ]
        pictures.append(sides[0])
        if wanted is not None:
            seen = [(side, face_landmarks(side)) for side in sides]
            away = [np.linalg.norm(face_descriptor(side, spots) - wanted) for side, spots in seen if spots is not None]
            distances[degrees] = float(np.mean(away)) if len(away) == len(sides) else None
    figures = LikenessFigures(
        landmark_nme(found, marks) if found is not None else None,
        overlap(silhouette(avatar, camera, weights) & head, (portrait.person > 0.5) & head),
        psnr(picture, (lit or well_lit(portrait)).image, face_region(marks, shape)),
        distances,
    )
    return figures, pictures


def likeness_scores(
    portrait: Portrait, likeness: Likeness, avatar: Avatar, lit: Portrait | None = None
) -> tuple[list[Score], Image]:
    """Scores beside the textured mean face's, and the sheet: photo, avatar; below it the mean face."""
    own, pictures = measure_likeness(portrait, likeness, avatar, lit)
    mean, mean_pictures = measure_likeness(portrait, likeness, on_mean_face(avatar, likeness), lit)

    def score(name: str, value: float | None, unit: str, wanted: str, control: float | None, note: str = "") -> Score:
        missing = "" if value is not None else "no face was found in the picture"
        return Score(name, value, unit, wanted, {"mean face": control} if control is not None else {}, note or missing)

    scores = [
        Score("fit_rms", likeness.rms_mm, "mm", "<= 1.5", {}),
        score("landmark_nme", own.landmark_nme, "eye spans", "<= 0.04", mean.landmark_nme),
        score("silhouette_iou", own.silhouette_iou, "", ">= 0.93", mean.silhouette_iou),
        score("face_psnr", own.face_psnr, "dB", ">= 24", mean.face_psnr),
    ]
    for degrees, limit in zip(YAWS, (0.30, 0.40, 0.45), strict=True):
        note = "" if own.descriptor else DESCRIPTOR_HINT
        value, control = own.descriptor.get(degrees), mean.descriptor.get(degrees)
        scores.append(score(f"descriptor_distance_{degrees}", value, "", f"<= {limit:.2f}", control, note))
    rows = [np.concatenate([portrait.image, *row], 1) for row in (pictures, mean_pictures)]
    sheet = np.concatenate(rows, 0)
    factor = min(1.0, 2000 / sheet.shape[1])
    return scores, cv2.resize(sheet, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
