"""The inside of the mouth: teeth and tongue at their anatomical places, teeth with gaps, a cavity that fades to dark.

MakeHuman's stock teeth and tongue sit so that an open mouth is a red ball without upper teeth; and the fit
moves them with the lips. They are put back relative to the lips, in millimetres.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import Avatar
from digitalme.body.actions import Lips
from digitalme.body.model import BodyModel, load_body
from digitalme.imaging.drawing import smoothstep, to_rgba

_PLACES = {  # part -> (up, forward), metres relative to the template's place under the lips
    "teeth_upper": (-0.0030, 0.0005),
    "teeth_lower": (-0.0045, -0.0020),
    "tongue": (-0.0115, -0.0110),
}
_ARCH_RADIUS = 0.036
_UPPER_LENGTH = 1.15
"""The stock upper teeth end 3 mm too high: a toothy smile showed a dark gap above the lower lip."""
ENAMEL = (0.95, 0.92, 0.86)


def inner_lip_vertices(model: BodyModel) -> np.ndarray:
    """Vertices where the lips turn into the mouth: shared by the head and the mouth cavity."""
    return Lips(model).rim


def settle_mouth(vertices: Float[np.ndarray, "vertices 3"], model: BodyModel) -> Float[np.ndarray, "vertices 3"]:
    """Bind-pose vertices with teeth and tongue put under the lips, and the lip line closed."""
    settled = np.array(vertices, np.float64)
    lips = inner_lip_vertices(model)
    here, there = settled[lips].mean(0), model.template[lips].mean(0)
    width = np.clip(np.ptp(settled[lips, 0]) / np.ptp(model.template[lips, 0]), 0.80, 1.08)
    small = np.clip(width, 0.80, 1) ** 0.75  # a child's jaw has no room for grown teeth
    for part, (up, forward) in _PLACES.items():
        ids = model.parts[part].vertex_ids
        place = (model.template[ids] - there) * np.array([0.94 * width, small, small])
        if part == "teeth_upper":
            place[:, 1] = place[:, 1].max() - _UPPER_LENGTH * (place[:, 1].max() - place[:, 1])
        settled[ids] = place + here + np.array([0, up, forward])

    skin = np.union1d(model.parts["head"].vertex_ids, model.parts["mouth_cavity"].vertex_ids)
    near = np.exp(-(((settled[skin] - here) / np.array([0.022, 0.007, 0.03])) ** 2).sum(1))
    lower = np.clip((-model.displacement("jawOpen")[skin, 1] - 0.004) / 0.004, 0, 1)
    settled[skin, 1] += near * (0.0018 * lower - 0.0010 * (1 - lower))
    return settled + Lips(model).closing(settled)


def paint_teeth(
    color: tuple[float, float, float] = ENAMEL, width: int = 512, height: int = 64
) -> UInt8[np.ndarray, "h w 4"]:
    """The arch unrolled: left molars to right molars along u; the upper half of the picture is the upper row."""
    u = (np.arange(width) + 0.5) / width * 2 - 1
    v = (np.arange(height) + 0.5) / height
    edges = np.array([0, 0.088, 0.165, 0.25, 0.345, 0.45, 0.60, 0.78, 1.0])
    edges = np.r_[-edges[:0:-1], edges]
    gap = np.abs(u[:, None] - edges).min(1)
    line = 1 - 0.30 * smoothstep(0.012, 0.0, gap)
    row = np.where(v < 0.5, v * 2, 2 - v * 2)  # 0 at the gum, 1 at the biting edge
    enamel = np.array(color)
    gum = smoothstep(0.30, 0.16, row[:, None] - 0.10 * smoothstep(0.05, 0.0, gap)[None])[..., None]
    picture = enamel * (line[None, :, None] * (0.90 + 0.10 * smoothstep(1.0, 0.6, row))[:, None, None])
    picture = picture * (1 - gum) + np.array([0.65, 0.33, 0.34]) * enamel * gum
    depth = 1 - 0.85 * smoothstep(0.20, 0.80, np.abs(u))
    return to_rgba(picture * depth[None, :, None])


def paint_depth(
    front: tuple[float, float, float],
    back: tuple[float, float, float],
    start: float = 0.004,
    fade: float = 0.016,
    rows: int = 64,
) -> np.ndarray:
    """A gradient (rows, 4, 4): row 0 is at the lips, the last row 60 mm behind them; `start` metres in it darkens."""
    behind = (np.arange(rows) + 0.5) / rows * 0.06
    share = np.exp(-np.clip(behind - start, 0, None) / fade)[:, None, None]
    return np.repeat(to_rgba(np.array(front) * share + np.array(back) * (1 - share)), 4, 1)


def with_mouth(avatar: Avatar, enamel: tuple[float, float, float] = ENAMEL) -> Avatar:
    """The avatar with teeth painted in this colour (sRGB 0..1), tongue and cavity.

    Positions are `settle_mouth`'s business.
    """
    model = load_body()
    lips = model.template[inner_lip_vertices(model)].mean(0)
    front = lips[2] + 0.006
    meshes = []
    for mesh in avatar.meshes:
        if mesh.name == "teeth":
            place = model.template[mesh.body_vertices]
            angle = np.arctan2(place[:, 0], place[:, 2] - (place[:, 2].max() - _ARCH_RADIUS))
            upper = np.isin(mesh.body_ids, model.parts["teeth_upper"].vertex_ids)
            v = np.zeros(len(place))
            for row, gum_first in ((upper, True), (~upper, False)):
                low, high = place[row, 1].min(), place[row, 1].max()
                down = (high - place[row, 1]) / (high - low)
                v[row] = 0.5 * down if gum_first else 0.5 + 0.5 * down
            uvs = np.stack([0.5 + 0.5 * np.clip(angle / (0.75 * np.pi), -1, 1), np.clip(v, 0.01, 0.99)], 1)
            material = replace(mesh.material, base_color=(1.0,) * 4, texture="teeth")
            mesh = replace(mesh, uvs=uvs.astype(np.float32), material=material)
        elif mesh.name in ("mouth", "tongue"):
            behind = np.clip((front - model.template[mesh.body_vertices, 2]) / 0.06, 0.01, 0.99)
            uvs = np.stack([np.full(len(behind), 0.5), behind], 1).astype(np.float32)
            mesh = replace(mesh, uvs=uvs, material=replace(mesh.material, base_color=(1.0,) * 4, texture=mesh.name))
        meshes.append(mesh)
    textures = {
        "teeth": cv2.GaussianBlur(paint_teeth(enamel), (0, 0), 0.7),
        "mouth": paint_depth((0.50, 0.22, 0.20), (0.13, 0.045, 0.045), fade=0.026),
        "tongue": paint_depth((0.74, 0.42, 0.42), (0.22, 0.08, 0.08), start=0.026, fade=0.030),
    }
    return replace(avatar, meshes=tuple(meshes), textures=avatar.textures | textures)
