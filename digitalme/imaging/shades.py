"""Colours of eyes' whites and of teeth as the photo's light shows them: pure white ones glare in a dim photo."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from digitalme.artifacts import Portrait
from digitalme.body.landmarks import EYE_LEFT, EYE_RIGHT, IRIS_LEFT, IRIS_RIGHT, LIP_INNER_LOWER, LIP_INNER_UPPER
from digitalme.body.landmarks import LIPS_INNER as MOUTH

Rgb = tuple[float, float, float]


def _inside(portrait: Portrait, ring: tuple[int, ...], shrink: int) -> Bool[np.ndarray, "h w"]:
    mask = np.zeros(portrait.image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(portrait.landmarks[list(ring), :2] - 0.5).astype(np.int32)], 1)
    return cv2.erode(mask, np.ones((2 * shrink + 1,) * 2, np.uint8)) > 0


def _bright_median(pixels: np.ndarray, low: float, high: float) -> Rgb:
    """Median colour of the pixels between two percentiles of brightness, sRGB 0..1."""
    light = pixels.mean(1)
    a, b = np.percentile(light, [low, high])
    red, green, blue = (float(v) / 255 for v in np.median(pixels[(light >= a) & (light <= b)], 0))
    return red, green, blue


def eye_white(portrait: Portrait) -> Rgb | None:
    """The lit part of the whites, sRGB 0..1; None where the lids leave too little of them."""
    y, x = np.indices(portrait.image.shape[:2])
    whites = []
    for ring, iris in ((EYE_RIGHT, IRIS_RIGHT), (EYE_LEFT, IRIS_LEFT)):
        spots = portrait.landmarks[list(iris), :2]
        radius = np.linalg.norm(spots[1:] - spots[0], axis=1).mean()
        outside = np.hypot(x + 0.5 - spots[0, 0], y + 0.5 - spots[0, 1]) > 1.15 * radius
        whites.append(portrait.image[_inside(portrait, ring, 1) & outside])
    pixels = np.concatenate(whites)
    if len(pixels) < 30:
        return None
    white = np.array(_bright_median(pixels, 55, 92))
    # no white is as coloured as skin: what is came through glasses, or from the lids' rims
    skin = np.array(portrait.skin_color)
    tint, skin_tint = np.ptp(white) / white.mean(), np.ptp(skin) / skin.mean()
    white = white.mean() + (white - white.mean()) * min(1.0, 0.5 * skin_tint / max(tint, 1e-6))
    # behind dark glasses, or where lashes cover them, whites are no darker than this
    floor = 0.6 * np.mean(portrait.skin_color)
    return tuple(float(v) for v in white * max(1.0, floor / white.mean()))


def eye_from_photo(
    portrait: Portrait, side: str, painted: UInt8[np.ndarray, "s s 3"], iris_share: float
) -> UInt8[np.ndarray, "s s 3"]:
    """A painted eye disc with the photo's own eye where the lids leave it free.

    The disc's middle is the gaze axis and its rim 90 degrees off it; `iris_share` is the iris's radius on it. What the
    lids hide keeps the painted pattern, brought to the colours that the photo shows of iris and white.
    """
    ring, iris = (EYE_RIGHT, IRIS_RIGHT) if side == "right" else (EYE_LEFT, IRIS_LEFT)
    spots = portrait.landmarks[list(iris), :2].astype(np.float64)
    iris_px = np.linalg.norm(spots[[1, 3]] - spots[0], axis=1).mean()
    if iris_px < 4:
        return painted
    across = portrait.landmarks[263, :2] - portrait.landmarks[33, :2]
    across = across / np.linalg.norm(across)
    size = len(painted)
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) / size * 2 - 1] * 2)
    out = np.hypot(x, y)
    # pixels per disc unit: the photo sees the sine of the angle from the gaze axis
    reach = iris_px * np.sin(np.minimum(out, 1) * np.pi / 2) / np.sin(iris_share * np.pi / 2) / np.maximum(out, 1e-6)
    right, down = x * reach, y * reach
    place = spots[0] + right[..., None] * across + down[..., None] * np.array([-across[1], across[0]])
    place = (place - 0.5).astype(np.float32)
    free = _inside(portrait, ring, max(1, round(0.12 * iris_px))).astype(np.float32)
    free = cv2.GaussianBlur(free, (0, 0), max(0.6, 0.08 * iris_px))
    weight = cv2.remap(free, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderValue=0)
    weight = np.clip(2 * weight - 0.6, 0, 1) * (out < 0.95)
    photo = cv2.remap(portrait.image, place[..., 0], place[..., 1], cv2.INTER_CUBIC).astype(np.float32)
    drawn = painted.astype(np.float32)
    inner = np.clip((1.03 * iris_share - out) / (0.06 * iris_share), 0, 1)
    filled = drawn.copy()
    for part in (inner, 1 - inner):
        seen = weight * part
        if seen.sum() > 0.002 * size**2:
            gain = (photo * seen[..., None]).sum((0, 1)) / (drawn * seen[..., None]).sum((0, 1))
            filled += drawn * (np.clip(gain, 0.6, 1.4) - 1) * part[..., None]
    mixed = filled + (photo - filled) * weight[..., None]
    return np.round(np.clip(mixed, 0, 255)).astype(np.uint8)


def enamel(portrait: Portrait) -> Rgb | None:
    """The colour of the front teeth, sRGB 0..1; None where the lips hide them."""
    marks = portrait.landmarks[:, :2]
    gap = np.linalg.norm(marks[list(LIP_INNER_UPPER)] - marks[list(LIP_INNER_LOWER)], axis=1).mean()
    if gap < 0.04 * np.linalg.norm(marks[33] - marks[263]):
        return None
    pixels = portrait.image[_inside(portrait, MOUTH, 2)].astype(np.float32)
    if len(pixels) < 60:
        return None
    color = _bright_median(pixels, 55, 95)
    # gums, tongue and the dark cavity are redder than any tooth
    return color if color[0] < 1.35 * color[2] and sum(color) > 0.9 else None
