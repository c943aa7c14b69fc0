"""Teeth as the photo shows them: the upper row's length, and the picture of what the lips leave free."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from digitalme.artifacts import Avatar, Likeness, Portrait
from digitalme.body.landmarks import CHIN, FOREHEAD_TOP, LIPS_INNER
from digitalme.body.model import load_body
from digitalme.rendering.pose import pose_avatar
from digitalme.rendering.raster import rasterise_ids

STRETCH = (0.85, 1.35)
"""How far the upper row may change its height to end where the photo's teeth end."""

OPEN = 0.10
"""Distance of the inner lips, in spans of the outer eye corners, from which on teeth could be seen."""
HIDDEN = 0.0045
"""How far a row of teeth may draw back behind its lip, metres."""


def seen_teeth(portrait: Portrait) -> Bool[np.ndarray, "h w"]:
    """Bright, unsaturated pixels between the lips. Empty where there are too few to be teeth."""
    mouth = np.zeros(portrait.image.shape[:2], np.uint8)
    cv2.fillPoly(mouth, [np.round(portrait.landmarks[list(LIPS_INNER), :2] - 0.5).astype(np.int32)], 1)
    face = float(np.linalg.norm(portrait.landmarks[FOREHEAD_TOP, :2] - portrait.landmarks[CHIN, :2]))
    mouth = cv2.erode(mouth, np.ones((3, 3), np.uint8), iterations=max(1, round(0.004 * face)))
    saturation = cv2.cvtColor(portrait.image, cv2.COLOR_RGB2HSV)[..., 1]
    bright = portrait.image.mean(2) > 0.62 * 255 * np.mean(portrait.skin_color)
    teeth = ((mouth > 0) & (saturation < 110) & bright).astype(np.uint8)
    teeth = cv2.morphologyEx(teeth, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return teeth if teeth.sum() > 0.006 * face**2 else np.zeros_like(teeth)


def with_own_teeth(avatar: Avatar, portrait: Portrait, likeness: Likeness) -> Avatar:
    """The avatar with the photo's teeth on its own; with teeth behind the lips where the photo's open mouth shows none;
    unchanged where its mouth is shut."""
    if "teeth" not in avatar.textures:
        return avatar
    teeth = seen_teeth(portrait)
    if not teeth.any():
        return _behind_lips(avatar, portrait, likeness) if _open(portrait) else avatar
    index = next(i for i, mesh in enumerate(avatar.meshes) if mesh.name == "teeth")
    posed = pose_avatar(avatar, likeness.expression)[index].positions.astype(np.float64)
    mesh = avatar.meshes[index]
    upper = np.isin(mesh.body_ids, load_body().parts["teeth_upper"].vertex_ids)
    factor = _stretch(posed[upper], portrait, likeness, teeth)
    places = mesh.positions.astype(np.float64)
    for points in (places, posed):
        top = points[upper, 1].max()
        points[upper, 1] = top + (points[upper, 1] - top) * factor
    picture = _projected(
        avatar.textures["teeth"], mesh.uvs, mesh.faces, likeness.camera.project(posed), portrait, teeth
    )
    meshes = list(avatar.meshes)
    meshes[index] = replace(mesh, positions=places.astype(np.float32))
    return replace(avatar, meshes=tuple(meshes), textures=avatar.textures | {"teeth": picture})


def _open(portrait: Portrait) -> bool:
    """Whether the lips stand so far apart that teeth between them would be seen."""
    marks = portrait.landmarks[:, :2]
    return bool(np.linalg.norm(marks[13] - marks[14]) > OPEN * np.linalg.norm(marks[33] - marks[263]))


def _behind_lips(avatar: Avatar, portrait: Portrait, likeness: Likeness) -> Avatar:
    """Upper teeth raised and lower teeth lowered, by HIDDEN at most, until lips as the photo has them cover them."""
    index = next(i for i, mesh in enumerate(avatar.meshes) if mesh.name == "teeth")
    mesh = avatar.meshes[index]
    posed = likeness.camera.project(pose_avatar(avatar, likeness.expression)[index].positions.astype(np.float64))
    upper = np.isin(mesh.body_ids, load_body().parts["teeth_upper"].vertex_ids)
    front = np.abs(mesh.positions[:, 0] - mesh.positions[:, 0].mean()) < 0.012
    metres = posed[:, 2].mean() / likeness.camera.focal_px
    places = mesh.positions.copy()
    low_edge, high_edge = posed[front & upper, 1].max(), posed[front & ~upper, 1].min()
    places[upper, 1] += np.clip((low_edge - portrait.landmarks[13, 1]) * metres + 0.0005, 0, HIDDEN)
    places[~upper, 1] -= np.clip((portrait.landmarks[14, 1] - high_edge) * metres + 0.0005, 0, HIDDEN)
    meshes = list(avatar.meshes)
    meshes[index] = replace(mesh, positions=places)
    return replace(avatar, meshes=tuple(meshes))


def _stretch(
    upper: Float[np.ndarray, "n 3"], portrait: Portrait, likeness: Likeness, teeth: Bool[np.ndarray, "h w"]
) -> float:
    """Factor on the upper row's height, from the middle of the mouth; 1 where the photo does not tell."""
    middle = int(portrait.landmarks[13, 0])
    ends = []
    for column in range(max(0, middle - 6), min(teeth.shape[1], middle + 7)):
        rows = np.flatnonzero(teeth[:, column])
        if len(rows):
            gaps = np.flatnonzero(np.diff(rows) > 2)  # below a dark line come the lower teeth
            ends.append(rows[gaps[0]] if len(gaps) else rows[-1])
    if len(ends) < 5:
        return 1.0
    pixels = likeness.camera.project(upper)
    front = np.abs(upper[:, 0] - upper[:, 0].mean()) < 0.008
    high, low = pixels[front, 1].min(), pixels[front, 1].max()
    return float(np.clip((np.median(ends) + 1 - high) / max(low - high, 1.0), *STRETCH))


def _projected(
    painted: UInt8[np.ndarray, "rows columns c"], uvs: np.ndarray, faces: np.ndarray, pixels: Float[np.ndarray, "v 3"],
    portrait: Portrait, teeth: Bool[np.ndarray, "h w"],
) -> UInt8[np.ndarray, "rows2 columns2 c"]:  # fmt: skip
    """The painted rows, enlarged, with the photo where it shows teeth."""
    drawn = cv2.resize(painted, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    height, width = drawn.shape[:2]
    flat = np.column_stack([uvs * [width, height], np.ones(len(uvs))]).astype(np.float64)
    face, bary, _ = rasterise_ids(flat, faces, width, height, perspective=False)
    place = np.einsum("hwk,hwkc->hwc", bary, pixels[faces[np.maximum(face, 0)]])[..., :2].astype(np.float32) - 0.5
    front = cv2.GaussianBlur(teeth.astype(np.float32), (0, 0), 0.8)
    seen = cv2.remap(front, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderValue=0)
    seen = np.clip(2 * seen - 0.5, 0, 1) * (face >= 0)
    photo = cv2.remap(portrait.image, place[..., 0], place[..., 1], cv2.INTER_LINEAR)
    mixed = drawn[..., :3] * (1 - seen[..., None]) + photo * seen[..., None]
    return np.dstack([np.round(mixed).astype(np.uint8), drawn[..., 3:]])
