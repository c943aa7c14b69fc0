"""Where two pictures of a head disagree about its surface.

One is laid over the fitted head and looked at from the other's place; optical flow says how far each spot lies beside
the other picture. What sits at pixel q of one picture was found at pixel p of the other. Sliding along the surface
explains nothing of such a pair, so each tells of the surface's depth, of the poses and of the expressions alone:
two-view geometry, measured densely and to fractions of a pixel (DIS flow, Kroeger et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from digitalme.rendering.shots import Drawn, HeadBasis

ALIKE = 0.35
"""Correlation of the two pictures around a spot from which the flow is believed."""
FACING = 0.30
"""Cosine to either camera below which a spot is too slanted to compare."""
AGREED_PX = 0.8
"""Flow there and back again may miss its start by so much."""
RIM_PX = 7
"""Spots nearer to the edge of what both pictures show are left out."""


@dataclass(frozen=True)
class PairFlow:
    """Spots seen by two shots: what lies at the first one's projection of the vertex was found in the second `miss`
    pixels from its projection of it."""

    first: int
    second: int
    vertices: Int[np.ndarray, "n"]
    """Into the basis' vertices."""
    miss: Float[np.ndarray, "n 2"]
    trust: Float[np.ndarray, "n"]


def evened(picture: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "h w"], sigma: float) -> Float[np.ndarray, "h w"]:
    """Grey levels without their local mean and contrast inside the mask: light and exposure gone. 128 outside."""
    inside = mask.astype(np.float32)
    share = cv2.GaussianBlur(inside, (0, 0), sigma) + 1e-3
    mean = cv2.GaussianBlur(picture * inside, (0, 0), sigma) / share
    rest = (picture - mean) * inside
    spread = np.sqrt(
        cv2.GaussianBlur(rest * rest, (0, 0), 2 * sigma) / (cv2.GaussianBlur(inside, (0, 0), 2 * sigma) + 1e-3)
    )
    return np.clip(128 + 40 * rest / (spread + 1.5), 0, 255)


def _flow(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """DIS at its finest: every pixel's way from one 8-bit picture to the other."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(0)
    search.setPatchStride(4)
    search.setVariationalRefinementIterations(3)
    return search.calc(start, end, None)


def pair_flow(
    drawn: list[Drawn], greys: list[np.ndarray], usable: list[np.ndarray], first: int, second: int, basis: HeadBasis
) -> PairFlow | None:
    """Flow from the first picture, laid over the head and seen from the second's place, to the second picture.

    `greys` are the pictures (h, w) float32, `usable` (h, w) bool where they show skin, both at the size of `drawn`.
    None where they share too little.
    """
    a, b = drawn[first], drawn[second]
    a_pixels, b_pixels = a.pixels[:, :2] * a.scale, b.pixels[:, :2] * b.scale
    both = a.seen & b.seen & basis.skin & (a.facing > FACING) & (b.facing > FACING)
    if both.sum() < 60:
        return None
    x0, y0 = np.maximum(b_pixels[both].min(0).astype(int) - 24, 0)
    x1, y1 = b_pixels[both].max(0).astype(int) + 25
    window = (slice(y0, y1), slice(x0, x1))
    face, bary = b.face_id[window], b.bary[window]
    covered = face >= 0
    corners = basis.faces[face[covered]]
    values = np.c_[a_pixels, a.seen & (a.facing > 0.2), b.facing > 0.2].astype(np.float32)
    here = np.zeros((*face.shape, 4), np.float32)
    here[covered] = np.einsum("nk,nkc->nc", bary[covered], values[corners])
    laid = cv2.remap(greys[first], here[..., 0] - 0.5, here[..., 1] - 0.5, cv2.INTER_CUBIC)
    skin = cv2.remap(usable[first].astype(np.float32), here[..., 0] - 0.5, here[..., 1] - 0.5, cv2.INTER_LINEAR)
    mask = (here[..., 2] > 0.99) & (here[..., 3] > 0.99) & (skin > 0.9) & usable[second][window]
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    if mask.sum() < 800:
        return None
    unit = 0.02 * np.hypot(x1 - x0, y1 - y0)
    one, two = (evened(picture, mask, unit) for picture in (laid, greys[second][window]))
    there, back = _flow(one.astype(np.uint8), two.astype(np.uint8)), _flow(two.astype(np.uint8), one.astype(np.uint8))
    rows, columns = np.indices(mask.shape, np.float32)
    returned = there + cv2.remap(back, columns + there[..., 0], rows + there[..., 1], cv2.INTER_LINEAR)
    agreed = np.linalg.norm(returned, axis=2)
    found = cv2.remap(two.astype(np.float32), columns + there[..., 0], rows + there[..., 1], cv2.INTER_LINEAR)
    alike = _correlation(one - 128, found - 128, mask, unit)
    deep = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    trust = np.clip((alike - ALIKE) / 0.4, 0, 1) * (agreed < AGREED_PX) * (deep > RIM_PX)

    ids = np.flatnonzero(both)
    spots = b_pixels[ids] - [x0, y0] - 0.5
    spots = spots.astype(np.float32)[None]
    miss = cv2.remap(cv2.GaussianBlur(there, (0, 0), 1.5), spots[..., 0], spots[..., 1], cv2.INTER_LINEAR)[0]
    trust = cv2.remap(trust.astype(np.float32), spots[..., 0], spots[..., 1], cv2.INTER_NEAREST)[0]
    keep = trust > 0.05
    if keep.sum() < 40:
        return None
    return PairFlow(first, second, ids[keep], miss[keep].astype(np.float64) / b.scale, trust[keep].astype(np.float64))


def _correlation(a: np.ndarray, b: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Local correlation of two pictures whose means are 0."""
    inside = mask.astype(np.float32)

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur((x * inside).astype(np.float32), (0, 0), sigma)

    return mean(a * b) / np.sqrt(mean(a * a) * mean(b * b) + 1e-3)
