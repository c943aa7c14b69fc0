"""Remake assets/landmarks.npz: where each of the face detector's 468 landmarks lies on the body model.

    python tools/make_landmarks.py [--people 100] [--turned-people 400]

The detector looks at renders of the model over random identities, angles and lights; each answer is cast back onto
the mesh, and the median over all renders is the landmark's place. Nothing but the model's own renders is used, so a
bias of the detector is in the table too and cancels when the table is used to fit a photo. The bias depends on the
pose (landmarks on the rim slide along it as the head turns): that part is the drift.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import trimesh

from digitalme.artifacts import Camera
from digitalme.body import landmarks
from digitalme.body.model import BodyModel, load_body
from digitalme.imaging.face_detection import face_landmarks
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

OUT = Path(__file__).parents[1] / "assets" / "landmarks.npz"
SIZE = 1024  # the render; the detector sees it at half size
SKIN, SCLERA, IRIS, PUPIL = (0.78, 0.6, 0.52), (0.9, 0.88, 0.86), (0.25, 0.18, 0.12), (0.02, 0.02, 0.02)


@numba.njit(cache=True)
def z_buffer(pixels, faces, size):
    """Nearest triangle per pixel (-1: none) and its barycentric weights. pixels (v, 3): x, y, depth."""
    depth = np.full((size, size), np.inf)
    nearest = np.full((size, size), -1)
    weights = np.zeros((size, size, 3))
    for t in range(len(faces)):
        a, b, c = pixels[faces[t, 0]], pixels[faces[t, 1]], pixels[faces[t, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area >= -1e-9:  # facing away: pixel axes are left-handed, so an outward triangle has negative area
            continue
        x0, x1 = max(0, int(min(a[0], b[0], c[0]) - 0.5)), min(size - 1, int(max(a[0], b[0], c[0]) + 0.5))
        y0, y1 = max(0, int(min(a[1], b[1], c[1]) - 0.5)), min(size - 1, int(max(a[1], b[1], c[1]) + 0.5))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = x + 0.5, y + 0.5
                wb = ((px - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (py - a[1])) / area
                wc = ((b[0] - a[0]) * (py - a[1]) - (px - a[0]) * (b[1] - a[1])) / area
                wa = 1 - wb - wc
                if wa < -1e-9 or wb < -1e-9 or wc < -1e-9:
                    continue
                z = wa * a[2] + wb * b[2] + wc * c[2]
                if z < depth[y, x]:
                    depth[y, x], nearest[y, x] = z, t
                    weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = wa, wb, wc
    return nearest, weights


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def random_person(body: BodyModel, rng: np.random.Generator) -> dict[str, float]:
    """An adult: phenotypes mixed, every local change of the head a little."""
    weights = {name: rng.normal(0, 0.15) for name in body.names("local")}
    for pair in ("gender", "weight", "muscle"):
        weights[pair + rng.choice(["-", "+"])] = rng.uniform(0, 0.6)
    weights[rng.choice(["age-", "age+"])] = rng.uniform(0, 0.3)
    weights[str(rng.choice(["african", "asian", "caucasian"]))] = rng.uniform(0, 1)
    return weights


def drawn_surface(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Triangles to draw and a colour for each."""
    faces, colors = [], []
    for name in ("head", "body", "mouth_cavity", "eye_socket_left", "eye_socket_right", "eye_left", "eye_right"):
        part = body.parts[name]
        color = np.tile(SKIN, (len(part.faces), 1))
        if name in ("eye_left", "eye_right"):
            middle = body.template[part.faces].mean(1)
            ball = body.template[part.vertex_ids].mean(0)
            angle = np.arctan2(np.linalg.norm((middle - ball)[:, :2], axis=1), (middle - ball)[:, 2])
            color = np.where((angle < 0.38)[:, None], IRIS, SCLERA)
            color[angle < 0.16] = PUPIL
        faces.append(part.faces)
        colors.append(color)
    return np.concatenate(faces), np.concatenate(colors)


@dataclass(frozen=True)
class Sighting:
    """One render and where the detector saw its landmarks."""

    camera: Camera
    faces: np.ndarray
    pixels: np.ndarray
    """(v, 3) projected vertices."""
    nearest: np.ndarray
    """Triangle per pixel, -1: none."""
    spots: np.ndarray
    """(468, 2) detected landmarks, pixels."""

    def cast_back(self, template: np.ndarray) -> np.ndarray:
        """(468, 3) the detected landmarks carried to the template; NaN beside the mesh."""
        x, y = np.clip(self.spots.astype(int), 0, SIZE - 1).T
        triangle = self.nearest[y, x]
        # weights at the exact spot, not at the pixel's centre
        a, b, c = (self.pixels[self.faces[triangle, corner], :2] for corner in range(3))
        area = cross(b - a, c - a)
        wb, wc = cross(self.spots - a, c - a) / area, cross(b - a, self.spots - a) / area
        weights = np.clip(np.stack([1 - wb - wc, wb, wc], -1), 0, 1)
        weights /= weights.sum(1, keepdims=True)
        place = np.einsum("lkc,lk->lc", template[self.faces[triangle]], weights)
        place[triangle < 0] = np.nan
        return place


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]


def look_at(vertices: np.ndarray, center: np.ndarray, angles, light, faces, colors) -> Sighting | None:
    """Draw one person and let the detector look; None when it finds no face."""
    around = center + np.array([0, 0.01, 0])
    rotation = CAMERA_FROM_WORLD_FRONT @ rotation_from_euler(*angles)
    camera = Camera(2.6 * SIZE, SIZE, SIZE, np.c_[rotation, -rotation @ around + [0, 0, 0.9]])
    pixels = camera.project(vertices)
    nearest, bary = z_buffer(pixels, faces, SIZE)
    normals = vertex_normals(vertices, faces)
    normal = (normals[faces[nearest]] * bary[..., None]).sum(2)
    lit = 0.4 + 0.6 * np.clip(normal @ light / np.linalg.norm(light), 0, 1)
    picture = np.where((nearest < 0)[..., None], (0.5, 0.55, 0.6), colors[nearest] * lit[..., None])
    picture = (picture.reshape(SIZE // 2, 2, SIZE // 2, 2, 3).mean((1, 3)) * 255).astype(np.uint8)
    found = face_landmarks(picture)
    if found is None:
        return None
    return Sighting(camera, faces, pixels, nearest, found[: landmarks.COUNT, :2].astype(float) * 2)


def closest_on_skin(body: BodyModel, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The triangle of the head's skin nearest to each template point, and the weights there."""
    faces = body.parts["head"].faces
    corners = body.template[faces].astype(float)
    triangles, weights = [], []
    for point in points:
        place = trimesh.triangles.closest_point(corners, np.broadcast_to(point, (len(faces), 3)))
        best = np.linalg.norm(place - point, axis=1).argmin()
        triangles.append(faces[best])
        weights.append(trimesh.triangles.points_to_barycentric(corners[best : best + 1], place[best : best + 1])[0])
    return np.array(triangles), np.clip(weights, 0, 1)


def touching_lips(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """For each upper-lip vertex with one of the lower lip within 2.5 mm, that pair, from the person's right to left.

    jawOpen tells the lips apart: it pulls the lower one down by 34 mm in the middle and both by 12 mm at the corners.
    """
    head = body.parts["head"].vertex_ids
    place, drop = body.template[head], body.displacement("jawOpen")[head, 1]
    near = np.linalg.norm((place - [0, 1.649, 0.155]) / [0.023, 0.01, 0.02], axis=1) < 1
    lower, upper = head[near & (drop < -0.0125)], head[near & (drop > -0.011)]
    away = np.linalg.norm(body.template[upper][:, None] - body.template[lower][None], axis=2)
    touching = away.min(1) < 0.0025
    pairs = np.stack([upper, lower[away.argmin(1)]], 1)[touching]
    return tuple(pairs[np.argsort(body.template[pairs[:, 0], 0], kind="stable")].T.astype(np.int32))


def mirrored_indices(points: np.ndarray) -> np.ndarray:
    """(468,) for each landmark the one on the other side of the face."""
    return np.linalg.norm(points[:, None] * [-1, 1, 1] - points[None], axis=2).argmin(1)


def fitted_drift(terms: np.ndarray, misses: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of the misses (n, 468, 2) on the pose terms (n, t), faces and their mirror images alike.

    Returns coefficients (468, 2, t) and what remains, (468,) metres.
    """
    terms = np.concatenate([terms, terms * landmarks.MIRRORED_TERMS])
    misses = np.concatenate([misses, misses[:, mirror] * [-1, 1]])
    misses = np.clip(misses, *np.percentile(misses, [0.2, 99.8]))
    flat = misses.reshape(len(misses), -1)
    ridge = 1e-3 * len(terms) * np.eye(terms.shape[1]) * (terms**2).mean(0)
    found = np.linalg.solve(terms.T @ terms + ridge, terms.T @ flat)
    left = (flat - terms @ found).reshape(misses.shape)
    return found.T.reshape(landmarks.COUNT, 2, -1), np.sqrt((left**2).sum(2).mean(0))


def main(people: int, turned_people: int) -> None:
    body, rng = load_body(), np.random.default_rng(0)
    faces, colors = drawn_surface(body)

    def sightings(count: int, pitch: float, yaw: float):
        for person in range(count):
            shape = random_person(body, rng)
            angles = (rng.uniform(-pitch, pitch), rng.uniform(-yaw, yaw), 0.0)
            light = rng.normal((0, 0.4, 1), (0.5, 0.3, 0))
            vertices = body.vertices(shape).astype(np.float64)
            sighting = look_at(vertices, body.head_center, angles, light, faces, colors)
            if sighting is None:
                print(f"person {person}: no face found")
                continue
            yield vertices, sighting

    # every identity's answer, carried to the template
    places = np.stack([sighting.cast_back(body.template) for _, sighting in sightings(people, 0.12, 0.2)])
    consensus = np.nanmedian(places, 0)
    # seen from the front: a landmark on the rim slides in depth with the pose, which a photo barely shows
    spread = np.nanmedian(np.linalg.norm((places - consensus)[..., :2], axis=2), 0)
    triangles, weights = closest_on_skin(body, consensus)

    upper, lower = touching_lips(body)
    for indices, lip in ((landmarks.LIP_INNER_UPPER, upper), (landmarks.LIP_INNER_LOWER, lower)):
        for index in indices:  # a shut mouth's pairs fall on one lip: put each on its own
            aside, behind = np.abs(body.template[lip, 0] - consensus[index, 0]), -body.template[lip, 2]
            vertex = lip[(aside + 0.2 * behind).argmin()]  # the seen edge of the contact, not its inside
            triangle = body.parts["head"].faces[(body.parts["head"].faces == vertex).any(1)][0]
            triangles[index], weights[index] = triangle, triangle == vertex

    # how far the detector's answers slide off those places as the head turns
    terms, misses = [], []
    for vertices, sighting in sightings(turned_people, 0.35, 0.85):
        points = np.einsum("lkc,lk->lc", vertices[triangles], weights)
        pixels = sighting.camera.project(points)
        terms.append(landmarks.pose_terms(sighting.camera.camera_from_world[:, :3])[0])
        misses.append((sighting.spots - pixels[:, :2]) * pixels[:, 2:] / sighting.camera.focal_px)
    misses = np.stack(misses)
    drift, left = fitted_drift(np.stack(terms), misses, mirrored_indices(consensus))
    np.savez_compressed(
        OUT,
        triangles=triangles.astype(np.int32),
        weights=weights.astype(np.float32),
        spread=spread.astype(np.float32),
        drift=drift.astype(np.float32),
        lip_upper=upper,
        lip_lower=lower,
    )
    print(f"{len(places)} of {people} renders; spread in mm: median {np.median(spread) * 1e3:.2f}, ", end="")
    print(f"90 % {np.percentile(spread, 90) * 1e3:.2f}, worst {spread.max() * 1e3:.2f}; {len(upper)} lip pairs")
    before = np.sqrt((misses**2).sum(2).mean()) * 1e3
    print(f"turned heads: landmarks off by {before:.2f} mm RMS, {np.sqrt((left**2).mean()) * 1e3:.2f} without drift")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100, help="seen from about the front, for the places")
    parser.add_argument("--turned-people", type=int, default=400, help="seen from all sides, for the drift")
    arguments = parser.parse_args()
    main(arguments.people, arguments.turned_people)
