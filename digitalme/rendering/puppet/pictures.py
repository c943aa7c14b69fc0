"""Picture operations that the puppet's layers are made with: fills from known pixels, soft masks, polygons."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy.typing import ArrayLike

Mask = Bool[np.ndarray, "h w"]
Soft = Float[np.ndarray, "h w"]
Picture = Float[np.ndarray, "h w 3"]


def smoothstep(low: ArrayLike, high: ArrayLike, x: ArrayLike) -> Any:
    """0 below `low`, 1 above `high` (or the other way round), with a smooth rise between."""
    t = np.clip((np.asarray(x) - low) / (np.asarray(high) - low), 0, 1)
    return t * t * (3 - 2 * t)


def grown(mask: Mask, radius: float) -> Mask:
    """The mask and everything within `radius` pixels of it. A distance transform: its time knows no radius."""
    if not mask.any():
        return mask.copy()
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3) <= radius


def shrunk(mask: Mask, radius: float) -> Mask:
    """The pixels of the mask that are more than `radius` pixels inside; the picture's edge is no border."""
    return ~grown(~mask, radius)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur as float32; wide ones at a quarter of the size, where nothing is lost but time."""
    image = np.asarray(image, np.float32)
    if sigma < 9 or min(image.shape[:2]) < 32:
        return cv2.GaussianBlur(image, (0, 0), max(sigma, 0.1))
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def polygon(points: Float[np.ndarray, "n 2"], shape: tuple[int, ...], grow: float = 0) -> Mask:
    """A filled polygon, grown (or shrunk, if negative) by some pixels."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round((points - 0.5) * 16).astype(np.int32)], 1, shift=4)
    if grow > 0:
        return grown(mask > 0, grow)
    return shrunk(mask > 0, -grow) if grow < 0 else mask > 0


def filled(image: np.ndarray, known: Soft, trust: float = 0.3) -> Float32[np.ndarray, "h w *c"]:
    """Push-pull fill: pixels with weight `known` spread smoothly over those without.

    Where the weight at some pyramid level exceeds `trust`, that level's own mean is kept. (Gortler et al. 1996, The
    Lumigraph, section 3.4.)
    """
    plain = image.ndim == 2
    weighted = np.asarray(image, np.float32).reshape(*image.shape[:2], -1) * known[..., None].astype(np.float32)
    levels = [(weighted, known.astype(np.float32))]
    while min(levels[-1][1].shape) >= 3:
        color, weight = (cv2.pyrDown(x) for x in levels[-1])
        levels.append((color.reshape(*weight.shape, -1), weight))
    color, weight = levels[-1]
    result = color / (weight[..., None] + 1e-8)
    for color, weight in levels[-2::-1]:
        height, width = weight.shape
        up = cv2.pyrUp(result, dstsize=(width, height)).reshape(color.shape)
        share = np.clip(weight / trust, 0, 1)[..., None]
        result = up + (color / (weight[..., None] + 1e-8) - up) * share
    return result[..., 0] if plain else result


def with_alpha(color: np.ndarray, alpha: Soft) -> UInt8[np.ndarray, "h w 4"]:
    """Colours in 0..255 and alpha in 0..1 as an RGBA texture."""
    rgba = np.dstack([color, np.asarray(alpha, np.float32) * 255])
    return np.clip(np.round(rgba), 0, 255).astype(np.uint8)
