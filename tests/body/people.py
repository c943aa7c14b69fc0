"""Synthetic people with a known photo: a character drawn by our own rasteriser, masks from what each pixel shows."""

from __future__ import annotations

import numpy as np

from digitalme.artifacts import Avatar, Camera, Likeness, Portrait
from digitalme.body.actions import settled_actions
from digitalme.body.character import HEAD_UV_BOX, base_avatar
from digitalme.body.eyes import with_eyes
from digitalme.body.hair_cards import card_meshes
from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT, landmark_points
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth, with_mouth
from digitalme.body.reshape import reshape
from digitalme.body.scalp import build_scalp
from digitalme.rendering.pose import Rig
from digitalme.rendering.raster import rasterise_ids
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

IDENTITIES = {
    "plain": {},
    "woman": {"gender-": 0.9, "asian": 0.7, "mouth-scale-horiz-incr": -0.4},
    "old man": {"gender+": 0.9, "age+": 0.7, "weight+": 0.6, "chin-jaw-drop-incr": 0.5},
    "wide mouth": {"african": 0.9, "mouth-scale-horiz-incr": 0.6, "mouth-lowerlip-volume-incr": 0.5},
}
SKIN, HAIR, IRIS, CLOTH = (0.82, 0.62, 0.53), (0.30, 0.20, 0.13), (0.35, 0.45, 0.30), (0.70, 0.20, 0.18)


def close_up(size: int = 420, span: float = 0.26, yaw: float = 0.0) -> Camera:
    """The face 1 m away, from the front or from `yaw` radians to the person's left."""
    target = load_body().head_center + np.array([0, -0.03, 0])
    walk = rotation_from_euler(0.0, yaw, 0.0)
    position = target + walk @ np.array([0, 0, 1.0])
    rotation = CAMERA_FROM_WORLD_FRONT @ walk.T
    return Camera(size / span, size, size, np.column_stack([rotation, -rotation @ position]))


def seen_meshes(avatar: Avatar, weights: dict[str, float], camera: Camera) -> np.ndarray:
    """The index of the mesh that each pixel shows, -1 for none (h, w). Alpha is not looked at: leave lashes out."""
    posed = Rig(avatar).pose(weights)
    solid = [i for i, mesh in enumerate(avatar.meshes) if mesh.name != "lashes"]
    start = np.cumsum([0, *(len(posed[i].positions) for i in solid)])
    points = camera.project(np.concatenate([posed[i].positions for i in solid]).astype(np.float64))
    faces = np.concatenate([avatar.meshes[i].faces + s for i, s in zip(solid, start, strict=False)])
    owner = np.repeat(solid, [len(avatar.meshes[i].faces) for i in solid])
    ids, _, _ = rasterise_ids(points, faces, camera.width, camera.height)
    return np.where(ids >= 0, owner[ids], -1)


def seen_pixels(avatar: Avatar, weights: dict[str, float], camera: Camera | None = None) -> dict[str, int]:
    """How many pixels of each mesh are seen in a close-up."""
    seen = seen_meshes(avatar, weights, camera or close_up())
    return {mesh.name: int((seen == i).sum()) for i, mesh in enumerate(avatar.meshes)}


def both(**weights: float) -> dict[str, float]:
    """Weights for left and right of each name."""
    return {f"{name}{side}": weight for name, weight in weights.items() for side in ("Left", "Right")}


def bare_avatar(shape: dict[str, float]) -> Avatar:
    """Bald and bare, with eyes and mouth as groomed."""
    model = load_body()
    vertices = settle_mouth(model.vertices(shape), model)
    avatar = reshape(base_avatar(shape), vertices, settled_actions(vertices, model))
    return with_mouth(with_eyes(avatar, IRIS))


def synthetic_person(
    shape: dict[str, float],
    style: str = "bob",
    size: int = 480,
    traits: dict[str, float] | None = None,
    yaw: float = 0.0,
) -> tuple[Portrait, Likeness]:
    """A portrait of a character with this hair, and the likeness that a perfect reconstruction would give. The photo is
    taken from `yaw` radians to the person's left."""
    model = load_body()
    vertices = settle_mouth(model.vertices(shape), model)
    avatar = bare_avatar(shape)
    hair = [mesh for mesh in card_meshes(build_scalp(vertices, model), style)]
    dressed = Avatar(avatar.name, avatar.skeleton, avatar.meshes + tuple(hair), avatar.textures)
    camera = close_up(size, 0.48, yaw)
    seen = seen_meshes(dressed, {}, camera)
    names = [mesh.name for mesh in dressed.meshes]
    is_hair = np.isin(seen, [i for i, name in enumerate(names) if name.startswith("hair")])
    is_skin = np.isin(seen, [names.index("head"), names.index("body")])
    image = np.full((size, size, 3), (0.75, 0.78, 0.80))
    rng = np.random.default_rng(0)
    image[is_skin] = SKIN
    image[is_hair] = HAIR
    image[is_hair] *= rng.uniform(0.7, 1.3, (int(is_hair.sum()), 1))
    chin = camera.project(landmark_points(vertices))[152, 1]
    shirt = (seen == names.index("body")) & (np.arange(size)[:, None] > chin + 0.13 * size)
    image[shirt] = CLOTH
    marks = camera.project(landmark_points(vertices))
    irises = np.concatenate([marks[list(ids)].mean(0)[None].repeat(5, 0) for ids in (EYE_RIGHT, EYE_LEFT)])
    landmarks = np.concatenate([marks, irises]).astype(np.float32)
    landmarks[:, 2] = (landmarks[:, 2] - marks[:, 2].mean()) * camera.focal_px
    portrait = Portrait(
        np.round(image * 255).astype(np.uint8), landmarks, (seen >= 0).astype(np.float32),
        is_hair.astype(np.float32), (is_skin & ~shirt).astype(np.float32), camera.focal_px,
        np.eye(2, 3, dtype=np.float32), SKIN, HAIR, IRIS, (0.7, 0.4, 0.4), (0.25, 0.18, 0.12), {}, traits or {},
    )  # fmt: skip
    texture = np.full((64, 64, 3), np.array(SKIN) * 255, np.uint8)
    flat = np.full((64, 64, 3), (128, 128, 255), np.uint8)
    likeness = Likeness(
        dict(shape), {}, camera, np.zeros_like(model.template), 0.0, HEAD_UV_BOX, texture, flat,
        np.full((64, 64), 255, np.uint8),
    )  # fmt: skip
    return portrait, likeness
