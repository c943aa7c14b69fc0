"""Where a head's outline lies beside the picture's: the profile of forehead, nose, lips and chin.

Along the fitted head's outline the picture is searched across it for the edge of the person's matte, and then for the
steepest step of colour near that edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int

from digitalme.rendering.shots import Drawn, HeadBasis, Shot

REACH = 0.055
"""How far from the fitted outline the edge is looked for, in face heights."""
STEP_PX = 0.5
HAIR_REACH = 0.04
"""Single strands hang this far beyond the hair that the mask knows of, in face heights."""


@dataclass(frozen=True)
class Outline:
    """Vertices on a shot's outline; the picture's edge lies `miss` pixels along `across` from each."""

    shot: int
    vertices: Int[np.ndarray, "n"]
    across: Float[np.ndarray, "n 2"]
    miss: Float[np.ndarray, "n"]


def outline(shots: list[Shot], drawn: list[Drawn], place: int, basis: HeadBasis) -> Outline | None:
    """The outline of the face's skin in one shot; None where it is hidden or lies before the neck only."""
    shot, seen, portrait = shots[place], drawn[place], shots[place].portrait
    rim = _generator(seen, basis)
    rim = rim[basis.outer[rim]]
    if not len(rim):
        return None
    normals = seen.normals[rim] @ shot.rotation.T
    across = normals[:, :2] / (np.linalg.norm(normals[:, :2], axis=1, keepdims=True) + 1e-9)
    start = seen.pixels[rim, :2]
    face_px = face_height(shot)
    reach = REACH * face_px
    free = np.ones(len(rim), bool)
    solid = cv2.dilate((seen.face_id >= 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    for far in (0.012 * face_px, 0.03 * face_px, 0.07 * face_px):  # nothing of the head lies beyond
        x, y = ((start + across * far) * seen.scale).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < solid.shape[1]) & (y < solid.shape[0])
        free &= inside
        free[inside] &= solid[y[inside], x[inside]] == 0
    rim, across, start = rim[free], across[free], start[free]
    if len(rim) < 5:
        return None
    steps = np.arange(-reach, reach + 1e-6, STEP_PX)
    line = start[:, None] + across[:, None] * steps[None, :, None] - 0.5
    line = line.astype(np.float32)

    def look_up(picture: np.ndarray) -> np.ndarray:
        return cv2.remap(picture, line[..., 0], line[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    matte = look_up(portrait.person.astype(np.float32))
    hair = look_up(near_hair(shot))
    colors = look_up(cv2.GaussianBlur(portrait.image, (0, 0), 0.7).astype(np.float32))
    crossing = (matte[:, :-1] >= 0.5) & (matte[:, 1:] < 0.5)
    nearest = np.where(crossing, np.abs(steps[:-1])[None], np.inf)
    at = nearest.argmin(1)
    good = np.isfinite(nearest.min(1)) & (matte[:, 0] > 0.6) & (matte[:, -1] < 0.4)
    step = np.linalg.norm(colors[:, 2:] - colors[:, :-2], axis=2)  # between samples i and i + 2: at i + 1
    near = np.abs(np.arange(1, len(steps) - 1)[None] - at[:, None] - 0.5) <= 0.012 * face_px / STEP_PX + 2
    weight = np.where(near, step, 0) ** 2
    peak = weight.argmax(1)
    miss = np.empty(len(rim))
    for row in range(len(rim)):  # the step's middle to a fraction of a sample
        around = slice(max(0, peak[row] - 2), peak[row] + 3)
        miss[row] = (weight[row, around] * steps[1:-1][around]).sum() / (weight[row, around].sum() + 1e-9)
    good &= weight.max(1) > 8**2
    index = np.clip(peak + 1, 0, len(steps) - 1)
    beside = np.clip(index - round(0.012 * face_px / STEP_PX), 0, len(steps) - 1)
    good &= np.maximum(hair[np.arange(len(rim)), index], hair[np.arange(len(rim)), beside]) < 0.25
    if good.sum() < 5:
        return None
    return Outline(place, rim[good], across[good], miss[good])


def face_height(shot: Shot) -> float:
    spots = shot.portrait.landmarks[[10, 152], :2]
    return float(np.linalg.norm(spots[0] - spots[1]))


def near_hair(shot: Shot) -> Float[np.ndarray, "h w"]:
    """The hair's mask grown by what strands of a fringe reach beyond it."""
    side = 2 * round(HAIR_REACH * face_height(shot)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(shot.portrait.hair.astype(np.float32), disc)


def _generator(seen: Drawn, basis: HeadBasis) -> np.ndarray:
    """Vertices where the surface turns away from the camera: of each edge between a front and a back face the end that
    is nearer to the turning."""
    front = seen.facing > 0
    a, b = basis.edges.T
    turning = front[a] != front[b]
    a, b = a[turning], b[turning]
    return np.unique(np.where(np.abs(seen.facing[a]) < np.abs(seen.facing[b]), a, b))
