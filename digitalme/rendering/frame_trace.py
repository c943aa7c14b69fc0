"""The front of glasses in a photo: inner and outer outline of both rims, the bridge, and where a rim is seen at all.

All is looked for on a sheet that stands before the face as glasses do, so that neither the head's turn nor its tilt
matters. A rim is a closed band about the lens's middle whose colour differs from what lies on both its sides; of all
such bands the clearest one is found by dynamic programming over its inner radius and its breadth together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float

from digitalme.artifacts import Camera, Portrait
from digitalme.body.glasses import ANGLES, TURN, GlassesFront, around_lens, on_sheet
from digitalme.body.landmarks import BROW_LEFT, BROW_RIGHT
from digitalme.rendering.raster import jit

STEP_M = 0.0005
"""Metres between the radii that are tried; breadths below are counted in it."""
OFFSETS = np.arange(-0.013, 0.0226, STEP_M)
"""Radii that are tried, against those of a base shape."""
BREADTHS = np.arange(2, 29)
"""Breadths that a rim may have: 1 to 14 mm, in steps."""
BESIDE = 3
"""How much on each side of a rim's edge is looked at, in steps: 1.5 mm."""
CLEAR = 60.0
"""Lab distance beyond which a rim is no clearer."""
SEEN = 7.0
"""Lab distance from both sides from which on a part of a rim counts as seen."""
SLIDE, WIDEN = 1.1, 0.7
"""What a step of the inner outline and of the breadth cost from one angle to the next, in Lab distance."""
REGION = 1.2
"""What a step of a band (0.5 mm) gains where it has the frame's colour, and loses where it has not, in Lab distance."""
WING_M, GAP_STEPS = 0.019, 7
"""How far from the lens a wing may reach, metres; and how many steps a stud in it, or a light on it, may cover."""
WING_FROM_M = 0.0015
"""What a corner reaches farther than its rim by more than this is a wing, metres."""
DARK, DARK_RIM = 0.62, 0.4
"""Lenses whose sRGB level is below this part of the cheeks' are dark; what a step away from a breadth of 3 mm costs
there, where the inner edge cannot be seen."""
NARROW = 14
"""So many of BREADTHS are tried while a shape is looked for: up to 7.5 mm."""
ON_BOTH = 0.25
"""So much of a wing is on either side more like the frame than like the skin, at least."""
MISSING = 14
"""So many directions without a rim below are half-rimmed glasses: 70 degrees."""
USUAL = (0.0265, 0.0205)
"""Half width and height of common lenses, metres."""
BASES = ((0.0265, 0.0205, 3.0), (0.024, 0.0235, 2.0), (0.029, 0.019, 5.0), (0.031, 0.025, 3.0), (0.025, 0.015, 4.0))
"""Shapes from which a rim is looked for: half width and height in metres, and how square they are (2: not at all)."""


def lab_of(portrait: Portrait, scale: float) -> Float[np.ndarray, "h w 3"]:
    """The picture in Lab without what is finer than 0.3 mm. `scale`: pixels per metre at the glasses."""
    picture = portrait.image.astype(np.float32) / 255
    return cv2.cvtColor(cv2.GaussianBlur(picture, (0, 0), max(0.0003 * scale, 0.4)), cv2.COLOR_RGB2Lab)


def seen_at(picture: np.ndarray, camera: Camera, points: Float[np.ndarray, "*n 3"]) -> np.ndarray:
    """A picture's values (..., c) where the camera sees these points of the head."""
    place = camera.project(points.reshape(-1, 3))[:, :2].astype(np.float32).reshape(-1, points.shape[-2], 2) - 0.5
    found = cv2.remap(picture, place, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(*points.shape[:-1], -1)


def _length(vectors: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
    return np.sqrt(np.einsum("...c,...c", vectors, vectors))


def _bands(
    rays: Float[np.ndarray, "angles radii 3"], dark: bool = False, most: int = len(BREADTHS)
) -> Float[np.ndarray, "angles radii breadths"]:
    """How far a band from each radius on, of each breadth, differs in Lab from 1.5 mm on both its sides.

    `dark`: the lenses are as dark as any frame; what counts is the outer side. `most`: how many breadths are tried.
    """
    angles, radii, _ = rays.shape
    total = np.concatenate([np.zeros((angles, 1, 3), np.float32), rays.cumsum(1)], 1)

    def mean(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Of the samples first..last - 1; clipped to the rays."""
        first, last = np.clip(first, 0, radii - 1), np.clip(last, 1, radii)
        last = np.maximum(last, first + 1)
        return (total[:, last] - total[:, first]) / (last - first)[..., None].astype(np.float32)

    start, breadth = np.arange(radii)[:, None], BREADTHS[None, :most]
    end, edge = start + breadth, np.minimum(breadth, 4)
    first, last = mean(start, start + edge), mean(end - edge, end)
    inside, outside = mean(start - BESIDE, start) - first, mean(end, end + BESIDE) - last
    inner, outer = (_length(difference) for difference in (inside, outside))
    both = np.einsum("...c,...c", inside, outside) / (inner * outer + 1e-6)  # a rim differs from both its sides alike
    uneven = _length(first - last)
    clear = 0.75 * np.minimum(inner, outer) + 0.25 * np.minimum(np.maximum(inner, outer), 30)
    if dark:
        clear = 0.85 * np.minimum(outer, 45) + 0.15 * np.minimum(inner, 20) - DARK_RIM * np.abs(breadth - 6)
    else:
        clear = np.minimum(clear, CLEAR) * np.clip(0.4 + 0.6 * both, 0.05, 1)
    clear = clear - 0.25 * uneven
    clear[:, (end >= radii - 1)] = -CLEAR
    return clear


def _superellipse(half: Float[np.ndarray, "2"], power: float) -> Float[np.ndarray, "angles"]:
    """Radius of a rounded rectangle by angle."""
    x, y = np.abs(np.cos(TURN)) / half[0], np.abs(np.sin(TURN)) / half[1]
    return (x**power + y**power) ** (-1 / power)


def _sector(first: float, last: float) -> Bool[np.ndarray, "angles"]:
    """The directions between two angles, degrees."""
    return (np.degrees(TURN) > first) & (np.degrees(TURN) < last)


def _unusual(
    base: Float[np.ndarray, "angles"], shape: Float[np.ndarray, "angles"], trust: float, wings: bool = False
) -> Float[np.ndarray, "angles radii breadths"]:
    """What is taken off for a rim away from a shape, and for one broader than rims are: below, and beside the nose."""
    middle = base[:, None, None] + OFFSETS[:, None] + np.minimum(BREADTHS, 8) * STEP_M / 2
    away = (middle / shape[:, None, None] - 1) / 0.30
    wing = wings & _sector(8, 66)
    most = np.where(wing, 0.012, np.where(np.sin(TURN) > -0.2, 0.005, 0.0035))
    broad = np.clip(BREADTHS * STEP_M - most[:, None], 0, 1) / 0.002
    return trust * away**2 + 4 * broad[:, None] ** 2


def _fitted(
    rim: Float[np.ndarray, "angles"], clear: Float[np.ndarray, "angles"]
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "angles"]]:
    """The middle of a ring's box, outward and up from where its radii begin; and about it the rounded rectangle that
    is nearest to the ring, above all where that is clearly seen. Sizes that few lenses have cost."""
    edge = np.column_stack([rim * np.cos(TURN), rim * np.sin(TURN)])
    middle = (edge.max(0) + edge.min(0)) / 2
    edge -= middle
    away, turn = np.linalg.norm(edge, axis=1), np.arctan2(edge[:, 1], edge[:, 0])
    weight = np.clip(clear, 0, 20) + 1
    wide, high, power = (
        axis.ravel()[:, None]
        for axis in np.meshgrid(np.arange(0.021, 0.0361, 0.001), np.arange(0.012, 0.0281, 0.001), (2.0, 2.6, 3.6, 6.0))
    )
    shapes = ((np.abs(np.cos(turn)) / wide) ** power + (np.abs(np.sin(turn)) / high) ** power) ** (-1 / power)
    error = np.minimum(np.abs(away - shapes), 0.006) @ weight / weight.sum()
    error += (0.0002 * (((wide - USUAL[0]) / 0.006) ** 2 + ((high - USUAL[1]) / 0.006) ** 2))[:, 0]
    best = int(error.argmin())
    return middle, _superellipse(np.array([wide[best, 0], high[best, 0]]), float(power[best, 0]))


def _ring(score: Float[np.ndarray, "angles radii breadths"]) -> tuple[np.ndarray, np.ndarray]:
    """The closed band of the highest score in small steps: index of radius and of breadth by angle."""
    count = len(score)
    around = np.concatenate([score[-count // 4 :], score, score[: count // 4]])
    radius, breadth = _line(around)
    middle = slice(count // 4, count // 4 + count)  # whose both ends know what lies beyond
    return radius[middle], breadth[middle]


def _line(score: Float[np.ndarray, "places radii breadths"]) -> tuple[np.ndarray, np.ndarray]:
    """The band of the highest score in small steps from place to place (Viterbi), as indices.

    Steps of the band's edge and of its breadth are paid for apart, by their sizes.
    """
    path = np.zeros((len(score), 2), np.int64)
    _follow(np.ascontiguousarray(score, np.float32), SLIDE, WIDEN, path)
    return path[:, 0], path[:, 1]


@jit
@no_type_check
def _follow(score, slide, widen, path):
    """Fills `path` (n, 2) with the best indices into score (n, radii, breadths)."""
    count, radii, breadths = score.shape
    came = np.zeros((count, radii, breadths), np.int32)
    total = np.zeros((radii, breadths), np.float32)
    wide = np.zeros((radii, breadths), np.float32)
    wide_from = np.zeros((radii, breadths), np.int32)
    best = np.zeros((radii, breadths), np.float32)
    for place in range(count):
        for r in range(radii):
            for b in range(breadths):
                top, source = total[r, b], b
                for other in range(max(0, b - 6), min(breadths, b + 7)):
                    value = total[r, other] - widen * abs(other - b)
                    if value > top:
                        top, source = value, other
                wide[r, b], wide_from[r, b] = top, source
        for r in range(radii):
            for b in range(breadths):
                top, source = wide[r, b], r
                for other in range(max(0, r - 4), min(radii, r + 5)):
                    value = wide[other, b] - slide * abs(other - r)
                    if value > top:
                        top, source = value, other
                best[r, b] = top + score[place, r, b]
                came[place, r, b] = source * breadths + wide_from[source, b]
        for r in range(radii):
            for b in range(breadths):
                total[r, b] = best[r, b]
    at = 0
    for k in range(radii * breadths):
        if total[k // breadths, k % breadths] > total[at // breadths, at % breadths]:
            at = k
    for place in range(count - 1, -1, -1):
        path[place, 0], path[place, 1] = at // breadths, at % breadths
        at = came[place, path[place, 0], path[place, 1]]


def trace_front(
    portrait: Portrait, camera: Camera, guess: GlassesFront
) -> tuple[GlassesFront, Float[np.ndarray, "2 angles"]]:
    """The front as the photo shows it, from a guess of where its lenses are; and how clearly each part of its rims is
    seen, as distance in Lab from what lies on its two sides."""
    scale = camera.focal_px / camera.project(on_sheet(guess.plane, guess.middles))[:, 2].mean()
    lab = lab_of(portrait, scale)
    hair = cv2.GaussianBlur(portrait.hair.astype(np.float32), (0, 0), 0.001 * scale)
    picture = np.dstack([lab, np.maximum(hair, 0.58 * _brows(portrait, 0.001 * scale))])

    def rays(middles: np.ndarray, base: np.ndarray) -> np.ndarray:
        tried = base[:, None] + OFFSETS
        return np.stack([
            seen_at(picture, camera, on_sheet(guess.plane, around_lens(middle, tried))) for middle in middles
        ])  # fmt: skip

    dark = _dark_lenses(portrait, camera, guess)

    def searched(middles: np.ndarray, base: np.ndarray, trust: float) -> tuple[float, np.ndarray, np.ndarray]:
        """How good the best ring about a shape is, its own middles and the shape nearest to it; no wings yet."""
        score = _mean_score(rays(middles, base), dark, NARROW)
        usual = _unusual(base, base, trust)[..., :NARROW]
        radius, breadth = _ring(score - usual)
        clear, cost = (each[np.arange(ANGLES), radius, breadth] for each in (score, usual))
        rim = base + OFFSETS[radius] + np.minimum(BREADTHS[breadth], 8) * STEP_M / 2
        moved, shape = _fitted(rim, clear)
        return float((np.minimum(clear, 25) - cost).mean()), middles + moved * np.array([[1, 1], [-1, 1]]), shape

    # about a better middle and shape, rays cross the rim more squarely
    starts = [_superellipse(np.array(base[:2]), base[2]) for base in BASES]
    found = sorted((searched(guess.middles, base, 7.0) for base in starts), key=lambda each: -each[0])[:3]
    _, middles, base = max((searched(*each[1:], 12.0) for each in found), key=lambda each: each[0])
    seen = rays(middles, base)
    both = _ring(_mean_score(seen, dark) - _unusual(base, base, 12.0))
    middles = _aligned(lab, camera, guess.plane, middles, base + OFFSETS[both[0]], BREADTHS[both[1]] * STEP_M)
    seen = rays(middles, base)
    both = _ring(_mean_score(seen, dark) - _unusual(base, base, 12.0))
    region = np.zeros((2, 1, 1, 1)) if dark else _regions(seen, both)
    usual = _unusual(base, base, 12.0, wings=True)
    both = _ring(_mean_score(seen, dark) + region.mean(0) - usual)
    inner, outer, clear = [], [], []
    for side in (0, 1):
        # one lens is like the other: the clearer one says where the other's rim is hard to see
        away = np.abs(np.arange(len(OFFSETS))[None, :, None] - both[0][:, None, None])
        wider = np.abs(np.arange(len(BREADTHS))[None, None, :] - both[1][:, None, None])
        score = _score(seen[side], dark)
        other = _score(seen[1 - side], dark) + region[1 - side]
        radius, breadth = _ring(0.7 * (score + region[side]) + 0.3 * other - usual - 0.8 * away - 0.5 * wider)
        clear.append(score[np.arange(ANGLES), radius, breadth])
        edges = _sharpened(seen[side], radius, breadth)
        if dark:  # black glass in a black rim has no edge
            edges = edges[1] - BREADTHS[breadth] * STEP_M, edges[1]
        inner.append(base + _calm(edges[0]))
        outer.append(base + _calm(edges[1]))
    clearness = np.stack(clear)
    first, last = np.stack(inner), np.stack(outer)
    if not dark:
        first, last = _with_wings(seen, base, first, last, clearness)
    rim = _parts_seen(clearness)
    first, last = (np.where(rim, edge, base) for edge in (first, last))
    front = replace(guess, middles=middles, inner=first, outer=last, seen=rim)
    return replace(front, bridge=trace_bridge(portrait, camera, front)), clearness


def _dark_lenses(portrait: Portrait, camera: Camera, guess: GlassesFront) -> bool:
    """Whether the skin below the eyes is far darker than the cheeks below that: behind sunglasses."""
    light = portrait.image.astype(np.float32).mean(2)
    below = _sector(200, 340)
    near, far = (
        [np.median(seen_at(light, camera, on_sheet(guess.plane, around_lens(middle, radii)))[sector])
         for middle in guess.middles]
        for radii, sector in ((np.tile(np.linspace(0.009, 0.015, 5), (ANGLES, 1)), below),
                              (np.tile(np.linspace(0.034, 0.042, 5), (ANGLES, 1)), _sector(245, 295)))
    )  # fmt: skip
    return bool(max(near) < DARK * min(far))


def _brows(portrait: Portrait, grow: float) -> Float[np.ndarray, "h w"]:
    """1 on the brows, as the landmarks have them."""
    mask = np.zeros(portrait.image.shape[:2], np.uint8)
    for ring in (BROW_LEFT, BROW_RIGHT):
        cv2.fillPoly(mask, [np.round(portrait.landmarks[list(ring), :2] - 0.5).astype(np.int32)], 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(grow) + 1,) * 2)
    return cv2.GaussianBlur(cv2.dilate(mask, kernel).astype(np.float32), (0, 0), max(grow, 0.5))


def _score(
    rays: Float[np.ndarray, "angles radii 4"], dark: bool, most: int = len(BREADTHS)
) -> Float[np.ndarray, "angles radii breadths"]:
    """The bands' clearness; hair and brows are all bands, but frames may lie on them."""
    clear = _bands(rays[..., :3], dark, most)
    free = 1 - 0.6 * rays[..., 3, None]
    clear = np.where(clear > 0, clear * free, clear)
    return clear + _darkness(rays[..., 0], most) if dark else clear


def _darkness(light: Float[np.ndarray, "angles radii"], most: int) -> Float[np.ndarray, "angles radii breadths"]:
    """What bands gain whose outer edge leaves no dark glass outside, and takes in nothing that is not dark."""
    glass = np.median(light[:, OFFSETS < -0.008])
    skin = np.median(light[_sector(200, 340)][:, OFFSETS > 0.008])
    dark = np.clip(((glass + skin) / 2 - light) / max((skin - glass) / 4, 2.0), -1, 1)
    covered = np.concatenate([np.zeros((len(light), 1)), dark.cumsum(1)], 1)
    end = np.minimum(np.arange(len(OFFSETS))[:, None] + BREADTHS[:most], len(OFFSETS))
    return REGION * (covered[:, end] - covered.max(1)[:, None, None])


def _mean_score(
    rays: Float[np.ndarray, "2 angles radii 4"], dark: bool, most: int = len(BREADTHS)
) -> Float[np.ndarray, "angles radii breadths"]:
    return (_score(rays[0], dark, most) + _score(rays[1], dark, most)) / 2


def _regions(
    rays: Float[np.ndarray, "2 angles radii 4"], ring: tuple[np.ndarray, np.ndarray]
) -> Float[np.ndarray, "2 angles radii breadths"]:
    """What bands gain by covering all that has the frame's colour nearby: broad wings have no even edges."""
    radius, breadth = ring
    end = radius + BREADTHS[breadth]
    index = np.arange(len(OFFSETS))[None]
    parts = {
        "frame": (index >= radius[:, None] + 1) & (index < np.maximum(end, radius + 2)[:, None]),
        "inside": (index < radius[:, None] - 1) & (index >= radius[:, None] - 6),
        "outside": (index > end[:, None] + 1) & (index <= end[:, None] + 6),
    }
    gains = []
    for lab in rays[..., :3]:
        score = np.clip(_bands(lab)[np.arange(ANGLES), radius, breadth], 0.5, 30) ** 2
        colors = {}
        for name, part in parts.items():
            own = (lab * part[..., None]).sum(1) / np.maximum(part.sum(1), 1)[:, None]
            near = np.abs((np.arange(ANGLES)[:, None] - np.arange(ANGLES) + ANGLES // 2) % ANGLES - ANGLES // 2)
            share = np.exp(-0.5 * (near / 4) ** 2) * score
            colors[name] = (share @ own / share.sum(1, keepdims=True))[:, None]
        like = np.linalg.norm(lab - colors["frame"], axis=-1)
        apart = [np.linalg.norm(colors["frame"] - colors[name], axis=-1) for name in ("inside", "outside")]
        unlike = [
            (np.linalg.norm(lab - colors[name], axis=-1) - like) / np.maximum(distance, 12)
            for name, distance in zip(("inside", "outside"), apart, strict=True)
        ]
        told = np.clip((np.minimum(*apart) - 15) / 40, 0, 1)
        covered = np.concatenate([np.zeros((ANGLES, 1)), (told * np.clip(np.minimum(*unlike), -1, 1)).cumsum(1)], 1)
        last = np.minimum(np.arange(len(OFFSETS))[:, None] + BREADTHS, len(OFFSETS))
        gains.append(REGION * (covered[:, last] - covered[:, : len(OFFSETS), None]))
    return np.stack(gains)


def _with_wings(
    rays: Float[np.ndarray, "2 angles radii 4"],
    base: Float[np.ndarray, "angles"],
    inner: Float[np.ndarray, "2 angles"],
    outer: Float[np.ndarray, "2 angles"],
    clear: Float[np.ndarray, "2 angles"],
) -> tuple[Float[np.ndarray, "2 angles"], Float[np.ndarray, "2 angles"]]:
    """Inner and outer edges; in the upper outer corners as far in and out as there is the upper bar's colour."""
    bar, lab, hair = _sector(50, 130), rays[..., :3], rays[..., 3].min(0)
    radii = base[:, None] + OFFSETS
    within = (inner[..., None] + 0.0004 < radii) & (outer[..., None] - 0.0004 > radii)
    beyond = (outer[..., None] + 0.0015 < radii) & (outer[..., None] + 0.004 > radii)
    sure = (bar & (clear > 1.5 * SEEN))[..., None]
    if (within & sure).sum() < 20 or (beyond & sure).sum() < 20:
        return inner, outer
    frame, skin = (np.median(lab[part & sure], 0) for part in (within, beyond))
    if np.linalg.norm(frame - skin) < 20 or np.median((outer - inner)[:, bar]) < 0.002:
        return inner, outer
    away = np.linalg.norm(lab - frame, axis=-1)
    like = (away < 0.43 * np.linalg.norm(frame - skin)).any(0)  # a light is on one side only
    nearer = away < np.linalg.norm(lab - skin, axis=-1)
    most, count = int(WING_M / STEP_M), len(OFFSETS)
    inward, outward = np.zeros(ANGLES), np.zeros(ANGLES)
    for k in np.flatnonzero(_sector(7, 64)):
        start = max(int(np.searchsorted(radii[k], inner[:, k].mean())) - 2, 0)
        ray = np.flatnonzero(like[k, start : start + most])
        if not len(ray) or ray[0] > GAP_STEPS + 3:
            continue
        gaps = np.flatnonzero(np.diff(ray) > GAP_STEPS + 1)
        ray = ray[: gaps[0] + 1] if len(gaps) else ray
        if len(ray) < 0.55 * (ray[-1] + 1 - ray[0]) or len(ray) < 3:
            continue  # a wing is not mostly gaps
        if np.median(hair[k, start + ray]) > 0.6:
            continue
        if ray[-1] >= most - 2:  # dark hair behind it, or a hat: its end is not seen
            outward[k] = np.nan
            continue
        grown = radii[k, min(start + ray[-1], count - 1)] + STEP_M / 2 - outer[:, k].mean()
        if grown > WING_FROM_M:
            outward[k] = grown
            inward[k] = max(radii[k, start + ray[0]] - STEP_M / 2 - inner[:, k].mean(), 0)  # past a light on the glass
    known = np.isfinite(outward)
    for first in np.flatnonzero(~known & np.roll(known, 1)):  # up to three directions from their neighbours
        last = first + int(np.argmax(np.roll(known, -first)))
        if last - first <= 3:
            ends = outward[[first - 1, last % ANGLES]]
            outward[first:last] = np.linspace(*ends, last - first + 2)[1:-1]
    outward = np.nan_to_num(outward)
    wing = outward > 0
    wing |= np.roll(wing, 1) & np.roll(wing, -1)
    edges = np.flatnonzero(wing != np.roll(wing, 1))
    for first, last in zip(edges[::2], edges[1::2], strict=True):  # arms and strands of hair are narrower
        if last - first < 6:
            wing[first:last] = False
    outward, inward = (np.median([np.roll(ring, k) for k in (-1, 0, 1)], 0) * wing for ring in (outward, inward))
    grown = (radii > outer.mean(0)[:, None]) & (radii < (outer.mean(0) + outward)[:, None])
    if not grown.any() or (nearer & grown).sum((1, 2)).min() < ON_BOTH * grown.sum():
        return inner, outer  # a temple that one side shows is no wing
    return inner + inward, outer + outward


def _sharpened(
    rays: Float[np.ndarray, "angles radii 4"], radius: np.ndarray, breadth: np.ndarray
) -> tuple[Float[np.ndarray, "angles"], Float[np.ndarray, "angles"]]:
    """Both edges between the steps, against the base shape: where the colour is half way from the band's to that
    beside it."""
    lab, at = rays[..., :3], np.arange(ANGLES)
    count = len(OFFSETS)
    end = radius + BREADTHS[breadth]
    found = []
    for edge, way in ((radius, -1), (end, 1)):
        depth = np.minimum(BREADTHS[breadth] // 2, 2)
        core = lab[at, np.clip(edge - way * depth - (way > 0), 0, count - 1)]
        beside = lab[at, np.clip(edge + way * 2 - (way < 0), 0, count - 1)]
        beside = (beside + lab[at, np.clip(edge + way * 3 - (way < 0), 0, count - 1)]) / 2
        along = core - beside
        tried = np.arange(-2.0, 2.01, 0.25)  # steps beyond the edge
        place = np.clip(edge[:, None] + way * tried - 0.5, 0, count - 1.001)
        low = place.astype(int)
        part = (place - low)[..., None]
        value = lab[at[:, None], low] * (1 - part) + lab[at[:, None], low + 1] * part
        share = ((value - beside[:, None]) * along[:, None]).sum(-1) / np.maximum((along**2).sum(-1), 1e-6)[:, None]
        above = np.logical_and.accumulate(share > 0.5, axis=1).sum(1)  # how many from within are the band's
        moved = np.where((above > 0) & (above < len(tried)), tried[np.minimum(above, len(tried) - 1)] - 0.125, 0.0)
        found.append(OFFSETS[0] + STEP_M * (edge + way * moved - 0.5))
    return found[0], np.maximum(found[1], found[0] + 0.0007)


def _aligned(
    lab: np.ndarray, camera: Camera, plane: float, middles: np.ndarray, start: np.ndarray, breadth: np.ndarray
) -> Float[np.ndarray, "2 2"]:
    """Middles moved by up to 4 mm to where each lens's rim is clearest: glasses sit askew, and heads are not even."""
    steps = np.arange(-0.004, 0.0041, 0.001)
    moves = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    end = start + breadth
    inset = np.minimum(0.25 * (end - start), 0.0008)
    radii = np.stack([start - 0.001, start + inset, end - inset, end + 0.001], 1)
    found = []
    for middle in middles:
        places = around_lens(middle, radii)[None] + moves[:, None, None]
        before, first, last, after = np.moveaxis(seen_at(lab, camera, on_sheet(plane, places)), 2, 0)
        clear = np.minimum(np.linalg.norm(first - before, axis=-1), np.linalg.norm(last - after, axis=-1))
        score = np.minimum(clear, CLEAR).mean(1) - 0.15 * (np.linalg.norm(moves, axis=1) / 0.001)
        found.append(middle + moves[score.argmax()])
    return np.stack(found)


def _calm(ring: Float[np.ndarray, "angles"]) -> Float[np.ndarray, "angles"]:
    """The mean of three neighbours, twice."""
    for _ in range(2):
        ring = (np.roll(ring, 1) + 2 * ring + np.roll(ring, -1)) / 4
    return ring


def _parts_seen(clearness: Float[np.ndarray, "2 angles"]) -> Bool[np.ndarray, "2 angles"]:
    """Parts of rims that are there, alike on both sides: all of them, but for a gap below of half-rimmed glasses."""
    ring = clearness.mean(0)
    seen = np.mean([np.roll(ring, k) for k in range(-2, 3)], 0) > 0.6 * SEEN
    below = np.flatnonzero(_sector(180, 360))
    if np.median(ring[_sector(235, 305)]) > 0.6 * SEEN:
        return np.ones((2, ANGLES), bool)
    lowest = ANGLES * 3 // 4
    gap = [k for k in below if not seen[min(k, lowest) : max(k, lowest) + 1].any()]
    rim = np.ones(ANGLES, bool)
    if len(gap) >= MISSING:
        rim[gap] = False
    return np.stack([rim, rim])


def trace_bridge(portrait: Portrait, camera: Camera, front: GlassesFront) -> Float[np.ndarray, "n 3"]:
    """The bar between the rims, alike on both sides of its middle: the clearest band that crosses the gap."""
    lab = lab_of(portrait, camera.focal_px / camera.project(on_sheet(front.plane, front.middles))[:, 2].mean())
    rims = [around_lens(front.middles[side], (front.inner[side] + front.outer[side]) / 2) for side in (0, 1)]
    high = np.ptp(rims[0][:, 1])
    level = front.middles[:, 1].mean()
    # rims are nearest to each other at the bridge or below it
    nasal = [np.abs(rim[:, 0])[rim[:, 1] > level - 0.1 * high].min() * np.sign(rim[0, 0]) for rim in rims]
    columns = np.linspace(nasal[0], nasal[1], 21)
    heights = level + 0.75 * high - np.arange(0, 1.25 * high, STEP_M)
    places = np.stack(np.meshgrid(columns, heights, indexing="ij"), -1)
    score = _bands(seen_at(lab, camera, on_sheet(front.plane, places)))
    score = (score + score[::-1]) / 2
    middle = heights[:, None] - BREADTHS * STEP_M / 2
    score = score - 4 * ((middle - level - 0.22 * high) / (0.3 * high))[None] ** 2
    score = score - 3 * (np.clip(BREADTHS * STEP_M - 0.006, 0, 1) / 0.002) ** 2
    score[[0, 1, -2, -1]] *= 0.3  # there the rims' own lines cross
    top, breadth = _line(score)
    upper = heights[top]
    lower = upper - BREADTHS[breadth] * STEP_M
    upper, lower = ((edge + edge[::-1]) / 2 for edge in (upper, lower))
    for _ in range(2):
        upper[1:-1], lower[1:-1] = ((e[:-2] + 2 * e[1:-1] + e[2:]) / 4 for e in (upper, lower))
    # its ends lie within the rims at their own height, which slant
    at = float((upper + lower).mean()) / 2
    by_nose = slice(3 * ANGLES // 4, ANGLES // 4, -1)
    ends = [float(np.interp(at, rim[by_nose, 1], rim[by_nose, 0])) for rim in rims]
    return np.column_stack([np.linspace(ends[0], ends[1], len(columns)), lower, upper])
