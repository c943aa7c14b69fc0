"""stylise: an avatar whose textures are painted. As the paint is on the surface, it does not flicker when it moves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import UInt8

from digitalme.artifacts import Avatar
from digitalme.artifacts.avatar import AvatarMesh, with_alpha
from digitalme.events import progress
from digitalme.imaging.styles import restyled
from digitalme.rendering.skin_shade import BODY

KEPT = ("lashes", "teeth", "tongue", "mouth", "eye", "eye_left", "eye_right", BODY)
"""Textures that stay: too small to be painted, what makes a face look at one, or shade without colour."""
PLAIN = 64
"""Side of the patch that stands for a material without a texture."""


@dataclass(frozen=True)
class StyliseConfig:
    """In which manner, and how far."""

    style: str = "19"
    """A number 0..25, a mix such as "3:0.5,12:0.5", or the path of a painting."""
    strength: float = 0.8
    """0 leaves the avatar as it is, 1 is all style."""
    keep_color: bool = True
    """Take the style's strokes and brightness, but keep the avatar's own colours: a texture by itself is flat, and a
    dark style would make a mask of the face. False: the style's palette, too."""


def stylise(avatar: Avatar, config: StyliseConfig = StyliseConfig()) -> Avatar:
    """The avatar with skin, hair and clothes painted. Raises InputError, or MissingExtraError without the extra."""
    textures = dict(avatar.textures)
    painted = [name for name in textures if name not in KEPT and not name.endswith("normal")]
    for done, name in enumerate(painted):
        progress(done, len(painted))
        color = restyled(
            np.ascontiguousarray(textures[name][..., :3]), config.style, config.strength, config.keep_color
        )
        if config.keep_color:
            color = _as_bright(color, textures[name][..., :3])
        textures[name] = np.dstack([color, textures[name][..., 3:]]) if textures[name].shape[2] == 4 else color
    about = avatar.about | {"style": config.style}
    meshes = tuple(_plain(mesh, config) for mesh in avatar.meshes)
    return replace(avatar, meshes=_matched(meshes, avatar, textures), textures=textures, about=about)


def _as_bright(painted: UInt8[np.ndarray, "h w 3"], own: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The paint's strokes over the texture's own light and dark: flat skin has none that a style could follow."""
    sigma = max(painted.shape[:2]) / 40
    wide, usual = (cv2.GaussianBlur(each.astype(np.float32), (0, 0), sigma) for each in (painted, own))
    return np.round(np.clip(painted - wide + usual, 0, 255)).astype(np.uint8)


def _plain(mesh: AvatarMesh, config: StyliseConfig) -> AvatarMesh:
    """A mesh of one colour gets the colour that the style makes of it."""
    material = mesh.material
    if material.texture is not None or material.kind not in ("cloth",):
        return mesh
    patch = np.full((PLAIN, PLAIN, 3), np.array(material.base_color[:3]) * 255, np.uint8)
    color = restyled(patch, config.style, config.strength, config.keep_color).mean((0, 1)) / 255
    return replace(mesh, material=replace(material, base_color=with_alpha(color, material.base_color[3])))


def _matched(meshes: tuple[AvatarMesh, ...], before: Avatar, textures: dict) -> tuple[AvatarMesh, ...]:
    """The body's skin goes with the head's: it has no texture of its own that the style could paint."""
    if "head" not in textures:
        return meshes
    ratio = np.median(textures["head"].reshape(-1, 3), 0) / np.maximum(
        np.median(before.textures["head"].reshape(-1, 3), 0), 1
    )
    result = []
    for mesh in meshes:
        if mesh.name == "body" and mesh.material.texture in (None, BODY):
            color = np.clip(np.array(mesh.material.base_color[:3]) * ratio, 0, 1)
            mesh = replace(mesh, material=replace(mesh.material, base_color=with_alpha(color)))
        result.append(mesh)
    return tuple(result)
