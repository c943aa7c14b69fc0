"""How far teeth, tongue and eyeballs stand through the skin in a pose, millimetres.

Mouth: from several directions the skin and each part are drawn apart. Where a part lies before the skin, and the outer
side of the skin is close behind it, it has come through: what is seen through an open mouth has the mouth's inside
behind it, which is no outer skin. Depths are multiplied by the cosine between direction and skin.

Eyes: a ball comes through where a lid's skin lies inside it; how deep, along the ball's own normal. (From the side a
cornea is rightly seen before the lid's far corner.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from digitalme.artifacts import Avatar
from digitalme.body.model import load_body
from digitalme.rendering.pose import Rig
from digitalme.rendering.raster import rasterise_ids
from digitalme.spaces import rotation_from_euler

MOUTH, EYES = ("teeth", "tongue"), ("eye_left", "eye_right")
PIXEL = 0.0005
"""Metres between neighbouring rays."""
REACH = 0.006
"""Metres: skin farther behind a part than this is another part of the face."""
AREA = 8
"""Rays that a breakthrough must have to count (2 square millimetres), and that must find it that deep: single rays pass
an open mouth's corner and find the lip behind it."""
VIEWS = ((0, 0), (0, -35), (0, 35), (0, -70), (0, 70), (-25, 0), (25, 0))
"""(pitch, yaw) of the directions that a mouth is looked at from, degrees."""
_HALF = 0.040
_SPACING = 0.0010
_LID_FACING = 0.7
"""Cosine between a lid's outer skin and the ball's surface; the lid's margin, rolled inward, sinks into the ball."""


def probes(
    positions: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], spacing: float = _SPACING
) -> tuple[Int[np.ndarray, "p 3"], Float[np.ndarray, "p 3"]]:
    """Points spread over a surface, as corners and barycentrics: they move with its poses."""
    longest = np.linalg.norm(positions[faces] - positions[np.roll(faces, 1, 1)], axis=2).max(1)
    wanted = np.clip(np.ceil(longest / spacing), 1, 12)
    corner, bary = [], []
    for steps in range(1, 13):
        these = faces[wanted == steps]
        i, j = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1))
        i, j = i[i + j <= steps], j[i + j <= steps]
        share = np.stack([i, j, steps - i - j], 1) / steps
        corner.append(np.repeat(these, len(share), 0))
        bary.append(np.tile(share, (len(these), 1)))
    return np.concatenate(corner), np.concatenate(bary)


class _Lids(NamedTuple):
    """Probes of an eyeball's front and of the skin around it."""

    ball: tuple[np.ndarray, np.ndarray]
    skin: tuple[np.ndarray, np.ndarray]


class PenetrationMeter:
    """Prepared once for an avatar; `measure` takes some 10 ms a pose."""

    def __init__(self, avatar: Avatar):
        self._rig = Rig(avatar)
        self._index = {mesh.name: i for i, mesh in enumerate(avatar.meshes)}
        self._faces = {mesh.name: mesh.faces for mesh in avatar.meshes}
        head = avatar.mesh("head")
        middles = head.positions[head.faces].mean(1)
        rim = head.positions[np.isin(head.body_ids, load_body().parts["mouth_cavity"].vertex_ids)]
        self._lips = cKDTree(rim).query(head.positions)[0] < 0.014
        self._mouth = (rim.max(0) + rim.min(0)) / 2
        self._skin = head.faces[np.abs(middles - self._mouth).max(1) < _HALF + 0.02]
        self._lids = {}
        for name in EYES:
            mesh = avatar.mesh(name)
            middle, half = (mesh.positions.max(0) + mesh.positions.min(0)) / 2, np.ptp(mesh.positions, 0) / 2
            front = mesh.faces[mesh.positions[mesh.faces][..., 2].mean(1) > middle[2]]
            off = (middles - middle) / half
            near = (np.abs(off[:, :2]).max(1) < 1.1) & (off[:, 2] > -0.2)
            self._lids[name] = _Lids(probes(mesh.positions, front, 0.0005), probes(head.positions, head.faces[near]))

    def measure(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Millimetres that each part stands before the skin in this pose; 0 where all of it lies behind."""
        posed = self._rig.pose(weights)
        head = posed[self._index["head"]]
        deepest = dict.fromkeys(MOUTH, 0.0)
        size = round(2 * _HALF / PIXEL)
        for pitch, yaw in VIEWS:
            turn = rotation_from_euler(np.radians(pitch), np.radians(yaw), 0.0)
            frame = (np.diag([1.0, -1.0, -1.0]) @ turn.T).astype(np.float32)
            offset = np.array([size / 2, size / 2, 1000], np.float32)

            def look(points: np.ndarray, faces: np.ndarray, frame=frame, offset=offset):
                seen = (points - self._mouth).astype(np.float32) @ frame.T / PIXEL + offset
                return rasterise_ids(seen, faces, size, size, perspective=False)

            ids, bary, depth = look(head.positions, self._skin)
            hit = ids >= 0
            normals = np.einsum("nc,ncx->nx", bary[hit], head.normals[self._skin[ids[hit]]])
            cosine = -(normals @ frame[2]) / np.maximum(np.linalg.norm(normals, axis=1), 1e-6)
            on_lips = (bary[hit] * self._lips[self._skin[ids[hit]]]).sum(1) > 0.5
            for part in MOUTH:
                _, _, front = look(posed[self._index[part]].positions, self._faces[part])
                ahead = (depth[hit] - front[hit]) * PIXEL
                through = (ahead > 0) & (ahead < REACH) & (cosine > 0)
                if part == "tongue" and weights.get("tongueOut", 0) > 0:
                    through &= ~on_lips  # it comes out between them and lies on the lower one
                depths = np.sort((ahead * cosine)[through])
                if len(depths) >= AREA:
                    deepest[part] = max(deepest[part], 1000 * float(depths[-AREA]))
        for name, lids in self._lids.items():
            eye = posed[self._index[name]]
            corner, bary = lids.ball
            ball = np.einsum("pc,pcx->px", bary, eye.positions[corner])
            outward = np.einsum("pc,pcx->px", bary, eye.normals[corner])
            corner, bary = lids.skin
            skin = np.einsum("pc,pcx->px", bary, head.positions[corner])
            facing = np.einsum("pc,pcx->px", bary, head.normals[corner])
            _, nearest = cKDTree(ball).query(skin, distance_upper_bound=REACH)
            found = nearest < len(ball)
            skin, facing, ball, outward = skin[found], facing[found], ball[nearest[found]], outward[nearest[found]]
            gap = ((ball - skin) * outward).sum(1)
            lid = (facing * outward).sum(1) > _LID_FACING * np.linalg.norm(facing, axis=1)
            deepest[name] = max(0.0, 1000 * float(gap[lid].max(initial=0)))
        return deepest
