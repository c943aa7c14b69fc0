"""Glasses in the photo: what their front looks like, what colours it has, and which pixels they cover."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from digitalme.artifacts import Camera, Portrait
from digitalme.body.glasses import GlassesFront, around_lens, hinge, on_sheet, rim_lines, sheet_box, usual_front
from digitalme.body.landmarks import BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT
from digitalme.body.model import load_body
from digitalme.rendering.frame_trace import SEEN, seen_at, trace_bridge, trace_front
from digitalme.spaces import srgb_to_linear

WIDTHS = np.arange(0.022, 0.0341, 0.002)
HEIGHTS = np.arange(0.013, 0.0281, 0.0025)
DROPS = np.arange(-0.004, 0.0101, 0.002)
LEAST_SEEN = 0.30
"""A rim that is clearly seen along less than this is not followed: a rounded rectangle stands in for it."""
UNLIKE = 14.0
"""Lab distance from the skin around beyond which a pixel beside the rims belongs to the glasses."""
RIM_M = 0.0012
"""How far around rims and bridge is painted over, metres."""
FAINT = 4.0
"""Levels of grey (0..255) that rims must differ from both sides by to tell their size."""
WIRE_M = 0.0013
"""Breadth of rims that cannot be followed, metres."""
TINTED = 0.62
"""Lenses that let less light through than this are tinted."""
PICTURE_WIDTH = 512


@dataclass(frozen=True)
class Frames:
    """Glasses as `digitalme.body.glasses` makes them."""

    front: GlassesFront
    picture: UInt8[np.ndarray, "rows columns 3"]
    """Colours of the sheet's part `sheet_box(front)`, rows top-down: the frame's own, everywhere."""
    followed: bool
    """Whether the outline is the photo's own; else only its size is."""


def wears_glasses(portrait: Portrait) -> bool:
    return portrait.traits.get("glasses", 0.0) > 0.5


def eye_centers(vertices: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "2 3"]:
    """Middles of the left and the right eyeball."""
    parts = load_body().parts
    return np.stack([vertices[parts[f"eye_{side}"].vertex_ids].mean(0) for side in ("left", "right")])


def find_frames(portrait: Portrait, camera: Camera, vertices: Float[np.ndarray, "vertices 3"]) -> Frames:
    """The glasses' front as the photo shows it; where its rims are not clear, rounded rectangles of its size."""
    eyes = eye_centers(vertices)
    front, clear = trace_front(portrait, camera, usual_front(vertices, eyes, drop=0.005))
    followed = bool((clear > SEEN).mean() > LEAST_SEEN)
    if not followed:  # broad or dark rims would be seen: these are wires, or none
        front = _rectangles(portrait, camera, vertices, eyes)
        front = replace(front, bridge=trace_bridge(portrait, camera, front))
    front = replace(front, tint=_tint(portrait, camera, front))
    return Frames(front, _picture(portrait, camera, front, rims=followed), followed)


def _rectangles(
    portrait: Portrait, camera: Camera, vertices: Float[np.ndarray, "vertices 3"], eyes: Float[np.ndarray, "2 3"]
) -> GlassesFront:
    """The rounded rectangles that lie best on thin lines of the picture: unlike what is just inside and outside."""
    grey = cv2.GaussianBlur(portrait.image, (0, 0), 0.8).astype(np.float32).mean(2)
    best, found = FAINT, (0.0265, 0.0195, 0.004)  # where there is next to nothing to see, common lenses
    for wide, high, drop in product(WIDTHS, HEIGHTS, DROPS):
        if high > wide:
            continue  # nobody's glasses stand upright
        rims = np.stack(rim_lines(vertices, eyes, (wide, high), drop))
        out = rims - rims.mean(1, keepdims=True)
        out /= np.linalg.norm(out, axis=2, keepdims=True)
        line, inside, outside = (seen_at(grey, camera, rims + out * aside)[..., 0] for aside in (0.0, -0.003, 0.003))
        alike = np.sign(line - inside) == np.sign(line - outside)
        away = np.minimum(np.abs(line - inside), np.abs(line - outside)) * alike
        brows = np.where(out[..., 1] > 0.4, 0.4, 1.0)  # brows are lines as well
        unusual = ((wide - 0.027) / 0.012) ** 2 + ((high - 0.020) / 0.012) ** 2
        score = float((np.minimum(away, 40) * brows / brows.mean()).mean()) * (1 - 0.3 * unusual)
        if score > best:
            best, found = score, (float(wide), float(high), float(drop))
    return usual_front(vertices, eyes, found[:2], drop=found[2], thickness=WIRE_M / 2)


def _picture(
    portrait: Portrait, camera: Camera, front: GlassesFront, rims: bool
) -> UInt8[np.ndarray, "rows columns 3"]:
    """The frame's colours on the sheet: those of the middle of its breadth, which no blur mixes with the skin's.

    `rims`: whether they lie where the photo's do; else the bridge's colour is all that is known."""
    left, bottom, right, top = sheet_box(front)
    step = (right - left) / PICTURE_WIDTH
    rows = round((top - bottom) / step)
    x = left + (np.arange(PICTURE_WIDTH) + 0.5) * step
    y = top - (np.arange(rows) + 0.5) * (top - bottom) / rows
    places = on_sheet(front.plane, np.stack(np.meshgrid(x, y), -1))
    seen = seen_at(portrait.image.astype(np.float32), camera, places)
    core = np.zeros((rows, PICTURE_WIDTH), np.uint8)

    def fill(first: np.ndarray, second: np.ndarray, kept: np.ndarray) -> None:
        """Between two lines, where both ends are kept."""
        first, second = (
            np.round((line - (left, top)) / (step, -step) * 16 - 8).astype(np.int32) for line in (first, second)
        )
        for k in np.flatnonzero(kept & np.roll(kept, -1)):
            after = (k + 1) % len(first)
            cv2.fillConvexPoly(core, np.stack([first[k], second[k], second[after], first[after]]), 1, shift=4)

    for side in (0, 1) if rims else ():
        inset = 0.3 * (front.outer[side] - front.inner[side])
        inner, outer = front.inner[side] + inset, front.outer[side] - inset
        fill(around_lens(front.middles[side], inner), around_lens(front.middles[side], outer), front.seen[side])
    x, low, high = front.bridge.T
    inset = 0.3 * (high - low)
    fill(np.column_stack([x, low + inset]), np.column_stack([x, high - inset]), np.arange(len(x)) < len(x) - 1)
    if not core.any():
        return np.full((rows, PICTURE_WIDTH, 3), 60, np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros((nearest.max() + 1, 3), np.float32)
    table[nearest[core > 0]] = seen[core > 0]
    return np.clip(np.round(cv2.GaussianBlur(table[nearest], (0, 0), 1.0)), 0, 255).astype(np.uint8)


def _tint(portrait: Portrait, camera: Camera, front: GlassesFront) -> tuple[float, float, float, float]:
    """The lenses' colour and how far they cover: skin just within the rims against skin just outside of them."""
    picture = srgb_to_linear(portrait.image.astype(np.float32) / 255)
    shares, colors, bare = [], [], []
    for side in (0, 1):
        low = np.flatnonzero(np.sin(2 * np.pi * np.arange(front.inner.shape[1]) / front.inner.shape[1]) < 0.1)
        within = front.inner[side][:, None] * np.linspace(0.62, 0.9, 5)
        beyond = front.outer[side][:, None] + np.linspace(0.003, 0.006, 5)
        inside, outside = (
            np.median(seen_at(picture, camera, on_sheet(front.plane, around_lens(front.middles[side], radii)))[low], 1)
            for radii in (within, beyond)
        )
        shares.append(inside.mean(1) / np.maximum(outside.mean(1), 0.01))
        colors.append(inside)
        bare.append(outside)
    share = float(np.percentile(np.concatenate(shares), 70))
    if share > TINTED:
        return GlassesFront.tint
    inside, outside = (np.median(np.concatenate(each), 0) for each in (colors, bare))
    cover = float(np.clip(1.15 * (1 - share), 0.2, 0.94))
    seen, skin = (np.clip(c, 0, 1) ** (1 / 2.2) for c in (inside, outside))
    red, green, blue = np.clip((seen - (1 - cover) * skin) / cover, 0.01, 0.95).tolist()
    return red, green, blue, cover


def frames_mask(
    portrait: Portrait, camera: Camera, vertices: Float[np.ndarray, "vertices 3"]
) -> Bool[np.ndarray, "h w"]:
    """Pixels of rims, bridge and arms, and of lenses that are dark; none where no glasses are worn."""
    mask = np.zeros(portrait.image.shape[:2], np.uint8)
    if not wears_glasses(portrait):
        return mask > 0
    front = find_frames(portrait, camera, vertices).front

    def pixels(places: np.ndarray) -> np.ndarray:
        return np.round(camera.project(on_sheet(front.plane, places))[:, :2] * 16).astype(np.int32)

    for side in (0, 1):
        around, kept = front.middles[side], front.seen[side]
        inner = pixels(around_lens(around, front.inner[side] - RIM_M))
        outer = pixels(around_lens(around, front.outer[side] + RIM_M))
        for k in np.flatnonzero(kept):
            after = (k + 1) % len(inner)
            cv2.fillConvexPoly(mask, np.stack([inner[k], outer[k], outer[after], inner[after]]), 1, shift=4)
        if front.tint[3] > 0.2:
            cv2.fillPoly(mask, [inner], 1, shift=4)
    x, low, high = front.bridge.T
    bar = np.concatenate([np.column_stack([x, low - RIM_M]), np.column_stack([x, high + RIM_M])[::-1]])
    cv2.fillPoly(mask, [pixels(bar)], 1, shift=4)
    return (mask > 0) | _beside_rims(portrait, front, camera)


def _beside_rims(portrait: Portrait, front: GlassesFront, camera: Camera) -> Bool[np.ndarray, "h w"]:
    """What is near the rims, or between them and the ears, and unlike the skin around: broad corners, arms, shadows."""
    band = np.zeros(portrait.image.shape[:2], np.uint8)
    scale = camera.focal_px / camera.project(on_sheet(front.plane, front.middles))[:, 2].mean()
    for side, temple in enumerate((454, 234)):
        radii = (front.inner[side] + front.outer[side]) / 2
        points = camera.project(on_sheet(front.plane, around_lens(front.middles[side], radii)))[:, :2]
        cv2.polylines(band, [np.round(points * 16).astype(np.int32)[:, None]], True, 1, round(0.009 * scale), shift=4)
        end = around_lens(front.middles[side], front.outer[side])[hinge(front, side)]
        start = camera.project(on_sheet(front.plane, end[None]))[0, :2]
        ear = portrait.landmarks[temple, :2] + 0.15 * (portrait.landmarks[temple, :2] - start)
        line = np.round(np.stack([start, ear]) * 16).astype(np.int32)
        cv2.polylines(band, [line[:, None]], False, 1, round(0.014 * scale), shift=4)
    for ring, reach in ((EYE_LEFT, 0.002), (EYE_RIGHT, 0.002), (BROW_LEFT, 0.001), (BROW_RIGHT, 0.001)):
        inside = np.zeros_like(band)
        cv2.fillPoly(inside, [np.round(portrait.landmarks[list(ring), :2] - 0.5).astype(np.int32)], 1)
        band[cv2.dilate(inside, np.ones((2 * round(reach * scale) + 1,) * 2, np.uint8)) > 0] = 0
    lab = cv2.cvtColor(portrait.image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    skin = ((portrait.skin > 0.5) & (band == 0)).astype(np.float32)
    sigma = 0.012 * scale
    around = cv2.GaussianBlur(lab * skin[..., None], (0, 0), sigma)
    around /= cv2.GaussianBlur(skin, (0, 0), sigma)[..., None] + 1e-4
    unlike = (np.linalg.norm(lab - around, axis=2) > UNLIKE) & (band > 0)
    return cv2.dilate(unlike.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
