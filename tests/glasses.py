"""Glasses that somebody wears in a drawn photo: fronts of known outline and colour, worn askew before the face."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from digitalme.artifacts import Avatar, Camera
from digitalme.artifacts.avatar import AvatarMesh
from digitalme.body.glasses import ANGLES, TURN, GlassesFront, glasses_of_front, lens_picture, usual_front
from digitalme.rendering.raster import rasterise_ids
from digitalme.spaces import rotation_from_euler

Rgb = tuple[float, float, float]
CLEAR = (0.75, 0.78, 0.80, 0.03)


@dataclass(frozen=True)
class Design:
    """A pair of glasses as a maker would describe it; lengths in millimetres."""

    half: tuple[float, float]
    """Half width and height of a lens."""
    round: float
    """1 an ellipse, towards 0 a rectangle."""
    above: float
    """Breadth of the rim above the eye."""
    below: float
    upper: Rgb
    lower: Rgb
    wing: float = 0.0
    """How far the upper outer corners reach beyond the rim."""
    hang: float = 0.0
    """How far the lens hangs outward and down, as an aviator's."""
    bridge: tuple[float, float] = (4.0, 2.5)
    """Height of its middle above the lenses' middle, and its breadth."""
    half_rim: bool = False
    rimless: bool = False
    tint: tuple[float, float, float, float] = CLEAR
    mottled: float = 0.0


DESIGNS = {
    "thick black rectangle": Design((26, 17), 0.45, 3.6, 3.0, (0.05, 0.05, 0.06), (0.05, 0.05, 0.06), bridge=(5, 4)),
    "cat-eye": Design((25, 19), 0.8, 4.6, 1.8, (0.06, 0.05, 0.06), (0.62, 0.40, 0.20), wing=9, bridge=(3, 3.5)),
    "round tortoise": Design((23, 22.5), 1.0, 3.2, 2.8, (0.30, 0.16, 0.08), (0.36, 0.20, 0.10), bridge=(7, 3.5),
                             mottled=0.5),
    "thick red": Design((25.5, 20), 0.7, 3.4, 3.0, (0.60, 0.08, 0.10), (0.60, 0.08, 0.10), wing=2, bridge=(4, 4)),
    "panto brown": Design((24, 21), 0.85, 3.0, 2.4, (0.24, 0.14, 0.09), (0.24, 0.14, 0.09), wing=2, bridge=(8, 4)),
    "half rim": Design((26.5, 16), 0.5, 3.4, 0.0, (0.07, 0.07, 0.08), (0.07, 0.07, 0.08), bridge=(5, 3), half_rim=True),
    "thin round gold": Design((23.5, 22), 1.0, 1.3, 1.3, (0.55, 0.42, 0.22), (0.55, 0.42, 0.22), bridge=(8, 1.4)),
    "thin steel rectangle": Design((26, 15.5), 0.5, 1.3, 1.2, (0.28, 0.29, 0.31), (0.28, 0.29, 0.31), bridge=(5, 1.6)),
    "aviator": Design((28, 22), 0.75, 1.5, 1.4, (0.34, 0.28, 0.18), (0.34, 0.28, 0.18), hang=3, bridge=(9, 1.8)),
    "sunglasses": Design((28, 21), 0.6, 3.6, 2.8, (0.04, 0.04, 0.04), (0.04, 0.04, 0.04), wing=2, bridge=(6, 4),
                         tint=(0.05, 0.05, 0.06, 0.88)),
    "rimless": Design((25.5, 17), 0.6, 0.6, 0.6, (0.30, 0.26, 0.20), (0.30, 0.26, 0.20), bridge=(4, 1.8), rimless=True),
}  # fmt: skip
THICK = ("thick black rectangle", "cat-eye", "round tortoise", "thick red", "panto brown", "sunglasses")


def designed_front(
    design: Design, vertices: Float[np.ndarray, "vertices 3"], eyes: Float[np.ndarray, "2 3"], scale: float = 1.0
) -> GlassesFront:
    """The front of this design on a face, 3 mm farther before it than our own glasses stand."""
    wide, high = (0.001 * scale * length for length in design.half)
    guess = usual_front(vertices, eyes, (wide, high), max(design.round, 0.2), 0.004)
    inner = (guess.inner[0] + guess.outer[0]) / 2
    low_out = np.clip(np.cos(TURN), 0, 1) * np.clip(-np.sin(TURN), 0, 1)
    inner = inner + 0.001 * scale * design.hang * 2 * low_out
    up = np.clip(0.5 + 1.2 * np.sin(TURN), 0, 1)
    breadth = 0.001 * scale * (design.below + (design.above - design.below) * up)
    corner = np.exp(-(((TURN - np.radians(34)) / np.radians(11)) ** 2))
    outer = inner + np.maximum(breadth, 0.0006) + 0.001 * scale * design.wing * corner
    seen = np.sin(TURN) > -0.25 if design.half_rim else np.full(ANGLES, not design.rimless)
    middles = guess.middles.copy()
    gap = 0.0075 * scale  # half the least distance of the two rims
    nasal = (inner + breadth)[np.abs(TURN - np.pi) < 0.8].max()
    middles[:, 0] = np.sign(middles[:, 0]) * np.maximum(np.abs(middles[:, 0]), nasal + gap)
    level = middles[:, 1].mean() + 0.001 * scale * design.bridge[0]
    reach = np.abs(middles[0, 0]) - np.interp(np.pi - 0.25, TURN, inner + breadth / 2)
    along = np.linspace(reach, -reach, 15)
    arch = level + 0.0015 * (1 - (along / reach) ** 2)
    half = 0.0005 * scale * design.bridge[1]
    return replace(
        guess, plane=guess.plane + 0.003, middles=middles, inner=np.stack([inner] * 2), outer=np.stack([outer] * 2),
        seen=np.stack([seen] * 2), bridge=np.column_stack([along, arch - half, arch + half]), tint=design.tint,
    )  # fmt: skip


def worn(avatar: Avatar, design: Design, vertices: np.ndarray, eyes: np.ndarray, seed: int = 0) -> Avatar:
    """The avatar with glasses of this design: a little larger or smaller, tilted and askew by up to 2 degrees."""
    rng = np.random.default_rng([11, seed])
    front = designed_front(design, vertices, eyes, float(rng.uniform(0.95, 1.06)))
    frame, panes = glasses_of_front(front, vertices)
    middle = np.array([0, eyes[:, 1].mean(), front.plane])
    turn = rotation_from_euler(float(rng.uniform(0.0, 0.10)), 0.0, float(rng.uniform(-0.03, 0.03)))
    meshes = [
        replace(
            mesh, positions=((mesh.positions - middle) @ turn.T + middle).astype(np.float32),
            normals=(mesh.normals @ turn.T).astype(np.float32),
        )
        for mesh in (frame, panes)
    ]  # fmt: skip
    share = np.clip((np.linspace(0, 1, 64) - 0.35) / 0.25, 0, 1)[:, None, None]
    picture = np.array(design.upper) * (1 - share) + np.array(design.lower) * share + np.zeros((64, 128, 3))
    spots = np.repeat(np.repeat(rng.uniform(-1, 1, (16, 32, 1)), 4, 0), 4, 1)
    picture = np.clip(picture * (1 + design.mottled * spots), 0, 1)
    textures = {"glasses": np.round(255 * picture).astype(np.uint8), "lenses": lens_picture(front)}
    return replace(avatar, meshes=avatar.meshes + tuple(meshes), textures=avatar.textures | textures)


def seen_front(meshes: list[AvatarMesh], camera: Camera) -> Bool[np.ndarray, "h w"]:
    """Pixels in which the frame in front of the face is seen, without its temples."""
    frame = next(mesh for mesh in meshes if mesh.name == "glasses")
    places = frame.positions.astype(np.float64)
    front = places[frame.faces][..., 2].min(1) > places[:, 2].max() - 0.024
    ids, _, _ = rasterise_ids(camera.project(places), frame.faces[front], camera.width, camera.height)
    return ids >= 0
