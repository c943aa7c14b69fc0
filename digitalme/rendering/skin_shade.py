"""Shade in the folds of skin that no photo shows: ears, nape, the neck below the chin.

The photo's part of the texture has the shade that the lamps left there; what was filled in around it has none, and
looks cut out beside it in viewers that work out no occlusion of their own.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from digitalme.artifacts import Avatar, AvatarMesh
from digitalme.imaging.drawing import smoothstep
from digitalme.rendering.pose import Rig
from digitalme.rendering.raster import rasterise_ids
from digitalme.rendering.studio import avatar_visibility

STRENGTH = np.array([0.55, 0.65, 0.68], np.float32)
"""Exponents on the share of the surroundings that is seen, for sRGB's red, green and blue: light in folds of skin has
been through skin, hence is redder. 1 is too dark beside a photo's own shade (0.03 more descriptor distance)."""
SIZE = 512
BODY = "body_shade"
"""Key of the body's texture: shade alone, which the material's colour is multiplied with."""


def with_unseen_shade(avatar: Avatar, coverage: UInt8[np.ndarray, "t t"]) -> Avatar:
    """The dressed avatar with shade painted where `coverage` (255: from the photo) leaves the head's texture free, and
    on its body."""
    posed = Rig(avatar).pose({})
    seen = avatar_visibility(avatar, posed).occlusion
    bones = avatar.skeleton
    eyes = bones.world_from_joint[bones.names.index("LeftEye"), 1, 3]
    start = np.cumsum([0, *(len(mesh.positions) for mesh in avatar.meshes)])
    shade = {}
    for mesh, first in zip(avatar.meshes, start, strict=False):
        if mesh.name in ("head", "body"):
            light = np.clip(0.15 + 0.94 * seen[first : first + len(mesh.positions), None], 0.05, 1) ** STRENGTH
            # above the eyes skin in the shade of hair that is thin, or cut too short, would be a dark patch
            above = smoothstep(eyes + 0.005, eyes + 0.03, mesh.positions[:, 1:2])
            shade[mesh.name] = light + (1 - light) * above
    textures, meshes = dict(avatar.textures), list(avatar.meshes)
    textures["head"] = _shaded(textures["head"], _over_texture(avatar.mesh("head"), shade["head"]), coverage)
    index = next(i for i, mesh in enumerate(meshes) if mesh.name == "body")
    body = meshes[index]
    if body.material.texture is None and len(body.faces):
        textures[BODY] = np.round(_over_texture(body, shade["body"]) * 255).astype(np.uint8)
        meshes[index] = replace(body, material=replace(body.material, texture=BODY))
    return replace(avatar, meshes=tuple(meshes), textures=textures)


def _over_texture(mesh: AvatarMesh, values: Float[np.ndarray, "v 3"]) -> Float32[np.ndarray, "s s 3"]:
    """Vertex values over a square texture; what no triangle covers takes what lies around it."""
    points = np.column_stack([mesh.uvs * SIZE, np.ones(len(mesh.uvs))])
    face, bary, _ = rasterise_ids(points, mesh.faces, SIZE, SIZE, perspective=False)
    picture = np.zeros((SIZE, SIZE, 3), np.float32)
    covered = face >= 0
    picture[covered] = np.einsum("nk,nkc->nc", bary[covered], values[mesh.faces[face[covered]]])
    known = covered.astype(np.float32)
    filled = np.ones_like(picture)
    for sigma in (12.0, 4.0, 1.2):
        share = cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(picture, (0, 0), sigma) / np.maximum(share, 1e-6)
        filled = np.where(share > 0.02, near, filled)
    return np.where(covered[..., None], picture, filled).astype(np.float32)


def _shaded(
    albedo: UInt8[np.ndarray, "t t 3"], shade: Float32[np.ndarray, "s s 3"], coverage: UInt8[np.ndarray, "t t"]
) -> UInt8[np.ndarray, "t t 3"]:
    size = len(albedo)
    small = cv2.resize(coverage, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    free = 1 - cv2.GaussianBlur(small, (0, 0), 1.5)[..., None]
    factor = 1 - (1 - shade) * free
    painted = np.empty_like(albedo)
    for k in range(3):  # one channel at a time, to hold memory down
        whole = cv2.resize(factor[..., k], (size, size), interpolation=cv2.INTER_LINEAR)
        painted[..., k] = np.round(albedo[..., k] * whole)
    return painted
