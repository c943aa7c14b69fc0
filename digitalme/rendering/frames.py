"""Glasses in the photo: how large their rims are, what colour, and which pixels they cover."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from jaxtyping import Bool, Float

from digitalme.artifacts import Camera, Portrait
from digitalme.body.glasses import rim_lines
from digitalme.body.model import load_body

WIDTHS = np.arange(0.020, 0.0341, 0.002)
HEIGHTS = np.arange(0.013, 0.0281, 0.0025)
DROPS = np.arange(-0.004, 0.0101, 0.002)
RIM_M = 0.0022
"""Half the breadth of what is painted over along a rim, metres."""


@dataclass(frozen=True)
class Frames:
    """Rims as `digitalme.body.glasses` draws them."""

    half_size: tuple[float, float]
    """Half width and height of a rim, metres."""
    drop: float
    """How far the rims' middles lie below the eyeballs', metres."""
    color: tuple[float, float, float]
    """sRGB 0..1."""


def wears_glasses(portrait: Portrait) -> bool:
    return portrait.traits.get("glasses", 0.0) > 0.5


def eye_centers(vertices: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "2 3"]:
    """Middles of the left and the right eyeball."""
    parts = load_body().parts
    return np.stack([vertices[parts[f"eye_{side}"].vertex_ids].mean(0) for side in ("left", "right")])


def find_frames(portrait: Portrait, camera: Camera, vertices: Float[np.ndarray, "vertices 3"]) -> Frames:
    """The rims that lie best on thin lines of the picture: unlike what is just inside and just outside of them."""
    grey = cv2.GaussianBlur(portrait.image, (0, 0), 0.8).astype(np.float32).mean(2)
    eyes = eye_centers(vertices)

    def light(points: np.ndarray) -> np.ndarray:
        place = camera.project(points)[..., :2].astype(np.float32) - 0.5
        return cv2.remap(grey, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    best, found = -1.0, (0.027, 0.021, 0.001)
    for wide, high, drop in product(WIDTHS, HEIGHTS, DROPS):
        rims = np.stack(rim_lines(vertices, eyes, (wide, high), drop))
        out = rims - rims.mean(1, keepdims=True)
        out /= np.linalg.norm(out, axis=2, keepdims=True)
        line, inside, outside = (light(rims + out * step) for step in (0.0, -0.003, 0.003))
        alike = np.sign(line - inside) == np.sign(line - outside)
        away = np.minimum(np.abs(line - inside), np.abs(line - outside)) * alike
        weight = np.where(out[..., 1] > 0.4, 0.4, 1.0)  # the brows are lines as well
        score = float((np.minimum(away, 40) * weight).sum() / weight.sum())
        if score > best:
            best, found = score, (float(wide), float(high), float(drop))
    rims = np.stack(rim_lines(vertices, eyes, found[:2], found[2]))
    place = np.clip(camera.project(rims)[..., :2].astype(int), 0, np.array(grey.shape[::-1]) - 1).reshape(-1, 2)
    red, green, blue = (float(v) / 255 for v in np.median(portrait.image[place[:, 1], place[:, 0]], 0))
    return Frames(found[:2], found[2], (red, green, blue))


def frames_mask(
    portrait: Portrait, camera: Camera, vertices: Float[np.ndarray, "vertices 3"]
) -> Bool[np.ndarray, "h w"]:
    """Pixels of rims and bridge; none where no glasses are worn."""
    mask = np.zeros(portrait.image.shape[:2], np.uint8)
    if not wears_glasses(portrait):
        return mask > 0
    frames = find_frames(portrait, camera, vertices)
    rims = rim_lines(vertices, eye_centers(vertices), frames.half_size, frames.drop)
    inner = [rim[np.argmin(np.abs(rim[:, 0]))] for rim in rims]
    depth = camera.project(rims[0].mean(0))[2]
    thick = max(2, round(2 * RIM_M * camera.focal_px / depth))
    for line, closed in ((rims[0], True), (rims[1], True), (np.stack(inner), False)):
        points = np.round(camera.project(line)[:, :2] * 16).astype(np.int32)
        cv2.polylines(mask, [points[:, None]], closed, 1, thick, shift=4)
    return mask > 0
