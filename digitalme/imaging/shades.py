"""Colours of eyes' whites and of teeth as the photo's light shows them: pure white ones glare in a dim photo."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool

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
    """The lit part of the whites as good light would show it, sRGB 0..1; None where the lids leave too little of it."""
    seen = seen_white(portrait)
    if seen is None:
        return None
    white = np.array(seen)
    # no white is as coloured as skin: what is came through glasses, or from the lids' rims
    skin = np.array(portrait.skin_color)
    tint, skin_tint = np.ptp(white) / white.mean(), np.ptp(skin) / skin.mean()
    white = white.mean() + (white - white.mean()) * min(1.0, 0.5 * skin_tint / max(tint, 1e-6))
    # behind dark glasses, or where lashes cover them, whites are no darker than this
    floor = 0.6 * np.mean(portrait.skin_color)
    red, green, blue = (float(v) for v in white * max(1.0, floor / white.mean()))
    return red, green, blue


def seen_white(portrait: Portrait) -> Rgb | None:
    """The lit part of the whites as the photo has it, sRGB 0..1; None where the lids leave too little of it."""
    y, x = np.indices(portrait.image.shape[:2])
    whites = []
    for ring, iris in ((EYE_RIGHT, IRIS_RIGHT), (EYE_LEFT, IRIS_LEFT)):
        spots = portrait.landmarks[list(iris), :2]
        radius = np.linalg.norm(spots[1:] - spots[0], axis=1).mean()
        outside = np.hypot(x + 0.5 - spots[0, 0], y + 0.5 - spots[0, 1]) > 1.15 * radius
        whites.append(portrait.image[_inside(portrait, ring, 1) & outside])
    pixels = np.concatenate(whites)
    return None if len(pixels) < 30 else _bright_median(pixels, 55, 92)


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
