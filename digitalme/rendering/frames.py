"""Glasses in the photo: how large their rims are, what colour, and which pixels they cover."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from jaxtyping import Bool, Float

from digitalme.artifacts import Camera, Portrait
from digitalme.body.glasses import rim_lines
from digitalme.body.landmarks import BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT
from digitalme.body.model import load_body

WIDTHS = np.arange(0.022, 0.0341, 0.002)
HEIGHTS = np.arange(0.013, 0.0281, 0.0025)
DROPS = np.arange(-0.004, 0.0101, 0.002)
BULGES = np.arange(-0.005, 0.0091, 0.0005)
BULGE_STIFF = 0.06
"""What a step of half a millimetre from one point of a rim to the next costs, in parts of the clearest line."""
UNLIKE = 14.0
"""Lab distance from the skin around beyond which a pixel beside the rims belongs to the glasses."""
REACH_M, STEP_M, WIRE_M = 0.012, 0.0005, 0.0013
"""Metres: how far outward a frame is followed, in what steps, and what of that a wire has."""
BROAD_M = 0.007
"""Metres: what is broader is hair or a brow beside the frame."""
SHADES = 16
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
    bulge: Float[np.ndarray, "36"]
    """How far the left rim reaches beyond the rounded rectangle at each of its points, metres; the right one mirrors
    it: cat-eyes, panto and aviator frames."""
    breadth: Float[np.ndarray, "36"]
    """How much broader than a wire the frame is at each point of the left rim, metres: broad upper bars."""
    shades: Float[np.ndarray, "n 3"]
    """sRGB 0..1 from the rims' upper ends down to the lower ones."""


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
        place = camera.project(points)[..., :2].astype(np.float32).reshape(-1, 1, 2) - 0.5
        found = cv2.remap(grey, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return found.reshape(points.shape[:-1])

    def lines(rims: np.ndarray, steps: Float[np.ndarray, "n"], above: float) -> Float[np.ndarray, "2 36 n"]:
        """How far the picture's light at each point, moved outward by each step, differs from both its sides.

        `above`: what lines above the eyes count, for the brows are lines as well.
        """
        out = rims - rims.mean(1, keepdims=True)
        out /= np.linalg.norm(out, axis=2, keepdims=True)
        line, inside, outside = (
            light(rims[:, :, None] + out[:, :, None] * (steps + aside)[:, None]) for aside in (0.0, -0.003, 0.003)
        )
        alike = np.sign(line - inside) == np.sign(line - outside)
        away = np.minimum(np.abs(line - inside), np.abs(line - outside)) * alike
        brows = np.where(out[..., 1:2] > 0.4, above, 1.0)
        return np.minimum(away, 40) * brows / brows.mean()

    best, found = -1.0, (0.027, 0.021, 0.001)
    for wide, high, drop in product(WIDTHS, HEIGHTS, DROPS):
        if high > wide:
            continue  # nobody's glasses stand upright
        rims = np.stack(rim_lines(vertices, eyes, (wide, high), drop))
        unusual = ((wide - 0.027) / 0.012) ** 2 + ((high - 0.020) / 0.012) ** 2
        score = float(lines(rims, np.zeros(1), 0.4).mean()) * (1 - 0.3 * unusual)
        if score > best:
            best, found = score, (float(wide), float(high), float(drop))
    rims = np.stack(rim_lines(vertices, eyes, found[:2], found[2]))
    both = lines(rims, BULGES, 0.8)
    bulge = _strongest_ring(both[0] + both[1][(18 - np.arange(36)) % 36])
    rims = np.stack(rim_lines(vertices, eyes, found[:2], found[2], bulge=bulge))
    place = np.clip(camera.project(rims)[..., :2].astype(int), 0, np.array(grey.shape[::-1]) - 1).reshape(-1, 2)
    red, green, blue = (float(v) / 255 for v in np.median(portrait.image[place[:, 1], place[:, 0]], 0))
    start, breadth, shades = _breadth(portrait, camera, rims)
    return Frames(found[:2], found[2], (red, green, blue), bulge + start, breadth, shades)


def _breadth(
    portrait: Portrait, camera: Camera, rims: Float[np.ndarray, "2 36 3"]
) -> tuple[Float[np.ndarray, "36"], Float[np.ndarray, "36"], Float[np.ndarray, "16 3"]]:
    """Where outside its line the frame begins at each point of the left rim, how much broader than a wire it is, both
    as both rims have it, and its colours by height: the pixels that are more like the frame's line than like the skin.
    """
    picture = cv2.GaussianBlur(portrait.image, (0, 0), 0.8).astype(np.float32) / 255
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2Lab)
    skin = cv2.cvtColor(np.asarray(portrait.skin_color, np.float32).reshape(1, 1, 3), cv2.COLOR_RGB2Lab)[0, 0]
    out = rims - rims.mean(1, keepdims=True)
    out /= np.linalg.norm(out, axis=2, keepdims=True)
    steps = np.arange(-0.002, REACH_M + 1e-6, STEP_M)
    place = camera.project(rims[:, :, None] + out[:, :, None] * steps[:, None])[..., :2].astype(np.float32)
    seen, color = (
        cv2.remap(each, place.reshape(-1, 1, 2) - 0.5, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(
            *place.shape[:-1], 3
        )
        for each in (lab, picture)
    )
    unlike = np.linalg.norm(seen - skin, axis=3)
    near = steps <= 0.0045
    peak = np.where(near, unlike, 0).argmax(2)[..., None]
    line = np.take_along_axis(seen, peak[..., None], 2)
    frame = np.linalg.norm(seen - line, axis=3) < 0.5 * np.linalg.norm(line - skin, axis=3)
    frame &= np.linalg.norm(line - skin, axis=3) > UNLIKE
    index = np.arange(len(steps))
    after = np.logical_and.accumulate(frame | (index < peak), axis=2) & (index >= peak)
    before = np.logical_and.accumulate((frame | (index > peak))[..., ::-1], axis=2)[..., ::-1] & (index <= peak)
    run = (after | before) & frame
    first, last = np.where(run, steps, 1).min(2), np.where(run, steps, -1).max(2)
    other = (18 - np.arange(36)) % 36
    first, last = (np.where(run.any(2), ends, 0) for ends in (first, last))
    first, last = (np.mean([ends[0], ends[1][other]], 0) for ends in (first, last))
    broad = (last - first > 2.5 * WIRE_M) & (np.abs(out[0, :, 1]) > 0.2)  # at a rim's ends arms and bridge begin
    broad = _closed(broad)
    start = _calm(np.where(broad, np.maximum(first + WIRE_M, 0), 0))
    breadth = _calm(np.where(broad, np.clip(last - first - 2 * WIRE_M, 0, BROAD_M), 0))
    height = rims[..., 1]
    level = (height.max() - height) / (height.max() - height.min())
    shades = []
    for middle in (np.arange(SHADES) + 0.5) / SHADES:
        here = run & (np.abs(level - middle) < 1.0 / SHADES)[..., None]
        shades.append(np.median(color[here], 0) if here.sum() >= 8 else np.full(3, np.nan))
    table = np.array(shades)
    known = np.isfinite(table[:, 0])
    if not known.any():
        return start, breadth, np.repeat(np.median(color[:, :, near].reshape(-1, 3), 0)[None], SHADES, 0)
    rows = np.arange(SHADES)
    return start, breadth, np.stack([np.interp(rows, rows[known], table[known, c]) for c in range(3)], 1)


def _closed(ring: Bool[np.ndarray, "36"]) -> Bool[np.ndarray, "36"]:
    """Single points of a ring made like their two neighbours where these agree."""
    before, after = np.roll(ring, 1), np.roll(ring, -1)
    return np.where(before == after, before, ring)


def _calm(ring: Float[np.ndarray, "36"]) -> Float[np.ndarray, "36"]:
    """Median of five neighbours, then the mean of three."""
    calm = np.median([np.roll(ring, k) for k in range(-2, 3)], 0)
    return np.mean([np.roll(calm, k) for k in (-1, 0, 1)], 0)


def _strongest_ring(score: Float[np.ndarray, "36 n"]) -> Float[np.ndarray, "36"]:
    """The closed line through the highest scores that goes from point to point in small steps (Viterbi), as offsets."""
    count, steps = score.shape
    score = score - 0.15 * score.max() * np.abs(BULGES) / BULGES.max()  # without a line to follow the shape stays
    jump = BULGE_STIFF * score.max() * np.abs(BULGES[:, None] - BULGES[None]) / (BULGES[1] - BULGES[0])
    total, came = np.zeros(steps), []
    for point in range(3 * count):  # thrice round: the middle turn knows nothing of the ends
        reach = total[None] - jump
        came.append(reach.argmax(1))
        total = reach.max(1) + score[point % count]
    at, path = int(total.argmax()), []
    for back in reversed(came):
        path.append(at)
        at = int(back[at])
    middle = BULGES[np.array(path[::-1])[count : 2 * count]]
    return (np.roll(middle, 1) + 2 * middle + np.roll(middle, -1)) / 4


def frames_mask(
    portrait: Portrait, camera: Camera, vertices: Float[np.ndarray, "vertices 3"]
) -> Bool[np.ndarray, "h w"]:
    """Pixels of rims, bridge and arms; none where no glasses are worn."""
    mask = np.zeros(portrait.image.shape[:2], np.uint8)
    if not wears_glasses(portrait):
        return mask > 0
    frames = find_frames(portrait, camera, vertices)
    rims = rim_lines(vertices, eye_centers(vertices), frames.half_size, frames.drop, bulge=frames.bulge)
    inner = [rim[np.argmin(np.abs(rim[:, 0]))] for rim in rims]
    depth = camera.project(rims[0].mean(0))[2]
    thick = max(2, round(2 * RIM_M * camera.focal_px / depth))
    for line, closed in ((rims[0], True), (rims[1], True), (np.stack(inner), False)):
        points = np.round(camera.project(line)[:, :2] * 16).astype(np.int32)
        cv2.polylines(mask, [points[:, None]], closed, 1, thick, shift=4)
    for rim, breadth in zip(rims, (frames.breadth, frames.breadth[(18 - np.arange(36)) % 36]), strict=True):
        out = rim - rim.mean(0)
        ends = rim + out / np.linalg.norm(out, axis=1, keepdims=True) * (breadth + RIM_M)[:, None] * (
            breadth[:, None] > 0
        )
        inner, outer = (np.round(camera.project(points)[:, :2] * 16).astype(np.int32) for points in (rim, ends))
        for k in np.flatnonzero(breadth > 0):
            after = (k + 1) % 36
            cv2.fillConvexPoly(mask, np.stack([inner[k], outer[k], outer[after], inner[after]]), 1, shift=4)
    return (mask > 0) | _beside_rims(portrait, rims, camera)


def _beside_rims(portrait: Portrait, rims: list[Float[np.ndarray, "36 3"]], camera: Camera) -> Bool[np.ndarray, "h w"]:
    """What is near the rims, or between them and the ears, and unlike the skin around: broad corners, arms, shadows."""
    band = np.zeros(portrait.image.shape[:2], np.uint8)
    scale = camera.focal_px / camera.project(rims[0].mean(0))[2]
    for rim, temple in zip(rims, (454, 234), strict=True):
        points = camera.project(rim)[:, :2]
        cv2.polylines(band, [np.round(points * 16).astype(np.int32)[:, None]], True, 1, round(0.009 * scale), shift=4)
        hinge = points[np.argmax(np.abs(rim[:, 0]) + 0.6 * (rim[:, 1] - rim[:, 1].mean()))]
        ear = portrait.landmarks[temple, :2] + 0.15 * (portrait.landmarks[temple, :2] - hinge)
        line = np.round(np.stack([hinge, ear]) * 16).astype(np.int32)
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
