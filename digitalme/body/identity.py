"""The person's neutral head: the fitted shape, and what the photo says beyond the model's own shapes.

A fit's residual moves the surface onto the photo's landmarks. Part of it is the person (a jaw, a nose, brows that the
model's shapes cannot quite make), part is the photo's expression at the lids and the lips. The neutral head takes all
of it away from eyes and mouth, and there only what moves both lids, or both lips, together.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from digitalme.artifacts import Likeness
from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT, LIPS_INNER, LIPS_OUTER, landmark_points
from digitalme.body.model import load_body

COMMON_M = 0.008
"""Reach of the mean that leaves only what neighbouring parts do together."""


def neutral_vertices(likeness: Likeness) -> Float[np.ndarray, "vertices 3"]:
    """Bind-pose vertices of the person without expression, world frame, metres."""
    body = load_body()
    vertices = body.vertices(likeness.shape)
    if likeness.relief is not None:
        vertices = vertices + likeness.relief
    return vertices + lasting_residual(vertices, np.asarray(likeness.residual, np.float64))


def lasting_residual(
    vertices: Float[np.ndarray, "vertices 3"], residual: Float[np.ndarray, "vertices 3"]
) -> Float[np.ndarray, "vertices 3"]:
    """The part of a residual that stays when the expression goes; eyeballs, teeth and tongue go along as a piece."""
    body = load_body()
    skin = body.parts["head"].vertex_ids
    moved = np.flatnonzero(np.abs(residual).max(1) > 1e-7)
    if not len(moved):
        return np.zeros_like(vertices)
    lasting = residual.copy()
    points = landmark_points(vertices)
    soft = np.zeros(len(vertices))
    for ring, inner, outer in ((EYE_RIGHT + EYE_LEFT, 0.003, 0.012), (LIPS_INNER + LIPS_OUTER, 0.004, 0.015)):
        away, _ = cKDTree(points[list(ring)]).query(vertices[moved])
        soft[moved] = np.maximum(soft[moved], np.clip((outer - away) / (outer - inner), 0, 1))
    soft = soft * soft * (3 - 2 * soft)
    rigid = [body.parts[name].vertex_ids for name in ("eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue")]
    soft[np.concatenate(rigid)] = 1
    these = np.flatnonzero(soft > 0)
    lasting[these] *= 1 - soft[these, None]
    lasting[these] += soft[these, None] * _local_mean(vertices[these], vertices[skin], residual[skin])
    for piece in rigid:
        lasting[piece] = lasting[piece].mean(0)
    return lasting


def _local_mean(at: np.ndarray, points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Gaussian mean of `values` at `points` around each of `at`."""
    near = points[np.abs(points - at.mean(0)).max(1) < 0.15]
    kept = values[np.abs(points - at.mean(0)).max(1) < 0.15]
    distance = ((at[:, None] - near[None]) ** 2).sum(2)
    weight = np.exp(-distance / (2 * COMMON_M**2))
    return weight @ kept / (weight.sum(1, keepdims=True) + 1e-30)
