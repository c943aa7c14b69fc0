"""Eyes of a person: an iris painted in the colour that the photo showed, at its real size, and fine lashes.

Eye textures are discs as `digitalme.body.character` lays them out: the middle is the gaze axis, the rim 90 degrees off.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import Avatar, AvatarMesh
from digitalme.body.model import load_body
from digitalme.imaging.drawing import smoothstep

IRIS_RADIUS = 0.0058
"""Metres; adults differ by under 0.4 mm: set, not measured. The model's eyeballs are too big (16 mm)."""


WHITE = (0.93, 0.92, 0.91)


def iris_share(eyeball: Float[np.ndarray, "n 3"]) -> float:
    """The iris's radius on the eye disc (0..1) for an eyeball of these vertices."""
    ball_radius = np.ptp(eyeball[:, 0]) / 2
    return float(np.arcsin(min(0.9, IRIS_RADIUS / ball_radius)) / (np.pi / 2))


def paint_eye(
    iris: tuple[float, float, float],
    radius: float,
    size: int = 512,
    pupil: float = 0.42,
    white: tuple[float, float, float] = WHITE,
) -> UInt8[np.ndarray, "s s 3"]:
    """An eye disc: fibres, collarette, dark limbus, pupil, a sclera that reddens outward.

    `iris` and `white` are sRGB in 0..1, `radius` the iris's share of the disc, `pupil` its share of the iris.
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    out = np.hypot(x, y)
    r, angle = out / radius, np.arctan2(y, x)

    rng = np.random.default_rng(3)
    turn = np.linspace(0, 2 * np.pi, 1440, endpoint=False)
    waves = np.arange(8, 110)
    fibres = (rng.normal(size=len(waves)) / waves**0.5) @ np.cos(
        waves[:, None] * turn + rng.uniform(0, 2 * np.pi, (len(waves), 1))
    )
    fibres /= fibres.std()
    lines = fibres[((angle + np.pi) / (2 * np.pi) * len(turn)).astype(int) % len(turn)]

    redness = 0.25 * np.clip((out - 0.55) / 0.5, 0, 1)[..., None]
    picture = np.array(white) * (1 - redness + np.array([0.91, 0.67, 0.64]) * redness)

    color = np.clip(np.asarray(iris), 0.06, 0.9)
    tint = color * (1.12 + 0.24 * (lines * np.clip(r, 0, 1))[..., None])
    tint = tint * (1.30 - 0.55 * np.clip(np.abs(r - 0.60) * 2, 0, 1))[..., None]
    tint = tint * (1 - 0.75 * smoothstep(0.78, 1.0, r))[..., None]
    tint = tint * (1 - 0.25 * smoothstep(0.2, -0.9, y / radius))[..., None]  # the upper lid's shadow
    inside = smoothstep(1.04, 0.94, r)[..., None]
    picture = picture * (1 - inside) + np.clip(tint, 0, 1) * inside
    hole = smoothstep(pupil + 0.05, pupil - 0.05, r)[..., None]
    picture = picture * (1 - hole) + 0.02 * hole
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def paint_lashes(size: int = 256, color: tuple[int, int, int] = (28, 18, 14)) -> UInt8[np.ndarray, "s s 4"]:
    """Sixty thin strokes that grow from the bottom row; thicker or denser ones look like a doll's."""
    rng = np.random.default_rng(0)
    alpha = np.zeros((size, size), np.uint8)
    along = np.linspace(0, 1, 8)
    for _ in range(60):
        x, length, bend = rng.uniform(0.03, 0.97), rng.uniform(0.35, 0.75), rng.uniform(-0.06, 0.06)
        stroke = np.stack([x + bend * along**2, 0.98 - length * along], 1) * size
        cv2.polylines(alpha, [np.round(stroke).astype(np.int32)[:, None]], False, 170, 1, cv2.LINE_AA)
    return np.dstack([np.full((size, size, 3), color, np.uint8), alpha])


def lash_uvs(mesh: AvatarMesh) -> Float[np.ndarray, "v 2"]:
    """UVs of the lash mesh so that each of its four rows fills the stroke texture, roots on the bottom row."""
    uvs = np.zeros_like(mesh.uvs)
    for side in ("left", "right"):
        for row in ("upper", "lower"):
            part = load_body().parts[f"lashes_{row}_{side}"]
            own = np.isin(mesh.body_ids, part.vertex_ids)
            low, high = mesh.uvs[own].min(0), mesh.uvs[own].max(0)
            uvs[own] = (mesh.uvs[own] - low) / (high - low)
    return uvs


def with_eyes(avatar: Avatar, iris: tuple[float, float, float], white: tuple[float, float, float] = WHITE) -> Avatar:
    """The avatar with painted irises of colour `iris` and whites of colour `white` (sRGB 0..1), and single lashes."""
    radius = iris_share(avatar.mesh("eye_left").positions)
    lashes = avatar.mesh("lashes")
    material = replace(lashes.material, base_color=(1.0,) * 4, texture="lashes", alpha_mode="BLEND", alpha_cutoff=0.03)
    groomed = replace(lashes, uvs=lash_uvs(lashes), material=material)
    meshes = tuple(groomed if mesh is lashes else mesh for mesh in avatar.meshes)
    textures = avatar.textures | {"eye": paint_eye(iris, radius, white=white), "lashes": paint_lashes()}
    return replace(avatar, meshes=meshes, textures=textures)
