"""Whether something hides a part of a face that other pictures of the same person show: a hand, a cup, a telephone.

Faces are laid over each other by their landmarks. What hides one of them has another colour than the others have there,
or none of their features. No network is asked what it is, so a thing that nobody trained for counts as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from scipy.spatial import Delaunay

from digitalme.body import landmarks as marks
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.spaces import srgb_to_linear

SIDE = 96
"""Side of the square that faces are laid into, pixels: 1.6 mm each."""
OTHER_COLOR = 0.11
"""Difference of log colour ratios from which a spot is not the same skin."""
UNLIKE = 0.30
"""Correlation with the likest of the other pictures below which features are gone."""
HIDDEN_SHARE = 0.08
"""A face with more than this share of what should be seen of it hidden is not used, ..."""
MORE_THAN_USUAL = 2.5
"""... if that is so many times the album's median: strands of a fringe hang before every picture of a face."""
TURNED, TURNED_MORE = 0.6, 0.2
"""A head turned by more than this, radians, may seem hidden by so much more for each radian beyond: its landmarks are
found millimetres beside their places, and the pictures with most to tell of the profile must not be lost."""
LIPS_TURNED = 0.9
"""A mouth turned farther than this, radians, is found beside its place."""
LIPS_PALE, LIPS_SPREAD, LIPS_RED = 0.6, 4.0, 0.15
"""Hidden lips: below this part of the album's median redness, and so many deviations below it, where lips are redder
than skin at all (logarithm of red over green). Of 300 clean pictures none had less than 0.83 of it."""
FOREHEAD, HAIR_MOVES, EXPLAINED = 0.3, 9, 0.15
"""A fringe hangs before the forehead, not on it, so that it moves over it with the view: in the square's upper part, up
to so many pixels from where other pictures show hair, a spot is not odd which differs by no more than this (logarithms
of colour ratios, and a quarter of that of brightness) from the person's hair or skin."""
FEATURE = 1.2
"""Spread of the others' evened grey levels around a spot, times the face's usual, from which it shows a feature."""


def hidden_faces(
    images: list[UInt8[np.ndarray, "_ _ 3"]],
    landmarks: list[Float[np.ndarray, "478 3"]],
    yaws: list[float],
    hair: list[Float[np.ndarray, "_ _"]] | None = None,
) -> dict[int, float]:
    """Places of the pictures whose face is hidden, and by how much. `hair`: masks; a person's own hides nothing."""
    if not images:
        return {}
    shares = hidden_shares(images, landmarks, yaws, hair)
    limit = max(HIDDEN_SHARE, MORE_THAN_USUAL * float(np.median(shares)))
    beyond = [TURNED_MORE * max(0.0, abs(yaw) - TURNED) for yaw in yaws]
    found = {place: share for place, share in enumerate(shares) if share > limit + beyond[place]}
    mouths = hidden_mouths(images, landmarks, yaws)
    found |= {place: max(share, shares[place]) for place, share in mouths.items()}
    return dict(sorted(found.items()))


def hidden_mouths(
    images: list[UInt8[np.ndarray, "_ _ 3"]], landmarks: list[Float[np.ndarray, "478 3"]], yaws: list[float]
) -> dict[int, float]:
    """Places of the pictures where the lips are no redder than the skin around them, as a hand before them is not, and
    the lips' share of the face. Light cancels out; what a person's lips are else, the others tell."""
    red, shares = zip(*(_red_of_lips(*each) for each in zip(images, landmarks, strict=True)), strict=True)
    seen = np.array([abs(yaw) < LIPS_TURNED for yaw in yaws])
    if seen.sum() < 3:
        return {}
    usual = np.median(np.array(red)[seen])
    spread = np.median(np.abs(np.array(red)[seen] - usual))
    pale = (red < LIPS_PALE * usual) & (red < usual - LIPS_SPREAD * spread) & seen & (usual > LIPS_RED)
    return {int(place): shares[place] for place in np.flatnonzero(pale)}


def _red_of_lips(image: UInt8[np.ndarray, "h w 3"], landmarks: Float[np.ndarray, "478 3"]) -> tuple[float, float]:
    """How much redder lips are than the face, logarithm of red over green; and their share of its area."""
    masks = []
    for ring in (marks.OVAL, marks.LIPS_OUTER, marks.LIPS_INNER):
        masks.append(np.zeros(image.shape[:2], np.uint8))
        cv2.fillPoly(masks[-1], [np.round(landmarks[list(ring), :2]).astype(np.int32)], 1)
    face, outer, inner = masks
    lips, skin = (outer > 0) & (inner == 0), (face > 0) & (outer == 0)
    if lips.sum() < 10 or skin.sum() < 10:
        return 0.0, 0.0
    light = [np.log(srgb_to_linear(image[where][:, :2] / 255.0) + 0.005) for where in (lips, skin)]
    of_lips, of_skin = (np.median(each[:, 0] - each[:, 1]) for each in light)
    return float(of_lips - of_skin), float(lips.sum() / (face > 0).sum())


@lru_cache(maxsize=1)
def _layout() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles (t, 3) of landmarks, and for each pixel of the square its triangle (-1: none) and weights in it."""
    points = landmark_points(load_body().template.astype(float))
    x, y = points[:, 0], -points[:, 1]
    # unrolled about the vertical axis, so that the cheeks get their share
    across = np.arctan2(x, points[:, 2] - points[:, 2].min() + 0.03)
    flat = np.stack([across / np.ptp(across), (y - y.min()) / np.ptp(y) - 0.5], 1)
    flat[:, 0] -= (flat[:, 0].max() + flat[:, 0].min()) / 2
    flat = (flat * 0.96 + 0.5) * SIDE
    mesh = Delaunay(flat)
    columns, rows = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)
    spots = np.stack([columns.ravel(), rows.ravel()], 1)
    found = mesh.find_simplex(spots)
    inverse = mesh.transform[found]
    two = np.einsum("nij,nj->ni", inverse[:, :2], spots - inverse[:, 2])
    return mesh.simplices, found.reshape(SIDE, SIDE), np.c_[two, 1 - two.sum(1)].reshape(SIDE, SIDE, 3)


def laid_out(
    image: UInt8[np.ndarray, "h w 3"], landmarks: Float[np.ndarray, "478 3"]
) -> tuple[Float32[np.ndarray, "s s 3"], Bool[np.ndarray, "s s"]]:
    """A face in the common square, and which of its pixels the picture shows: not turned away, no eye and no mouth,
    which open and shut."""
    triangles, at, weights = _layout()
    spots = landmarks[: marks.COUNT, :2].astype(np.float64)
    a, b, c = (spots[triangles[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    size = np.abs(area) * np.sign(area) * np.sign(np.median(area))
    inside = at >= 0
    where = np.einsum("yxk,yxkc->yxc", weights, spots[triangles[at]]).astype(np.float32)
    smooth = cv2.GaussianBlur(image, (0, 0), max(0.3, np.sqrt(np.abs(area).sum()) / SIDE / 2))
    face = cv2.remap(smooth, where[..., 0] - 0.5, where[..., 1] - 0.5, cv2.INTER_LINEAR)
    full = np.zeros(len(triangles))
    full[np.unique(at[inside])] = 1
    usual = np.median(size[full > 0])
    seen = inside & (cv2.GaussianBlur((size[at] / usual).astype(np.float32), (0, 0), 2) > 0.45)
    x, y = where[..., 0], where[..., 1]
    seen &= (x > 0) & (y > 0) & (x < image.shape[1] - 1) & (y < image.shape[0] - 1)
    return face.astype(np.float32), cv2.erode(seen.astype(np.uint8), np.ones((5, 5))) > 0


@dataclass(frozen=True)
class _Laid:
    """A face in the common square."""

    seen: Bool[np.ndarray, "s s"]
    tint: Float32[np.ndarray, "s s 2"]
    """Logarithms of red over green and of blue over green."""
    light: Float32[np.ndarray, "s s"]
    """Mean logarithm of the three colours."""
    evened: Float32[np.ndarray, "s s"]
    """The same without what changes slowly, as shade does."""
    hair: Bool[np.ndarray, "s s"]

    @classmethod
    def of(cls, image: np.ndarray, landmarks: np.ndarray, hair: np.ndarray | None) -> _Laid:
        face, seen = laid_out(image, landmarks)
        logs = np.log(face + 8)
        ratio = np.stack([logs[..., 0] - logs[..., 1], logs[..., 2] - logs[..., 1]], 2)
        light = logs.mean(2)
        share = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), 5) + 1e-3
        evened = (light - cv2.GaussianBlur(light * seen, (0, 0), 5) / share) * seen
        there = np.zeros(seen.shape, bool)
        if hair is not None:
            mask = np.repeat(np.round(hair * 255).astype(np.uint8)[..., None], 3, 2)
            there = laid_out(mask, landmarks)[0][..., 0] > 90
        return cls(seen, cv2.GaussianBlur(ratio, (0, 0), 1.5), light, evened, there)

    @cached_property
    def look(self) -> Float32[np.ndarray, "s s 3"]:
        """Colour, and brightness for a quarter: shade falls on a forehead."""
        return np.concatenate([self.tint, 0.25 * self.light[..., None]], 2)

    @cached_property
    def fringe(self) -> Bool[np.ndarray, "s s"]:
        """Where hair may hang in another picture of the person."""
        forehead = np.arange(SIDE)[:, None] < FOREHEAD * SIDE
        around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * HAIR_MOVES + 1,) * 2)
        return forehead & (cv2.dilate((self.hair & forehead).astype(np.uint8), around) > 0)


def hidden_shares(
    images: list[UInt8[np.ndarray, "_ _ 3"]],
    landmarks: list[Float[np.ndarray, "478 3"]],
    yaws: list[float],
    hair: list[Float[np.ndarray, "_ _"]] | None = None,
) -> list[float]:
    """For each picture the share of its face that is hidden; 0 for all where there are fewer than three pictures."""
    if len(images) < 3:
        return [0.0] * len(images)
    masks = hair if hair is not None else [None] * len(images)
    laid = [_Laid.of(*each) for each in zip(images, landmarks, masks, strict=True)]
    shares = []
    for k, face in enumerate(laid):
        others = sorted((j for j in range(len(laid)) if j != k), key=lambda j: abs(yaws[j] - yaws[k]))[:5]
        shares.append(_hidden(face, [laid[j] for j in others]))
    return shares


def _hidden(face: _Laid, others: list[_Laid]) -> float:
    """The share of a face that is unlike all others."""
    away = np.full((SIDE, SIDE, len(others)), np.nan)
    alike = np.full((SIDE, SIDE, len(others)), np.nan)
    strong = np.zeros((SIDE, SIDE), np.float32)
    for place, other in enumerate(others):
        both = face.seen & other.seen
        if both.sum() < 0.15 * SIDE**2:
            continue
        change = face.tint - other.tint
        lamps = np.median(change[both], 0)  # and white balance
        away[..., place] = np.where(both, np.linalg.norm(change - lamps, axis=2), np.nan)
        product, ours, theirs = (
            cv2.GaussianBlur((a * b * both).astype(np.float32), (0, 0), 4)
            for a, b in ((face.evened, other.evened), (face.evened, face.evened), (other.evened, other.evened))
        )
        alike[..., place] = np.where(both, product / np.sqrt(ours * theirs + 1e-6), np.nan)
        strong = np.maximum(strong, np.where(both, np.sqrt(theirs), 0))
    known = ~np.isnan(away).all(2)
    if known.sum() < 0.1 * SIDE**2:
        return 0.0
    nearest = np.where(known, np.nanmin(np.where(np.isnan(away), 9, away), 2), 0)
    likest = np.where(known, np.nanmax(np.where(np.isnan(alike), -1, alike), 2), 1)
    feature = strong > FEATURE * np.median(strong[known])
    odd = known & ((nearest > OTHER_COLOR) | (feature & (likest < UNLIKE))) & ~_fringe_moved(face, others)
    odd = cv2.morphologyEx(odd.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return float(odd.sum() / known.sum())


def _fringe_moved(face: _Laid, others: list[_Laid]) -> Bool[np.ndarray, "s s"]:
    """Where a fringe may hang or be gone from, and nothing but this person's hair or skin is seen."""
    moves = np.any([other.fringe for other in others], axis=0)
    own = [np.median(face.look[face.seen & ~face.fringe], 0)] if (face.seen & ~face.fringe).any() else []
    hairs = []
    for other in others:
        both, hair = face.seen & other.seen & ~face.fringe & ~other.fringe, other.hair & other.seen
        if both.sum() > 0.03 * SIDE**2 and hair.sum() > 30:
            hairs.append(np.median(other.look[hair], 0) + np.median((face.look - other.look)[both], 0))
    if hairs:
        own.append(np.median(hairs, 0))
    return moves & np.any([np.linalg.norm(face.look - color, axis=2) < EXPLAINED for color in own], axis=0)
