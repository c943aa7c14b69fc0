"""Soft masks and colours for painting textures."""

from __future__ import annotations

import colorsys
from itertools import pairwise

import numpy as np

Rgb = tuple[float, float, float]
Number = np.ndarray | np.number | float | int


def smoothstep(low: Number, high: Number, x: Number) -> Number:
    """0 at `low`, 1 at `high`, smooth between, flat outside; `low` may be the greater of the two."""
    t = np.clip((np.asarray(x) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def adjust(color: Rgb | np.ndarray, saturation: float = 1.0, value: float = 1.0) -> np.ndarray:
    """An sRGB colour (0..1) with saturation and value multiplied."""
    hue, s, v = colorsys.rgb_to_hsv(*np.clip(color, 0, 1))
    return np.array(colorsys.hsv_to_rgb(hue, min(1.0, s * saturation), min(1.0, v * value)))


def stroke_distance(points: np.ndarray, line: np.ndarray, half_widths: np.ndarray) -> np.ndarray:
    """Signed distance (n,) of points (n, d) to a polyline (m, d) whose half width runs through `half_widths`.

    Infinite for points more than twice the greatest half width + 2 mm outside the line's box.
    """
    reach = 2 * np.max(half_widths) + 0.002
    whole = np.full(len(points), np.inf)
    close = np.flatnonzero(((points > line.min(0) - reach) & (points < line.max(0) + reach)).all(1))
    points = points[close]
    nearest = np.full(len(points), np.inf)
    places = np.linspace(0, 1, len(half_widths))
    for i, (start, end) in enumerate(pairwise(line)):
        along = end - start
        t = np.clip((points - start) @ along / max(along @ along, 1e-12), 0, 1)
        width = np.interp((i + t) / (len(line) - 1), places, half_widths)
        nearest = np.minimum(nearest, np.linalg.norm(points - (start + t[:, None] * along), axis=1) - width)
    whole[close] = nearest
    return whole


def to_rgba(rgb: np.ndarray, alpha: np.ndarray | float = 1.0) -> np.ndarray:
    """(h, w, 3) in 0..1 and alpha in 0..1 to (h, w, 4) uint8."""
    full = np.broadcast_to(np.asarray(alpha, np.float64)[..., None], (*rgb.shape[:2], 1))
    return np.round(np.clip(np.concatenate([rgb, full], -1), 0, 1) * 255).astype(np.uint8)
