"""What each vertex of an avatar sees of its surroundings: baked once, it gives soft shadows from any lamp for nothing.

From every one of many directions over the sphere a depth map of the head is drawn; a vertex sees that direction when
nothing lies before it. Ambient occlusion is the cosine-weighted share of seen directions; how much of a broad lamp is
seen is the share of the seen directions around it. The head turns rigidly, so the bake holds when the lamp is turned
into the head's frame instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy import sparse

from digitalme.rendering.raster import rasterise_ids

DIRECTIONS = 144
MAP_SIZE = 320
REACH = 0.30
"""Metres around the middle of the head that the depth maps cover; vertices outside see everything."""
BIAS = 0.004
LAMP_SHARPNESS = 20.0
"""Of the lobe exp(k (cos - 1)) around a lamp's direction: 20 is a soft box some 35 degrees wide."""


@dataclass(frozen=True)
class Visibility:
    """Directions (d, 3) in the bind pose's frame and which of them each vertex (v, d) sees."""

    directions: Float32[np.ndarray, "d 3"]
    seen: Float32[np.ndarray, "v d"]
    occlusion: Float32[np.ndarray, "v"]
    """0 sees nothing .. 1 sees all that its normal faces, the sky counting more than the ground."""

    def of_lamp(self, direction: Float[np.ndarray, "3"]) -> Float32[np.ndarray, "v"]:
        """How much of a broad lamp in this direction (bind pose's frame) each vertex sees, 0..1."""
        lobe = np.exp(LAMP_SHARPNESS * (self.directions @ (direction / np.linalg.norm(direction)) - 1))
        return (self.seen @ (lobe / lobe.sum())).astype(np.float32)


def bake_visibility(
    positions: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    occluders: Bool[np.ndarray, "f"],
    center: Float[np.ndarray, "3"],
) -> Visibility:
    """Bake for all vertices; only triangles marked in `occluders` cast shadows. Half a second for 30 k."""
    positions = np.asarray(positions, np.float32)
    i = np.arange(DIRECTIONS) + 0.5
    height, around = 1 - 2 * i / DIRECTIONS, i * 2.399963  # the golden angle: even cover of the sphere
    flat = np.sqrt(1 - height**2)
    directions = np.stack([flat * np.cos(around), height, flat * np.sin(around)], 1)
    directions = directions[directions[:, 1] > -0.5].astype(np.float32)
    near = (np.abs(positions - center) < REACH).all(1)
    casting = faces[occluders]
    casting = casting[near[casting].any(1)]
    local = np.flatnonzero(near)
    offset: np.ndarray = positions - center.astype(np.float32)
    seen = np.ones((len(positions), len(directions)), np.float32)
    scale = MAP_SIZE / (2 * REACH)
    for d, direction in enumerate(directions):
        pole = np.array([0, 1, 0]) if abs(direction[1]) < 0.9 else np.array([1, 0, 0])
        right = np.cross(pole, direction)
        right /= np.linalg.norm(right)
        frame = np.stack([right, np.cross(direction, right), -direction]).astype(np.float32)
        points = offset @ frame.T
        points[:, :2] = points[:, :2] * scale + MAP_SIZE / 2
        points[:, 2] += 2  # behind the map's plane
        _, _, depth = rasterise_ids(points, casting, MAP_SIZE, MAP_SIZE, perspective=False)
        x, y = np.clip(points[local, :2].astype(np.int32), 0, MAP_SIZE - 1).T
        seen[local, d] = points[local, 2] < depth[y, x] + BIAS
    weight = np.maximum(normals @ directions.T, 0) * (1 + 0.5 * directions[:, 1])
    total = weight.sum(1)
    occlusion = np.where(total > 1e-6, (seen * weight).sum(1) / np.maximum(total, 1e-6), 1.0)
    smooth = _smoother(faces, len(positions))
    occlusion = smooth @ (smooth @ occlusion)
    return Visibility(directions, (smooth @ seen).astype(np.float32), occlusion.astype(np.float32))


def _smoother(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """(v, v): half of a vertex's own value, half of its neighbours' mean."""
    rows = faces[:, [0, 1, 2, 1, 2, 0]].ravel()
    columns = faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    links = sparse.coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(count, count)).tocsr()
    links.data[:] = 1
    degree = np.asarray(links.sum(1)).ravel()
    own = np.where(degree > 0, 0.5, 1.0)
    return (sparse.diags(own) + sparse.diags(0.5 / np.maximum(degree, 1)) @ links).tocsr().astype(np.float32)
