"""The head as a radius map around its middle: where hair roots are and what hair may not sink into."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from digitalme.body.character import vertex_normals
from digitalme.body.model import BodyModel

POLE_TILT = np.radians(20)
MAX_POLAR = np.radians(150)
_CLOTH = 0.017
_AZIMUTHS, _POLARS = 192, 96


def ear_vertices(model: BodyModel) -> np.ndarray:
    """Indices of the vertices that stand out beyond the skull at the height of the ears."""
    place = model.template - model.head_center
    out = (np.abs(place[:, 0]) > 0.068) & (np.abs(place[:, 1]) < 0.05) & (place[:, 2] < 0)
    return np.intersect1d(np.flatnonzero(out), model.parts["head"].vertex_ids)


@dataclass(frozen=True)
class Scalp:
    """Skull and neck without ears in spherical coordinates.

    Polar angle 0 is the crown (20 degrees behind the top); azimuth 0 is the front, pi/2 the person's left.
    `radius` (polars, azimuths) is the distance of the skin from `center`, metres; `hull` likewise with hair on it.
    """

    center: Float[np.ndarray, "3"]
    radius: Float[np.ndarray, "p a"]
    skin: cKDTree | None
    skin_points: Float[np.ndarray, "n 3"] | None
    skin_normals: Float[np.ndarray, "n 3"] | None

    def directions(self, azimuth: np.ndarray, polar: np.ndarray) -> np.ndarray:
        up = np.array([0, np.cos(POLE_TILT), -np.sin(POLE_TILT)])
        forward = np.array([0, np.sin(POLE_TILT), np.cos(POLE_TILT)])
        side = np.array([1.0, 0, 0])
        azimuth, polar = np.asarray(azimuth)[..., None], np.asarray(polar)[..., None]
        return np.cos(polar) * up + np.sin(polar) * (np.cos(azimuth) * forward + np.sin(azimuth) * side)

    def angles(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Azimuth in (-pi, pi] and polar angle of world points."""
        d = points - self.center
        d = d / np.maximum(np.linalg.norm(d, axis=-1, keepdims=True), 1e-9)
        up = np.array([0, np.cos(POLE_TILT), -np.sin(POLE_TILT)])
        forward = np.array([0, np.sin(POLE_TILT), np.cos(POLE_TILT)])
        return np.arctan2(d[..., 0], d @ forward), np.arccos(np.clip(d @ up, -1, 1))

    @staticmethod
    def grid(polars: int = _POLARS, azimuths: int = _AZIMUTHS) -> tuple[np.ndarray, np.ndarray]:
        """Azimuth and polar angle (polars, azimuths) of a radius map; column 0 is the front."""
        azimuth, polar = np.meshgrid(
            np.linspace(0, 2 * np.pi, azimuths, endpoint=False), np.linspace(0, MAX_POLAR, polars)
        )
        return azimuth, polar

    @staticmethod
    def sample(values: np.ndarray, azimuth: np.ndarray, polar: np.ndarray) -> np.ndarray:
        """Bilinear look-up in a (polars, azimuths[, channels]) map."""
        polars, azimuths = values.shape[:2]
        x = (np.asarray(azimuth) % (2 * np.pi)) / (2 * np.pi) * azimuths
        y = np.clip(np.asarray(polar) / MAX_POLAR * (polars - 1), 0, polars - 1.001)
        column, row = np.floor(x).astype(int), y.astype(int)
        fx, fy = x - column, y - row
        if values.ndim == 3:
            fx, fy = fx[..., None], fy[..., None]
        left, right = column % azimuths, (column + 1) % azimuths
        upper = values[row, left] * (1 - fx) + values[row, right] * fx
        lower = values[row + 1, left] * (1 - fx) + values[row + 1, right] * fx
        return upper * (1 - fy) + lower * fy

    def surface(self, azimuth: np.ndarray, polar: np.ndarray, height: np.ndarray | float = 0.0) -> np.ndarray:
        """World points `height` metres above the skin."""
        reach = self.sample(self.radius, azimuth, polar) + height
        return self.center + self.directions(azimuth, polar) * np.asarray(reach)[..., None]

    def push_out(self, points: np.ndarray, clearance: np.ndarray | float) -> np.ndarray:
        """Points moved so that they stay `clearance` metres outside skull, neck and shoulders."""
        azimuth, polar = self.angles(points)
        offset = points - self.center
        distance = np.linalg.norm(offset, axis=1)
        limit = self.sample(self.radius, azimuth, polar) + clearance
        inside = (distance < limit) & (polar < np.radians(115))
        scale = np.where(inside, limit / np.maximum(distance, 1e-6), 1.0)
        moved = self.center + offset * scale[:, None]
        low = np.flatnonzero(polar > np.radians(85))
        if len(low) and self.skin is not None and self.skin_normals is not None and self.skin_points is not None:
            _, nearest = self.skin.query(moved[low])
            normal = self.skin_normals[nearest]
            depth = np.einsum("ij,ij->i", moved[low] - self.skin_points[nearest], normal)
            want = np.broadcast_to(np.asarray(clearance, float), (len(points),))[low] + 0.003
            want = want + np.where(moved[low, 1] < self.center[1] - 0.15, _CLOTH, 0)
            moved[low] += normal * np.clip(want - depth, 0, 0.03)[:, None]
        return moved

    def drawn_in(self, points: Float[np.ndarray, "n 3"], height: float) -> Float[np.ndarray, "n 3"]:
        """Points brought down to `height` over the skin where the smooth radius map bulges over temples and ears."""
        if self.skin is None or self.skin_points is None or self.skin_normals is None:
            return points
        _, near = self.skin.query(points, 4)
        normal = self.skin_normals[near].mean(1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        over = np.einsum("nkc,nc->nk", points[:, None] - self.skin_points[near], normal).min(1)
        return points - normal * np.clip(over - height, 0, None)[:, None]


def _sample(corners: Float[np.ndarray, "f 3 3"], steps: int) -> Float[np.ndarray, "s 3"]:
    """Points spread evenly over triangles, `steps` + 1 along each edge."""
    a, b = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1))
    a, b = a[a + b <= steps], b[a + b <= steps]
    bary = np.stack([a, b, steps - a - b], 1) / steps
    return np.einsum("fkc,sk->fsc", corners, bary).reshape(-1, 3)


def build_scalp(vertices: Float[np.ndarray, "vertices 3"], model: BodyModel) -> Scalp:
    """The radius map of these bind-pose vertices. Farthest surface along each ray, by dense samples (0.1 s)."""
    head, body = model.parts["head"], model.parts["body"]
    top = vertices[head.vertex_ids, 1].max()
    center = np.array([0.0, top - 0.105, model.head_center[2] - 0.045])
    upper_body = body.faces[(vertices[body.faces][..., 1] > center[1] - 0.30).all(1)]
    faces = np.concatenate([head.faces, upper_body])
    ears = ear_vertices(model)
    faces = faces[~np.isin(faces, ears).any(1)]
    near = faces[(vertices[faces][..., 1] > center[1] - 0.20).all(1)]

    corners = vertices[near]
    size = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2).max(1)
    points = np.concatenate([_sample(corners[size < 0.008], 5), _sample(corners[size >= 0.008], 24)])
    scalp = Scalp(center, np.zeros((_POLARS, _AZIMUTHS)), None, None, None)
    azimuth, polar = scalp.angles(points)
    seen = np.zeros((_POLARS, _AZIMUTHS), np.float32)
    rows = np.round(polar / MAX_POLAR * (_POLARS - 1)).astype(int)
    columns = np.round(azimuth / (2 * np.pi) * _AZIMUTHS).astype(int) % _AZIMUTHS
    inside = rows < _POLARS
    np.maximum.at(seen, (rows[inside], columns[inside]), np.linalg.norm(points - center, axis=1)[inside])
    seen[0] = seen[:3].max()
    wrapped = np.concatenate([seen] * 3, 1)
    for sigma in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):  # holes (the ears' places) take what lies around them
        known = (wrapped > 0.04).astype(np.float32)
        share = cv2.GaussianBlur(known, (0, 0), sigma)
        near = cv2.GaussianBlur(wrapped * known, (0, 0), sigma) / np.maximum(share, 1e-6)
        wrapped = np.where(known > 0, wrapped, np.where(share > 0.05, near, 0)).astype(np.float32)
    smooth = cv2.GaussianBlur(cv2.medianBlur(wrapped, 5), (0, 0), 1.5)

    ids = np.unique(faces)
    normals = vertex_normals(vertices, faces)[ids]
    radius = smooth[:, _AZIMUTHS : 2 * _AZIMUTHS].astype(np.float64)
    radius[0] = radius[0].mean()
    return Scalp(center, radius, cKDTree(vertices[ids]), np.asarray(vertices[ids], float), normals.astype(float))


def hairline(azimuth: np.ndarray) -> np.ndarray:
    """Largest polar angle (radians) of hair roots: forehead 66 degrees, temples 80, over the ear 88, nape 108."""
    side = np.abs((np.degrees(azimuth) + 180) % 360 - 180)
    return np.radians(np.interp(side, [0, 25, 45, 65, 85, 105, 125, 180], [66, 66, 70, 80, 88, 98, 105, 108]))
