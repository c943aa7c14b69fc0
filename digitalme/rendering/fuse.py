"""One head texture out of several baked ones: even colours between them, smooth seams, and no detail twice.

Low frequencies are blended softly by how well each picture shows a texel; fine detail is taken from the one that shows
it best, so that pictures a pixel apart do not blur each other (Burt and Adelson 1983).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts import Camera
from digitalme.body.character import JOINT_NAMES, humanoid_weights
from digitalme.body.model import load_body
from digitalme.imaging.drawing import smoothstep
from digitalme.rendering.bake import HeadTexture, unwrapped_head

FIRST_WINS = 0.35
"""Added to the first picture's trust: it is the one that people compare with."""
BAND = 12 / 2048
"""Where fine detail begins, in widths of the texture."""
FADE = 0.05
"""Over which distance from the edge of all that is shown a picture gives way to the skin's own tone, in widths: light
falls off there, hair and collar throw their shadows."""
GAIN_BAND = 90 / 2048
"""Over which distance the pictures' colours are brought to each other."""


def views_to_bake(cameras: list[Camera], count: int) -> list[int]:
    """The first picture, then those that look from places farthest from what is chosen already."""
    directions = np.array([-camera.camera_from_world[2, :3] for camera in cameras])
    chosen = [0]
    while len(chosen) < min(count, len(cameras)):
        nearest = (directions @ directions[chosen].T).max(1)
        nearest[chosen] = 2
        chosen.append(int(nearest.argmin()))
    return chosen


def fused_textures(textures: list[HeadTexture]) -> HeadTexture:
    """Blend textures of one person; where no picture shows a texel the first one's filling stays."""
    first = textures[0]
    if len(textures) == 1:
        return first
    size = len(first.albedo)
    on_head = _of_head(size)
    trust = [_inner(t.coverage.astype(np.float32) / 255, size) * on_head for t in textures]
    colors = _evened([t.albedo.astype(np.float32) for t in textures], trust)
    # towards what nobody saw the first's own filling takes over softly, or the last picture's edge would show
    told = _well_inside(np.max([t.coverage for t in textures], 0))
    seen = trust[0] > 0.5
    lighter = np.median(colors[0][seen], 0) / np.median(first.albedo[seen], 0) if seen.any() else 1.0
    weight = [share * told for share in trust]
    weight[0] += FIRST_WINS * np.clip(trust[0] * 2 - 0.6, 0, 1)
    colors.append((first.albedo * lighter).astype(np.float32))
    weight.append(1 - told + 1e-3)
    total = np.sum(weight, 0)
    best = np.argmax(weight, 0)
    low = np.zeros_like(colors[0])
    fine = np.zeros_like(colors[0])
    relief = np.zeros((size, size, 3), np.float32)
    for place, (color, share, texture) in enumerate(zip(colors, weight, [*textures, first], strict=True)):
        smooth = cv2.GaussianBlur(color, (0, 0), BAND * size)
        low += smooth * (share / total)[..., None]
        own = cv2.GaussianBlur((best == place).astype(np.float32), (0, 0), 0.0015 * size)[..., None]
        fine += (color - smooth) * own
        relief += texture.normal_map.astype(np.float32) * own
    vector = relief / 127.5 - 1
    vector /= np.linalg.norm(vector, axis=2, keepdims=True) + 1e-6
    return HeadTexture(
        np.round(np.clip(low + fine, 0, 255)).astype(np.uint8),
        np.round(np.clip(vector * 127 + 128, 0, 255)).astype(np.uint8),
        np.max([t.coverage for t in textures], 0),
        first.head_uv_box,
    )


def _well_inside(coverage: UInt8[np.ndarray, "t t"]) -> Float32[np.ndarray, "t t"]:
    """0 where what the pictures show ends, 1 from FADE inside of it; eyes and mouth are no ends."""
    small, size = 256, len(coverage)
    shown = (cv2.resize(coverage, (small, small), interpolation=cv2.INTER_AREA) > 100).astype(np.uint8)
    reach = round(0.05 * small)
    shown = cv2.morphologyEx(np.pad(shown, reach), cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    away = cv2.distanceTransform(shown, cv2.DIST_L2, 5)[reach:-reach, reach:-reach] / (FADE * small)
    soft = cv2.GaussianBlur(smoothstep(0.0, 1.0, away).astype(np.float32), (0, 0), 1.5)
    return cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR)


def _inner(coverage: Float32[np.ndarray, "t t"], size: int) -> Float32[np.ndarray, "t t"]:
    """A coverage that falls to 0 softly before its edge does."""
    reach = max(1, round(0.008 * size))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    return np.minimum(cv2.GaussianBlur(cv2.erode(coverage, kernel), (0, 0), 0.005 * size), coverage)


def _evened(
    colors: list[Float32[np.ndarray, "t t 3"]], trust: list[Float32[np.ndarray, "t t"]]
) -> list[Float32[np.ndarray, "t t 3"]]:
    """All pictures at common tones: in each neighbourhood the mean of what they show, by how squarely they show it. A
    cheek is lit in the pictures that look at it and dark in those that look past it."""
    small, size = 256, len(colors[0])
    sigma = GAIN_BAND * small
    fields, shares = [], []
    for color, share in zip(colors, trust, strict=True):
        seen = cv2.resize(share, (small, small), interpolation=cv2.INTER_AREA)
        shown = cv2.resize(color, (small, small), interpolation=cv2.INTER_AREA)
        both = np.dstack([shown, np.ones_like(seen)]) * (seen**2)[..., None]
        summed = cv2.GaussianBlur(both, (0, 0), sigma) + 0.02 * cv2.GaussianBlur(both, (0, 0), 4 * sigma)
        middle = both.sum((0, 1)) / (both[..., 3].sum() + 1e-6)
        summed += 1e-5 * np.append(middle[:3], 1).astype(np.float32)  # far from all of it
        fields.append(summed[..., :3] / summed[..., 3:])
        shares.append(summed[..., 3:])
    common = np.sum([field * share for field, share in zip(fields, shares, strict=True)], 0) / np.sum(shares, 0)
    gains = [np.clip(common / (field + 1e-3), 0.6, 1.7).astype(np.float32) for field in fields]
    return [
        color * cv2.resize(gain, (size, size), interpolation=cv2.INTER_LINEAR)
        for color, gain in zip(colors, gains, strict=True)
    ]


@lru_cache(maxsize=2)
def _of_head(size: int) -> Float32[np.ndarray, "t t"]:
    """1 on what moves with the head, 0 on the neck below it, which stands in the head's shadow."""
    body = load_body()
    part = body.parts["head"]
    joints, weights = humanoid_weights(body)
    share = (weights * (joints == JOINT_NAMES.index("Head"))).sum(1)
    face, bary = unwrapped_head(size // 2)
    covered = face >= 0
    grid = np.zeros(face.shape, np.float32)
    grid[covered] = (share[part.faces[face[covered]]] * bary[covered]).sum(1)
    return cv2.resize(smoothstep(0.75, 0.97, grid).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
