"""Several pictures of one head, and how every vertex's place in them answers to a change of the head, pose and lens.

A `HeadBasis` says what may change of the identity: the body model's shapes, and smooth displacements along the normal
that no shape of it makes (the slowest vibrations of the face's surface, Vallet and Levy 2008). A `Shot` is one picture:
its camera, its pose, its expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.sparse.linalg import eigsh

from digitalme.artifacts import Camera, Portrait
from digitalme.body.character import vertex_normals
from digitalme.body.model import load_body
from digitalme.geometry.fit import shape_prior
from digitalme.rendering.raster import rasterise_ids

MODES = 140
"""Smooth displacements: 140 of them on the face's 0.04 m^2 tell details of some 17 mm apart."""
MODE_SIZE = 0.0005
"""How far the slowest of them may reasonably go, metres."""
MODE_LENGTH = 0.012
"""Where their size begins to fall, metres: wavelength over 2 pi."""
SAME_SURFACE_M = 0.004
"""A vertex is hidden when the picture sees something nearer by more than this."""


@dataclass(frozen=True)
class HeadBasis:
    """What a head's vertices are linear in. Vertices of part "head" only, relative to the head's middle, metres."""

    ids: Int[np.ndarray, "v"]
    """Their places in the body model."""
    names: tuple[str, ...]
    """Shapes of identity, then actions."""
    identities: int
    mean: Float[np.ndarray, "v 3"]
    shapes: Float[np.ndarray, "v 3 names"]
    modes: Float[np.ndarray, "v modes"]
    """Along the template's normals, metres for a coefficient of 1."""
    normals: Float[np.ndarray, "v 3"]
    """The template's."""
    precision: Float[np.ndarray, "all all"]
    """Of the prior on [identity | modes]."""
    action_precision: Float[np.ndarray, "actions actions"]
    faces: Int[np.ndarray, "f 3"]
    """Of part "head", into these vertices."""
    skin: Bool[np.ndarray, "v"]
    """The face without lids, lips' insides, ears and scalp: what pictures may be compared on."""
    outer: Bool[np.ndarray, "v"]
    """What may lie on the outline of the bare face: the front without ears and neck."""
    edges: Int[np.ndarray, "e 2"]
    places: Int[np.ndarray, "body"]
    """The other way round than `ids`: where each vertex of the body model is here, -1 for none."""

    @property
    def size(self) -> int:
        """How many numbers the identity has."""
        return self.identities + self.modes.shape[1]

    def displacement(self, identity: Float[np.ndarray, "all"]) -> Float[np.ndarray, "v 3"]:
        """The smooth part of an identity."""
        return self.normals * (self.modes @ identity[self.identities :])[:, None]

    def vertices(
        self, identity: Float[np.ndarray, "all"], actions: Float[np.ndarray, "actions"]
    ) -> Float[np.ndarray, "v 3"]:
        """Relative to the head's middle."""
        coefficients = np.r_[identity[: self.identities], actions]
        return self.mean + self.shapes @ coefficients + self.displacement(identity)


@lru_cache(maxsize=1)
def head_basis() -> HeadBasis:
    """Shapes and smooth displacements of the body model's head (0.6 s)."""
    body, prior = load_body(), shape_prior()
    part = body.parts["head"]
    ids = part.vertex_ids
    where = np.full(len(body.template), -1)
    where[ids] = np.arange(len(ids))
    faces = where[part.faces].astype(np.int32)
    rows = (ids[:, None] * 3 + np.arange(3)).ravel()
    columns = [body.shape_names.index(name) for name in prior.names]
    shapes = np.asarray(body.basis.tocsr()[rows][:, columns].todense(), np.float32).reshape(len(ids), 3, -1)
    mean = body.template[ids].astype(np.float64)
    skin = _comparable_skin(mean, faces)
    modes, stiffness = _smooth_modes(mean, faces, _face_front(mean))
    identities = prior.identities
    precision = np.zeros((identities + modes.shape[1],) * 2)
    precision[:identities, :identities] = prior.precision[:identities, :identities]
    precision[identities:, identities:] = np.diag(stiffness)
    return HeadBasis(
        ids=ids,
        names=prior.names,
        identities=identities,
        mean=mean - body.head_center,
        shapes=shapes,
        modes=modes.astype(np.float32),
        normals=vertex_normals(mean, faces),
        precision=precision,
        action_precision=prior.precision[identities:, identities:],
        faces=faces,
        skin=skin,
        places=where,
        outer=_face_front(mean) & (np.abs(mean[:, 0]) < 0.075),
        edges=np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0),
    )


def _face_front(points: np.ndarray) -> np.ndarray:
    """Vertices that photos of a turn show: before the ears, from under the chin to the top of the forehead."""
    _, y, z = points.T
    return (z > 0.045) & (y > 1.595) & (y < 1.81)


def _comparable_skin(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The face's front without what opens and shuts: far from the lid line and the lips' inside."""
    body = load_body()
    moved = np.zeros(len(points))
    ids = body.parts["head"].vertex_ids
    for name in ("eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeWideRight", "eyeLookDownLeft", "eyeLookDownRight"):
        moved = np.maximum(moved, np.linalg.norm(body.displacement(name)[ids], axis=1))
    keep = _face_front(points) & (moved < 0.0015)
    inside = np.abs(points[:, 0]) < 0.035
    cavity = inside & (np.abs(points[:, 1] - 1.655) < 0.02) & (points[:, 2] < 0.135)
    nostrils = vertex_normals(points, faces)[:, 1] < -0.85
    return keep & ~cavity & ~(nostrils & (np.abs(points[:, 0]) < 0.02) & (points[:, 1] > 1.66))


def _smooth_modes(points: np.ndarray, faces: np.ndarray, front: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenfunctions of the surface's Laplacian that are 0 outside `front`, and the precision of each one's weight."""
    count = len(points)
    corners = points[faces]
    stiff = sparse.csr_matrix((count, count))
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    for k in range(3):  # cotangent weights (Pinkall and Polthier 1993)
        a, b, c = (corners[:, (k + s) % 3] for s in range(3))
        cotangent = ((b - a) * (c - a)).sum(1) / np.maximum(np.linalg.norm(np.cross(b - a, c - a), axis=1), 1e-12)
        i, j = faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        half = np.clip(cotangent, 0.05, 5) / 2
        stiff += sparse.coo_matrix(
            (np.r_[half, half, -half, -half], (np.r_[i, j, i, j], np.r_[i, j, j, i])), shape=(count, count)
        ).tocsr()
    mass = np.maximum(np.bincount(faces.ravel(), np.repeat(area / 3, 3), count), 1e-9)
    inner = np.flatnonzero(front)
    root = sparse.diags(1 / np.sqrt(mass[inner]))
    values, vectors = eigsh((root @ stiff[inner][:, inner] @ root).tocsc(), MODES, sigma=0, v0=np.ones(len(inner)))
    modes = np.zeros((count, MODES))
    modes[inner] = (root @ vectors) * np.sqrt(mass[inner].sum())  # root mean square 1 over the face
    modes *= np.sign(modes.sum(0)) + (modes.sum(0) == 0)
    size = MODE_SIZE / (1 + MODE_LENGTH**2 * values) / np.sqrt(10)
    return modes * size, np.full(MODES, 1.0)


class Shot:
    """One picture of the head: its camera's lens, the head's pose before it, its expression."""

    def __init__(
        self, portrait: Portrait, camera: Camera, actions: Float[np.ndarray, "actions"],
        center: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        """`camera` as fitted to the portrait; `center`: where its lens really points, pixels of the portrait."""
        self.portrait = portrait
        height, width = portrait.image.shape[:2]
        self.height, self.width, self.focal = height, width, camera.focal_px
        self.center = np.array(camera.center)
        self.rotation = camera.camera_from_world[:, :3].copy()
        self.translation = camera.camera_from_world[:, 3] + self.rotation @ load_body().head_center
        self.actions = np.asarray(actions, np.float64).copy()
        if center is not None:  # the head as seen stays: it is turned about the lens together with its line of sight
            x, y = self.focal * self.translation[:2] / self.translation[2] + self.center
            self.center = np.array(center, float)
            seen = np.r_[np.array([x, y]) - self.center, self.focal]
            turn = _between(self.translation, seen)
            self.rotation, self.translation = turn @ self.rotation, turn @ self.translation

    @property
    def camera(self) -> Camera:
        move = self.translation - self.rotation @ load_body().head_center.astype(float)
        return Camera(self.focal, self.width, self.height, np.c_[self.rotation, move], tuple(map(float, self.center)))

    @property
    def yaw(self) -> float:
        """Where the nose points in the picture: the angle to the right, radians."""
        return float(np.arctan2(self.rotation[0, 2], -self.rotation[2, 2]))

    def project(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Head-centred points to pixels and depth."""
        seen = points @ self.rotation.T + self.translation
        return np.c_[self.focal * seen[:, :2] / seen[:, 2:] + self.center, seen[:, 2:]]

    def slopes(
        self, points: Float[np.ndarray, "n 3"]
    ) -> tuple[Float[np.ndarray, "n 2 3"], Float[np.ndarray, "n 2 6"], Float[np.ndarray, "n 2"]]:
        """d pixel / d point, / d (turn, move), / d log focal."""
        seen = points @ self.rotation.T + self.translation
        depth = seen[:, 2]
        slope = np.zeros((len(points), 2, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = self.focal / depth
        slope[:, :, 2] = -self.focal * seen[:, :2] / depth[:, None] ** 2
        x, y, z = (seen - self.translation).T
        zero = np.zeros(len(points))
        turning = np.stack([zero, z, -y, -z, zero, x, y, -x, zero], -1).reshape(-1, 3, 3)
        return (
            slope @ self.rotation,
            np.concatenate([slope @ turning, slope], 2),
            self.focal * seen[:, :2] / depth[:, None],
        )

    def moved(self, step: Float[np.ndarray, "steps"], zoom: float) -> None:
        """Change by [actions | turn, move], and the lens by a factor exp(zoom)."""
        count = len(self.actions)
        self.actions = np.clip(self.actions + step[:count], 0, 1)
        self.rotation = cv2.Rodrigues(step[count : count + 3])[0] @ self.rotation
        self.translation = self.translation + step[count + 3 :]
        self.translation[2] = max(self.translation[2], 0.1)
        self.focal *= float(np.exp(zoom))


def _between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The smallest rotation that brings one direction to another."""
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    size = np.linalg.norm(axis)
    return cv2.Rodrigues(axis / max(size, 1e-12) * np.arctan2(size, start @ end))[0]


@dataclass(frozen=True)
class Drawn:
    """What a shot shows of the head as it is believed to be. Pictures are `scale` times the portrait's size; `pixels`
    are the portrait's."""

    scale: float

    points: Float[np.ndarray, "v 3"]
    """Head-centred vertices with this shot's expression."""
    pixels: Float[np.ndarray, "v 3"]
    normals: Float[np.ndarray, "v 3"]
    face_id: Int[np.ndarray, "h w"]
    """Triangle of the head at each pixel, -1 for none."""
    bary: Float[np.ndarray, "h w 3"]
    depth: Float[np.ndarray, "h w"]
    facing: Float[np.ndarray, "v"]
    """Cosine between normal and view."""
    seen: Bool[np.ndarray, "v"]
    """Faces the camera and nothing lies before it."""


def draw_shot(shot: Shot, basis: HeadBasis, identity: Float[np.ndarray, "all"], scale: float = 1.0) -> Drawn:
    """Rasterise the head as the shot sees it; shoulders do not hide anything here."""
    points = basis.vertices(identity, shot.actions)
    pixels = shot.project(points)
    width, height = round(shot.width * scale), round(shot.height * scale)
    small = pixels * [scale, scale, 1]
    face_id, bary, depth = rasterise_ids(small, basis.faces, width, height)
    normals = vertex_normals(points, basis.faces)
    towards = -shot.rotation.T @ shot.translation - points
    facing = (normals * towards).sum(1) / np.linalg.norm(towards, axis=1)
    x, y = (np.clip(small[:, k].astype(int), 0, (width, height)[k] - 1) for k in (0, 1))
    inside = (small[:, :2] > 1).all(1) & (small[:, 0] < width - 1) & (small[:, 1] < height - 1)
    nearest = cv2.erode(np.where(np.isinf(depth), 1e3, depth).astype(np.float32), np.ones((3, 3), np.uint8))
    seen = inside & (facing > 0.05) & (pixels[:, 2] < nearest[y, x] + SAME_SURFACE_M)
    return Drawn(scale, points, pixels, normals, face_id, bary, depth, facing, seen)
