"""From a joint fit to landmarks to a head that several pictures agree on.

Gauss-Newton over one identity (the body model's shapes and smooth displacements beyond them), the lens, and each
picture's pose and expression, against what is measured anew in every round: flow between pairs of pictures, outlines,
and, lightly, the landmarks, whose detector pulls every face towards the mean one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float

from digitalme.artifacts import Portrait
from digitalme.body.landmarks import (
    BROW_LEFT,
    BROW_RIGHT,
    COUNT,
    EYE_LEFT,
    EYE_RIGHT,
    LIPS_INNER,
    LIPS_OUTER,
    landmark_drift,
    landmark_table,
)
from digitalme.body.model import load_body
from digitalme.events import progress
from digitalme.geometry.fit import RIGID, FittedHead, fit_head, laid_onto
from digitalme.rendering.contour import Outline, face_height, near_hair, outline
from digitalme.rendering.flow import PairFlow, pair_flow
from digitalme.rendering.shots import HeadBasis, Shot, draw_shot, head_basis

FACE_PX = (120, 160, 200, 240, 240, 240)
"""Height of the face in the pictures that are compared, round by round."""
LANDMARKS = 1.0
"""Weight of the landmarks: their errors are alike in all of a face's neighbourhood, so they count for fewer."""
LANDMARK_NOISE = 0.0015
"""Metres on the face."""
TURNED = 0.45
"""Sine of the yaw at which landmarks count half."""
EXPRESSIVE_YAW = 0.6
REST = 2.0
"""Pull of every action towards none: what all pictures share is the person, not an expression."""
FLOW_NOISE = 0.0007
"""Metres on the face."""
CROWD = 8.0
"""So many spots of a flow err together."""
SHADING = 0.0006
"""Metres on the face by which a pair's whole flow may lie beside the truth, and lean over it: shades move with the
lamps, not with the skin. At true heads 0.1 to 0.3 mm, alike all over a pair."""
DAMPING = 1e-6
"""Of each unknown's own curvature. A lens and a nod are only told by what other unknowns leave: 1e-4 stops them."""
OUTLINE_NOISE = 0.0006
"""Metres on the face."""
ZOOM_SIGMA = 0.15
"""How far the guessed focal length may be off: its logarithm's standard deviation."""
WIDEST_PAIR = np.radians(42)
"""Pictures turned farther from each other than this are not compared."""


@dataclass(frozen=True)
class Weights:
    """How far each kind of evidence is believed; for benchmarks."""

    landmarks: float = LANDMARKS
    flow: float = 1.0
    outline: float = 1.0


EVEN = Weights()


def fit_together(portraits: list[Portrait], centers: list[tuple[float, float]]) -> list[FittedHead]:
    """One head to several portraits, the first being the one to start from; a lone portrait is fitted as ever.

    `centers`: where each one's lens points, pixels of the portrait.
    """
    if len(portraits) == 1:
        return [fit_head(portraits[0])]
    identity, shots = refine(portraits, started(portraits), centers)
    basis = head_basis()
    n = basis.identities
    shape = {name: float(value) for name, value in zip(basis.names[:n], identity, strict=False) if abs(value) > 1e-4}
    relief = whole_relief(basis, identity)
    heads = []
    for shot in shots:
        actions = zip(basis.names[n:], shot.actions, strict=True)
        expression = {name: float(value) for name, value in actions if value > 1e-3}
        heads.append(laid_onto(shot.portrait, shape, expression, shot.camera, relief))
    return heads


def started(portraits: list[Portrait]) -> list[FittedHead]:
    """Where to begin: the first one's identity before each one's own camera. Landmarks of a head turned far aside tell
    neither identity nor expression, and a joint fit to them starts worse than the mean face."""
    alone = [fit_head(portrait) for portrait in portraits]
    turned = [abs(portrait.quality.get("yaw", 0.0)) > EXPRESSIVE_YAW for portrait in portraits]
    return [
        replace(head, shape=alone[0].shape, expression={} if aside else head.expression)
        for head, aside in zip(alone, turned, strict=True)
    ]


def whole_relief(basis: HeadBasis, identity: Float[np.ndarray, "all"]) -> Float[np.ndarray, "vertices 3"]:
    """The smooth part of an identity on all of the body's vertices; eyes, teeth and tongue go along as a piece."""
    body = load_body()
    relief = np.zeros(body.template.shape)
    relief[basis.ids] = basis.displacement(identity)
    marks = np.einsum("lkc,lk->lc", relief[landmark_table().triangles], landmark_table().weights)
    for part, ring in RIGID.items():
        relief[body.parts[part].vertex_ids] = marks[list(ring)].mean(0)
    return relief


def refine(
    portraits: list[Portrait],
    fitted: list[FittedHead],
    centers: list[tuple[float, float]] | None = None,
    face_px: tuple[int, ...] = FACE_PX,
    weights: Weights = EVEN,
) -> tuple[np.ndarray, list[Shot]]:
    """[identity | smooth displacements] of the basis, and the shots with their poses, lenses and expressions."""
    basis = head_basis()
    names, n = basis.names, basis.identities
    identity = np.zeros(basis.size)
    identity[:n] = [fitted[0].shape.get(name, 0.0) for name in names[:n]]
    pointed = centers or [head.camera.center for head in fitted]
    shots = [
        Shot(portrait, head.camera, np.array([head.expression.get(name, 0.0) for name in names[n:]]), center)
        for portrait, head, center in zip(portraits, fitted, pointed, strict=True)
    ]
    order = sorted(range(len(shots)), key=lambda k: abs(shots[k].yaw))
    for turn, size in enumerate(face_px):
        scales = [min(1.0, size / face_height(shot)) for shot in shots]
        small = [_resized(p.image, scale) for p, scale in zip(portraits, scales, strict=True)]
        greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in small]
        usable = [
            (_resized(p.person, scale) > 0.9) & (_resized(near_hair(shot), scale) < 0.3)
            for shot, p, scale in zip(shots, portraits, scales, strict=True)
        ]
        drawn = [draw_shot(shot, basis, identity, scale) for shot, scale in zip(shots, scales, strict=True)]
        flows = [
            flow
            for i, j in combinations(order, 2)
            if abs(shots[i].yaw - shots[j].yaw) < WIDEST_PAIR
            if (flow := pair_flow(drawn, greys, usable, j, i, basis)) is not None
        ]
        outlines = [found for k in range(len(shots)) if (found := outline(shots, drawn, k, basis)) is not None]
        identity = _solved(shots, drawn, identity, basis, flows, outlines, weights)
        progress(turn + 1, len(face_px))
    return identity, shots


def _resized(picture: np.ndarray, scale: float) -> np.ndarray:
    height, width = (round(side * scale) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _solved(shots, drawn, identity, basis: HeadBasis, flows: list[PairFlow], outlines: list[Outline], weights: Weights):
    """A Gauss-Newton step with reweighted residuals; the identity after it, the shots are moved."""
    d, m = basis.size, len(basis.names) - basis.identities
    size = d + 1 + len(shots) * (m + 6)
    block = [np.arange(d + 1 + k * (m + 6), d + 1 + (k + 1) * (m + 6)) for k in range(len(shots))]
    normal, pull = np.zeros((size, size)), np.zeros(size)

    def add(columns, rows, misses, nuisance=None):
        """Add least squares rows; `nuisance` (rows, n): columns of unknowns with prior 1 that are of no interest."""
        square, side = (rows.T @ rows).astype(np.float64), (rows.T @ misses).astype(np.float64)
        if nuisance is not None:  # eliminated (Schur's complement)
            across = (nuisance.T @ np.c_[rows, misses]).astype(np.float64)
            own = nuisance.T @ nuisance + np.eye(nuisance.shape[1])
            gone = across[:, :-1].T @ np.linalg.solve(own, across)
            square, side = square - gone[:, :-1], side - gone[:, -1]
        normal[np.ix_(columns, columns)] += square
        pull[columns] += side

    normal[:d, :d] += basis.precision
    pull[:d] += basis.precision @ identity
    normal[d, d] += 1 / ZOOM_SIGMA**2
    for k, shot in enumerate(shots):
        at = block[k][:m]
        normal[np.ix_(at, at)] += basis.action_precision
        pull[at] += basis.action_precision @ shot.actions + REST
        normal[block[k][m:], block[k][m:]] += 1e-3

    slopes = [shot.slopes(seen.points) for shot, seen in zip(shots, drawn, strict=True)]
    unit = [shot.focal / shot.translation[2] for shot in shots]  # pixels a metre
    for flow in flows:
        i, j, ids = flow.first, flow.second, flow.vertices
        tangent = _tangents(drawn[j].normals[ids])
        (ji, gi, zi), (jj, gj, zj) = ((s[0][ids], s[1][ids], s[2][ids]) for s in (slopes[i], slopes[j]))
        carry = (jj @ tangent) @ np.linalg.inv(ji @ tangent)
        moves = jj - carry @ ji
        scale = np.sqrt(flow.trust * weights.flow) / (FLOW_NOISE * unit[j])
        norm = np.linalg.norm(flow.miss, axis=1) / (FLOW_NOISE * unit[j])
        scale = scale / np.sqrt(1 + (norm / 3) ** 2) / np.sqrt(CROWD)
        rows = np.concatenate(
            [
                moves @ basis.shapes[ids][..., : basis.identities],
                (moves @ basis.normals[ids][..., None]) * basis.modes[ids][:, None],
                (zj - (carry @ zi[..., None])[..., 0])[..., None],
                jj @ basis.shapes[ids][..., basis.identities :],
                gj,
                -(carry @ ji) @ basis.shapes[ids][..., basis.identities :],
                -carry @ gi,
            ],
            2,
        )
        rows = (rows * scale[:, None, None]).reshape(-1, rows.shape[2]).astype(np.float32)
        misses = -(flow.miss * scale[:, None]).ravel().astype(np.float32)
        spots = drawn[j].pixels[ids, :2]
        spots = (spots - spots.mean(0)) / spots.std()
        smooth = np.kron(np.c_[np.ones(len(ids)), spots], np.eye(2)) * np.repeat(scale, 2)[:, None]
        smooth = (smooth * SHADING * unit[j]).astype(np.float32)
        add(np.r_[np.arange(d + 1), block[j], block[i]], rows, misses, smooth)
    for found in outlines:
        k, ids = found.shot, found.vertices
        j, g, z = (s[ids] for s in slopes[k])
        miss = found.miss / (OUTLINE_NOISE * unit[k])
        scale = np.sqrt(weights.outline) / (OUTLINE_NOISE * unit[k]) / np.sqrt(1 + (miss / 4) ** 2)
        line = found.across[:, None]
        moves = line @ j
        rows = np.concatenate(
            [
                (moves @ basis.shapes[ids][..., : basis.identities])[:, 0],
                (moves @ basis.normals[ids][..., None])[:, 0] * basis.modes[ids],
                (line @ z[..., None])[:, 0],
                (moves @ basis.shapes[ids][..., basis.identities :])[:, 0],
                (line @ g)[:, 0],
            ],
            1,
        )
        add(np.r_[np.arange(d + 1), block[k]], rows * scale[:, None], -found.miss * scale)
    for k, shot in enumerate(shots):
        rows, misses = _landmark_rows(shot, drawn[k].points, basis)
        root = np.sqrt(weights.landmarks)
        add(np.r_[np.arange(d + 1), block[k]], rows * root, misses * root)

    values = np.concatenate([s.actions for s in shots])
    where = np.concatenate([b[:m] for b in block])
    free = np.ones(size, bool)
    step = np.zeros(size)
    for _ in range(3):
        kept = np.ix_(free, free)
        step[:] = 0
        step[free] = -np.linalg.solve(normal[kept] + DAMPING * np.diag(np.diag(normal)[free]), pull[free])
        after = values + step[where]
        stuck = ((values <= 0) & (after < 0)) | ((values >= 1) & (after > 1))
        if not (free[where] & stuck).any():
            break
        free[where[stuck]] = False
    for shot, at in zip(shots, block, strict=True):
        shot.moved(step[at], step[d])
    return identity + step[:d]


def _landmark_rows(shot: Shot, points: np.ndarray, basis: HeadBasis) -> tuple[np.ndarray, np.ndarray]:
    """Rows and misses of the trusted landmarks, as in digitalme.geometry.fit, each in units of its noise."""
    table = landmark_table()
    used = np.flatnonzero(table.trusted)
    share, corners = table.weights[used], basis.places[table.triangles[used]]

    def at(values: np.ndarray) -> np.ndarray:
        return np.einsum("lk,lk...->l...", share, values[corners])

    spots = at(points)
    slopes, pose, zoom = shot.slopes(spots)
    seen = shot.project(spots)
    drift = landmark_drift(shot.rotation)[used] * shot.focal / seen[:, 2:]
    miss = seen[:, :2] + drift - shot.portrait.landmarks[used, :2]
    believed = _landmark_trust()[used] / (1 + (np.sin(shot.yaw) / TURNED) ** 4)
    scale = 1 / (LANDMARK_NOISE * shot.focal / shot.translation[2])
    scale = np.sqrt(believed) * scale / np.sqrt(1 + ((miss * scale) ** 2).sum(1) / 4)
    shapes = slopes @ at(basis.shapes)
    rows = np.concatenate(
        [
            shapes[..., : basis.identities],
            slopes @ at(basis.normals[:, :, None] * basis.modes[:, None]),
            zoom[..., None],
            shapes[..., basis.identities :],
            pose,
        ],
        2,
    )
    rows = rows * scale[:, None, None]
    return rows.reshape(-1, rows.shape[2]), (miss * scale[:, None]).ravel()


@lru_cache(maxsize=1)
def _landmark_trust() -> Float[np.ndarray, "468"]:
    """How far landmarks are believed: one over their variance, over how many of them err together. Measured on frontal
    synthetic heads: lips 0.9 mm, eyes 1.3, brows 1.9, and 2 mm and more, pulled towards the mean face, elsewhere."""
    trust = np.full(COUNT, 0.006)
    for ring, weight in (
        (BROW_LEFT + BROW_RIGHT, 0.09),
        (EYE_LEFT + EYE_RIGHT, 0.25),
        (LIPS_OUTER + LIPS_INNER, 0.45),
    ):
        trust[list(ring)] = weight
    return trust


def _tangents(normals: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3 2"]:
    """Two directions along the surface at each normal."""
    other = np.where(np.abs(normals[:, :1]) < 0.8, [[1.0, 0, 0]], [[0, 1.0, 0]])
    first = np.cross(normals, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(normals, first)], 2)
