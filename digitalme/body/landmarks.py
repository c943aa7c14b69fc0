"""Where MediaPipe's 468 face landmarks lie on the body model, and which of them outline what.

The table (assets/landmarks.npz) was found by running the detector on renders of the model itself and casting its
answers back onto the mesh: tools/make_landmarks.py remakes it. Index groups follow MediaPipe's canonical face
topology; left and right are the person's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32

from digitalme.paths import asset

COUNT = 468
"""Landmarks on the surface. The detector adds ten on the irises, 468..472 right and 473..477 left."""
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The face's outline, clockwise in the picture from the top of the forehead (10) over the chin (152)."""
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
LIP_INNER_UPPER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LIP_INNER_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
"""The inner lip lines without the corners; the i-th upper faces the i-th lower."""
LIP_UPPER = (
    185, 40, 39, 37, 0, 267, 269, 270, 409, 74, 73, 72, 11, 302, 303, 304, 184, 42, 41, 38, 12, 268, 271, 272, 408,
    183, 407, *LIP_INNER_UPPER,
)  # fmt: skip
LIP_LOWER = (
    146, 91, 181, 84, 17, 314, 405, 321, 375, 77, 90, 180, 85, 16, 315, 404, 320, 307, 96, 89, 179, 86, 15, 316, 403,
    319, 325, *LIP_INNER_LOWER,
)  # fmt: skip
"""Everything that belongs to one lip only: red of the lip and its borders, without the corners."""
EYE_RIGHT = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
EYE_LEFT = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
"""The lid openings, from the outer corner over the upper lid to the inner corner and back."""
BROW_RIGHT = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
BROW_LEFT = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
IRIS_RIGHT = (468, 469, 470, 471, 472)
IRIS_LEFT = (473, 474, 475, 476, 477)
"""Centre, then four points on the rim."""
EYE_CORNERS = (33, 133, 362, 263)
"""Outer right, inner right, inner left, outer left."""
NOSE = (168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 97, 326, 327, 294, 278, 344, 440, 275, 45, 220, 115, 48, 64)
FOREHEAD_TOP, CHIN = 10, 152


@dataclass(frozen=True)
class LandmarkTable:
    """Barycentric place of each landmark on the body model."""

    triangles: Int32[np.ndarray, "468 3"]
    """Vertices of the triangle that carries the landmark."""
    weights: Float32[np.ndarray, "468 3"]
    """Barycentric weights, each row sums to 1."""
    spread: Float32[np.ndarray, "468"]
    """Median distance of one render's answer from the consensus over identities, seen from the front, metres."""
    drift: Float32[np.ndarray, "468 2 terms"]
    """How far the detector's answer slides off the landmark as the head turns: metres right and down in the picture
    for each of `pose_terms`."""
    lip_upper: Int32[np.ndarray, "pairs"]
    lip_lower: Int32[np.ndarray, "pairs"]
    """Vertices that touch when the mouth is shut: the i-th of the upper lip rests on the i-th of the lower, from the
    person's right to left. The upper ones differ; a lower one may serve two."""

    @property
    def trusted(self) -> Bool[np.ndarray, "468"]:
        """Landmarks found within 4 mm of the same place on most identities."""
        return self.spread < 0.004


@lru_cache(maxsize=1)
def landmark_table() -> LandmarkTable:
    """Read assets/landmarks.npz."""
    with np.load(asset("landmarks.npz")) as data:
        return LandmarkTable(**{name: data[name] for name in LandmarkTable.__annotations__})


def landmark_points(vertices: Float[np.ndarray, "*batch vertices 3"]) -> Float[np.ndarray, "*batch 468 3"]:
    """Landmarks of the body model's vertices, or of displacements of them: linear in `vertices`."""
    table = landmark_table()
    return np.einsum("...lkc,lk->...lc", vertices[..., table.triangles, :], table.weights)


@lru_cache(maxsize=1)
def mirrored_marks() -> Int32[np.ndarray, "478"]:
    """For each of the detector's landmarks the one on the other side of the face."""
    from scipy.optimize import linear_sum_assignment

    from digitalme.body.model import load_body

    points = landmark_points(load_body().template.astype(float))
    away = np.linalg.norm(points[:, None] * [-1, 1, 1] - points[None], axis=2)
    other = linear_sum_assignment(away + away.T)[1]
    irises = [*IRIS_LEFT[:1], 476, 475, 474, 477, *IRIS_RIGHT[:1], 471, 470, 469, 472]
    return np.r_[other, irises].astype(np.int32)


MIRRORED_TERMS = np.array([-1, 1, -1, 1, 1, -1])
"""What becomes of `pose_terms` when the picture is mirrored."""


def pose_terms(
    camera_from_head: Float[np.ndarray, "3 3"],
) -> tuple[Float[np.ndarray, "6"], Float[np.ndarray, "2 2"]]:
    """A head's pose as the terms that its landmarks' drift is linear in; and the picture's axes with its roll undone.

    Where the nose points to in the picture, s to the right and d down, gives s, s^2, s^3, d, d^2, s d. The rows of the
    second are the head's right and down in the picture.
    """
    up, nose = camera_from_head[:2, 1], camera_from_head[:2, 2]
    down = -up / max(np.linalg.norm(up), 1e-9)
    axes = np.array([[down[1], -down[0]], down])
    s, d = np.clip(axes @ nose, -0.8, 0.8)
    return np.array([s, s**2, s**3, d, d**2, s * d]), axes


def landmark_drift(camera_from_head: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "468 2"]:
    """How far beside its true place the detector sees each landmark of a head in this pose: metres, picture's axes."""
    terms, axes = pose_terms(camera_from_head)
    return (landmark_table().drift @ terms) @ axes


def lip_gap(vertices: Float[np.ndarray, "*batch vertices 3"]) -> Float[np.ndarray, "*batch pairs 3"]:
    """From the lower to the upper lip at each pair of touching vertices, metres. Linear in `vertices`."""
    table = landmark_table()
    return vertices[..., table.lip_upper, :] - vertices[..., table.lip_lower, :]
