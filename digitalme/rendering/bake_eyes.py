"""Eyes as the photo shows them: its own irises and whites on the eyeballs, seen from where the camera stood."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.artifacts import Avatar, Likeness, Portrait
from digitalme.artifacts.avatar import AvatarMesh
from digitalme.body.eyes import IRIS_RADIUS, WHITE, iris_share
from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT
from digitalme.imaging.shades import eye_white, seen_white
from digitalme.rendering.pose import PosedMesh, pose_avatar
from digitalme.rendering.raster import rasterise_ids

LEAST = 4.0
"""Radius in pixels from which on an iris shows more than its colour."""
DARK = 0.35
"""Light of the whites, by the skin's, below which dark glasses hide the eyes."""
SHADED = 0.45
"""Light of a white, by what it has where it is lit, below which it is a lid's shadow or lashes: they stay with the
lid."""
STEEP = 0.35
"""Cosine to the line of sight below which the ball is seen too much from the side."""
SIZES = (0.88, 1.12)
"""How far the painted iris may follow the size of the photo's."""
REACH = 0.06
"""How far beyond the lids the photo's shades of iris and white go on, in sides of the texture."""


def with_own_eyes(avatar: Avatar, portrait: Portrait, likeness: Likeness) -> Avatar:
    """The avatar with a texture for each eye: the photo's eye where the lids leave it free, beyond them the painted one
    in the photo's shades. Needs the texture "eye" on both balls, which it takes the place of."""
    textures, meshes = dict(avatar.textures), []
    painted = textures.pop("eye")
    posed = pose_avatar(avatar, likeness.expression)
    for mesh, at in zip(avatar.meshes, posed, strict=True):
        if mesh.name in ("eye_left", "eye_right"):
            textures[mesh.name] = eye_from_photo(painted, mesh, at, portrait, likeness)
            mesh = replace(mesh, material=replace(mesh.material, texture=mesh.name))
        meshes.append(mesh)
    return replace(avatar, meshes=tuple(meshes), textures=textures)


def eye_from_photo(
    painted: UInt8[np.ndarray, "s s 3"], mesh: AvatarMesh, posed: PosedMesh, portrait: Portrait, likeness: Likeness
) -> UInt8[np.ndarray, "s s 3"]:
    """The painted eye disc of one ball, with the photo's eye where that is seen."""
    ring, iris = (EYE_RIGHT, IRIS_RIGHT) if mesh.name == "eye_right" else (EYE_LEFT, IRIS_LEFT)
    spots = portrait.landmarks[list(iris), :2].astype(np.float64)
    iris_px = float(np.linalg.norm(spots[[1, 3]] - spots[0], axis=1).mean())
    if iris_px < LEAST:
        return painted
    size = len(painted)
    camera = likeness.camera
    pixels = camera.project(posed.positions.astype(np.float64))
    eye = camera.camera_from_world[:, :3].T @ -camera.camera_from_world[:, 3]
    sight = eye - posed.positions
    facing = (posed.normals * sight).sum(1) / np.linalg.norm(sight, axis=1)
    flat = np.column_stack([mesh.uvs * size, pixels[:, 2]]).astype(np.float64)  # cornea before what lies behind it
    face, bary, _ = rasterise_ids(flat, mesh.faces, size, size, perspective=False)
    corners = mesh.faces[np.maximum(face, 0)]
    place = np.einsum("hwk,hwkc->hwc", bary, pixels[corners])[..., :2].astype(np.float32) - 0.5
    front = (face >= 0) & (np.einsum("hwk,hwk->hw", bary, facing[corners]) > STEEP)

    free = _free(portrait, ring, iris_px)
    weight = cv2.remap(free, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderValue=0) * front
    if weight.sum() < 0.002 * size**2:
        return painted
    share = iris_share(mesh.positions)
    grow = float(np.clip(iris_px * pixels[:, 2].min() / camera.focal_px / IRIS_RADIUS, *SIZES))
    about = cv2.getRotationMatrix2D((size / 2 - 0.5, size / 2 - 0.5), 0, grow)
    drawn = cv2.warpAffine(painted, about, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    drawn = drawn.astype(np.float32)

    photo = cv2.remap(portrait.image, place[..., 0], place[..., 1], cv2.INTER_CUBIC)
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) / size * 2 - 1] * 2)
    inner = np.clip((1.03 - np.hypot(x, y) / (grow * share)) / 0.06, 0, 1).astype(np.float32)
    photo = photo * (_lit(portrait) + (1 - _lit(portrait)) * inner[..., None])  # an iris is dark and coloured itself
    white = 255 * np.mean(eye_white(portrait) or WHITE)
    weight = weight * np.maximum(inner, np.clip((photo.mean(2) / white - SHADED) / 0.25, 0, 1))
    filled = drawn.copy()
    for part, usual in ((inner, 1.0), (1 - inner, 0.5)):
        filled += _shades(photo - drawn, weight * part, usual) * part[..., None]
    mixed = filled + (photo - filled) * weight[..., None]
    return np.round(np.clip(mixed, 0, 255)).astype(np.uint8)


def _lit(portrait: Portrait) -> Float32[np.ndarray, "3"]:
    """By what the photo's whites are brighter and less coloured where no hood, brow or glasses shade them."""
    seen, lit = seen_white(portrait), eye_white(portrait)
    return (
        np.ones(3, np.float32)
        if seen is None or lit is None
        else np.clip(np.divide(lit, seen, dtype=np.float32), 0.7, 1.4)
    )


def _free(portrait: Portrait, ring: tuple[int, ...], iris_px: float) -> Float32[np.ndarray, "h w"]:
    """1 where the photo shows an eye between its lids, softly down to 0 towards them.

    The landmarks of the lids lie up to a tenth of the opening beside their edges: near them what is coloured like the
    lower lid rather than like white or iris is lid.
    """
    image = portrait.image
    between = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(between, [np.round(16 * (portrait.landmarks[list(ring), :2] - 0.5)).astype(np.int32)], 1, shift=4)
    inward = cv2.distanceTransform(np.pad(between, 1), cv2.DIST_L2, 5)[1:-1, 1:-1] / iris_px
    outward = cv2.distanceTransform(1 - between, cv2.DIST_L2, 5) / iris_px
    below = np.arange(len(image))[:, None] > portrait.landmarks[list(ring), 1].mean()
    lower_lid = (outward > 0.15) & (outward < 0.5) & below
    if not lower_lid.any() or not between.any():
        return np.zeros(image.shape[:2], np.float32)
    if np.percentile(image[between > 0].mean(1), 90) < DARK * 255 * np.mean(portrait.skin_color):
        return np.zeros(image.shape[:2], np.float32)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    told = np.array([eye_white(portrait) or WHITE, portrait.iris_color], np.float32)[None]
    like = [np.median(lab[lower_lid], 0), *cv2.cvtColor(told, cv2.COLOR_RGB2Lab)[0]]
    away = np.stack([np.linalg.norm(lab - color, axis=2) for color in like])
    lid = ((away.argmin(0) == 0) & (inward < 0.5)).astype(np.uint8)
    lid = cv2.GaussianBlur(lid.astype(np.float32), (0, 0), max(0.6, 0.08 * iris_px))
    return (np.clip((inward - 0.04) / 0.16, 0, 1) * np.clip(1 - 2 * lid, 0, 1)).astype(np.float32)


def _shades(
    apart: Float32[np.ndarray, "s s 3"], weight: Float32[np.ndarray, "s s"], usual: float
) -> Float[np.ndarray, "s s 3"]:
    """What is to be added where the photo shows nothing: the neighbours' difference, far away `usual` of
    the mean one."""
    total = float(weight.sum())
    if total < 0.0005 * weight.size:
        return np.zeros_like(apart)
    mean = usual * (apart * weight[..., None]).sum((0, 1)) / total
    sigma = REACH * len(weight)
    near = cv2.GaussianBlur(weight, (0, 0), sigma)[..., None]
    carried = cv2.GaussianBlur((apart - mean) * weight[..., None], (0, 0), sigma)
    return mean + carried / np.maximum(near, 0.02)
