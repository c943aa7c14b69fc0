"""One head texture out of several baked ones: even colours between them, smooth seams, and no detail twice.

Low frequencies are blended softly by how well each picture shows a texel; fine detail is taken from the one that shows
it best, so that pictures a pixel apart do not blur each other (Burt and Adelson 1983).
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from digitalme.artifacts import Camera
from digitalme.rendering.bake import HeadTexture

FIRST_WINS = 0.35
"""Added to the first picture's trust: it is the one that people compare with."""
BAND = 12 / 2048
"""Where fine detail begins, in widths of the texture."""
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
    trust = [_inner(t.coverage.astype(np.float32) / 255, size) for t in textures]
    base = first.albedo.astype(np.float32)
    colors = [base] + [
        _toward(t.albedo.astype(np.float32), share, base, trust[0], size)
        for t, share in zip(textures[1:], trust[1:], strict=True)
    ]
    # towards what nobody saw the first's own filling takes over softly, or the last picture's edge would show
    filling = 0.3 * (1 - np.max(trust, 0)) ** 2 + 1e-3
    weight = [trust[0] + FIRST_WINS * np.clip(trust[0] * 2 - 0.6, 0, 1) + filling, *trust[1:]]
    total = np.sum(weight, 0)
    best = np.argmax(weight, 0)
    low = np.zeros_like(base)
    fine = np.zeros_like(base)
    relief = np.zeros((size, size, 3), np.float32)
    for place, (color, share, texture) in enumerate(zip(colors, weight, textures, strict=True)):
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


def _inner(coverage: Float32[np.ndarray, "t t"], size: int) -> Float32[np.ndarray, "t t"]:
    """A coverage that falls to 0 softly before its edge does."""
    reach = max(1, round(0.008 * size))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    return np.minimum(cv2.GaussianBlur(cv2.erode(coverage, kernel), (0, 0), 0.005 * size), coverage)


def _toward(
    color: Float32[np.ndarray, "t t 3"],
    share: Float32[np.ndarray, "t t"],
    base: Float32[np.ndarray, "t t 3"],
    base_share: Float32[np.ndarray, "t t"],
    size: int,
) -> Float32[np.ndarray, "t t 3"]:
    """A texture at the first one's tones: the gain that both have where both see, carried on smoothly to where only
    this one does."""
    small = 256
    both = cv2.resize(share * base_share, (small, small), interpolation=cv2.INTER_AREA)
    if both.sum() < 20:
        return color
    ours, theirs = (cv2.resize(each, (small, small), interpolation=cv2.INTER_AREA) for each in (color, base))
    sigma = GAIN_BAND * small
    wide = 4 * sigma

    def mean(values: np.ndarray, width: float) -> np.ndarray:
        return cv2.GaussianBlur(values * both[..., None], (0, 0), width)

    whole = (theirs * both[..., None]).sum((0, 1)) / ((ours * both[..., None]).sum((0, 1)) + 1e-6)
    gain = (mean(theirs, sigma) + mean(theirs, wide) + 2 * whole * 1e-3) / (mean(ours, sigma) + mean(ours, wide) + 2e-3)
    far = np.exp(-cv2.GaussianBlur(both, (0, 0), wide) * 40)[..., None]
    gain = gain * (1 - far) + whole * far
    gain = cv2.resize(np.clip(gain, 0.6, 1.7).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    return color * gain
