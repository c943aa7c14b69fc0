"""Soft edges for hard masks, and filling of what a mask leaves out."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from digitalme.imaging.masks import dilated, eroded


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    """0 at `low`, 1 at `high`, smooth between; `low` may be the larger."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def push_pull(
    image: Float[np.ndarray, "h w c"] | UInt8[np.ndarray, "h w c"],
    weight: Float[np.ndarray, "h w"] | Bool[np.ndarray, "h w"],
    enough: float = 0.3,
) -> Float32[np.ndarray, "h w c"]:
    """Fill where `weight` is 0 from what surrounds it (Gortler et al. 1996, push-pull over a pyramid).

    A pixel of weight `enough` keeps its own colour.
    """
    weights = [weight.astype(np.float32)]
    colors = [image.astype(np.float32) * weights[0][..., None]]
    while min(weights[-1].shape) > 2:
        colors.append(cv2.pyrDown(colors[-1]).reshape(*((n + 1) // 2 for n in weights[-1].shape), -1))
        weights.append(cv2.pyrDown(weights[-1]))
    filled = colors[-1] / (weights[-1][..., None] + 1e-8)
    for color, there in zip(colors[-2::-1], weights[-2::-1], strict=True):
        coarse = cv2.pyrUp(filled, dstsize=there.shape[::-1]).reshape(color.shape)
        own = np.clip(there / enough, 0, 1)[..., None]
        filled = coarse * (1 - own) + color / (there[..., None] + 1e-8) * own
    return filled


def guided_filter(
    image: UInt8[np.ndarray, "h w 3"], mask: Float32[np.ndarray, "h w"], radius: int, epsilon: float = 1e-3
) -> Float32[np.ndarray, "h w"]:
    """Fit `mask` to the edges of `image` (He et al. 2010, with the grey picture as guide)."""
    grey = image.astype(np.float32).mean(2) / 255

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, (2 * radius + 1, 2 * radius + 1))

    grey_mean, mask_mean = mean(grey), mean(mask)
    slope = (mean(grey * mask) - grey_mean * mask_mean) / (mean(grey * grey) - grey_mean**2 + epsilon)
    offset = mask_mean - slope * grey_mean
    return np.clip(mean(slope) * grey + mean(offset), 0, 1)


def person_matte(
    image: UInt8[np.ndarray, "h w 3"], person: Bool[np.ndarray, "h w"], face_px: float
) -> Float32[np.ndarray, "h w"]:
    """Matte from a hard mask: single hairs by colour where the background is plain, guided filter where it is not.

    face_px: height of the face, the unit of all distances.
    """
    band = max(3.0, 0.035 * face_px)
    inside, outside = eroded(person, band), ~dilated(person, 1.6 * band)
    if not inside.any() or not outside.any():
        return person.astype(np.float32)
    # every pixel of the band lies between the colours that its two sides extend to
    front, back = push_pull(image, inside), push_pull(image, outside)
    apart = front - back
    contrast = (apart**2).sum(2)
    share = np.clip(((image - back) * apart).sum(2) / (contrast + 1e-3), 0, 1)

    def blurred(x: np.ndarray, sigma: float) -> np.ndarray:
        return cv2.GaussianBlur(x.astype(np.float32), (0, 0), sigma)

    tight = eroded(person, max(1, 0.006 * face_px)).astype(np.float32)
    plain = 0.5 * guided_filter(image, blurred(tight, 1.5), round(0.02 * face_px)) + 0.5 * blurred(tight, 1.6)
    detail = np.abs(image - cv2.GaussianBlur(image, (0, 0), 0.02 * face_px).astype(np.float32)).mean(2)
    busy = blurred(detail * outside, 0.06 * face_px) / (blurred(outside, 0.06 * face_px) + 1e-3)
    trust = smoothstep(25, 60, np.sqrt(contrast)) * 0.85 * smoothstep(14, 5, busy)
    matte = share * trust + plain * (1 - trust)
    matte = np.where(inside, 1, np.where(outside, 0, matte)) * smoothstep(0, 0.25, blurred(person, 0.035 * face_px))
    return np.where(blurred(person, 0.02 * face_px) > 0.93, 1, matte).astype(np.float32)
