"""What hair a portrait shows: measures of the hair mask around the face, and the style that they suggest.

The rules came from few photos and are a first guess for a picker, not a classifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from digitalme.artifacts.portrait import Portrait


@dataclass(frozen=True)
class HairTraits:
    """Areas are shares of the squared face height."""

    above: float
    """Hair over the face."""
    beside: float
    """Hair left and right of the face."""
    below: float
    """Hair lower than the chin."""
    width: float
    """Greatest width of the hair over the face's height."""
    coherence: float
    """0..1: how much neighbouring strands run the same way; low for curls."""
    fringe: float
    """Share of the upper forehead that looks like hair and not like skin."""
    style: str
    """"photo", or "bald"."""
    cut: str
    """The nearest named style: what a drawn character would wear."""
    glasses: str = ""
    """The kind of glasses, where it is known."""

    @property
    def bangs(self) -> bool:
        return self.fringe > 0.35


def hair_traits(portrait: Portrait) -> HairTraits:
    """Measures of the portrait's hair, in the face's own frame (so a tilted head does not matter)."""
    points = portrait.landmarks[:, :2].astype(np.float64)
    top, chin = points[10], points[152]
    face = np.linalg.norm(top - chin)
    up = (top - chin) / face
    side = np.array([-up[1], up[0]])
    h, w = portrait.hair.shape
    columns, rows = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
    middle = (top + chin) / 2
    height = ((columns - middle[0]) * up[0] + (rows - middle[1]) * up[1]) / face
    lateral = np.abs((columns - middle[0]) * side[0] + (rows - middle[1]) * side[1]) / face
    half_width = np.linalg.norm(points[234] - points[454]) / 2 / face

    hair = portrait.hair > 0.5
    above = float((hair & (height > 0.5)).sum() / face**2)
    beside = float((hair & (height <= 0.35) & (height > -0.5) & (lateral > 0.95 * half_width)).sum() / face**2)
    below = float((hair & (height < -0.55)).sum() / face**2)
    width = float(2 * np.percentile(lateral[hair], 99)) if hair.any() else 0.0
    reach = float(np.percentile(height[hair], 99)) if hair.any() else 0.5

    coherence = _coherence(portrait.image, hair, float(face))
    oval = np.zeros((h, w), np.uint8)
    ring = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
            149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]  # fmt: skip
    cv2.fillPoly(oval, [np.round(points[ring]).astype(np.int32)], 1)
    forehead = (oval > 0) & (height > 0.22) & (height < 0.45)
    lab = cv2.cvtColor(portrait.image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    to_lab = lambda color: cv2.cvtColor(np.array([[color]], np.float32), cv2.COLOR_RGB2Lab)[0, 0]  # noqa: E731
    like_hair = np.linalg.norm(lab - to_lab(portrait.hair_color), axis=2)
    like_skin = np.linalg.norm(lab - to_lab(portrait.skin_color), axis=2)
    fringe = float((like_hair < like_skin)[forehead].mean()) if forehead.any() and hair.any() else 0.0

    cut = _cut(above, beside, below, width, reach, coherence, fringe > 0.35)
    if portrait.traits.get("bald", 0) > 0.5:
        cut = "bald"
    style = "bald" if cut == "bald" else "photo"
    return HairTraits(above, beside, below, width, coherence, fringe, style, cut)


def _coherence(image: np.ndarray, hair: np.ndarray, face: float) -> float:
    """Median coherence of the structure tensor inside the hair; 1 where there is too little hair to tell."""
    gray = cv2.GaussianBlur(image, (0, 0), max(face / 200, 0.5)).astype(np.float32).mean(2)
    gx, gy = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(p, (0, 0), max(face * 0.03, 1.0)) for p in (gx * gx, gy * gy, gx * gy))
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy**2) / (xx + yy + 1e-3)
    core = cv2.erode(hair.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, round(0.015 * face))) > 0
    return float(np.median(coherence[core])) if core.sum() > 200 else 1.0


def _cut(above, beside, below, width, reach, coherence, bangs) -> str:
    if above + beside < 0.05:
        return "bald"
    if width > 1.9 and reach > 1.15 and below < 0.12:
        return "afro"
    if below > 0.12 and beside > 0.2:
        return "long" if bangs else "parted"
    if above < 0.19 and beside < 0.06:
        return "buzz" if coherence < 0.45 else "bun"
    if coherence < 0.42:
        return "curly"
    return "bob" if beside > 0.12 else "short"
