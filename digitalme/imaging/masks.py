"""Which pixels of a portrait are person, skin and hair: rules on colour and place around the face's landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from digitalme.body import landmarks as marks

Image = UInt8[np.ndarray, "h w 3"]
Mask = Bool[np.ndarray, "h w"]
HANGS_INWARD = 0.35
"""Hair over the cheeks comes nearer to the chin by this share of what it comes down."""
ROUNDS = 3
HAT_LEAVES = 0.012
"""Less hair below a hat than this share of the squared face height is none."""
PLAIN = 3.2
"""Mahalanobis distance from the colours of the face's middle within which its edge is skin as well."""


@dataclass(frozen=True)
class FaceFrame:
    """The face's own axes in the picture, so that rules hold for a tilted head."""

    points: Float[np.ndarray, "478 2"]
    height_px: float
    """From the top of the forehead to the chin."""
    width_px: float
    up: Float32[np.ndarray, "h w"]
    """Place along the face's axis in face heights: 0.5 at the forehead's top landmark, -0.5 at the chin."""
    side: Float32[np.ndarray, "h w"]
    """Distance from that axis in face widths."""

    @classmethod
    def of(cls, landmarks: Float32[np.ndarray, "478 3"], shape: tuple[int, ...]) -> FaceFrame:
        points = landmarks[:, :2].astype(np.float64)
        top, chin = points[marks.FOREHEAD_TOP], points[marks.CHIN]
        height, width = np.linalg.norm(top - chin), np.linalg.norm(points[234] - points[454])
        axis, middle = (top - chin) / height, (top + chin) / 2
        x, y = np.meshgrid(np.arange(shape[1]) + 0.5 - middle[0], np.arange(shape[0]) + 0.5 - middle[1])
        return cls(
            points=points,
            height_px=float(height),
            width_px=float(width),
            up=((x * axis[0] + y * axis[1]) / height).astype(np.float32),
            side=(np.abs(x * axis[1] - y * axis[0]) / width).astype(np.float32),
        )

    def polygon(self, indices: tuple[int, ...], grow: float = 0.0) -> Mask:
        """Pixels inside a ring of landmarks, grown (or shrunk) by this share of the face height."""
        mask = np.zeros(self.up.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(self.points[list(indices)] * 16).astype(np.int32)], 1, shift=4)
        reach = round(abs(grow) * self.height_px)
        if reach:
            mask = (cv2.dilate if grow > 0 else cv2.erode)(mask, disc(reach))
        return mask > 0


def disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def dilated(mask: Mask, radius: float) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), disc(max(0, round(radius)))) > 0


def eroded(mask: Mask, radius: float) -> Mask:
    return cv2.erode(mask.astype(np.uint8), disc(max(0, round(radius)))) > 0


def person_mask(image: Image, sure: Float32[np.ndarray, "h w"], face: FaceFrame) -> Mask:
    """The person, from the selfie network's answer sharpened by colour (GrabCut, Rother et al. 2004)."""
    reach = 0.06 * face.height_px / 2
    labels = np.where(sure > 0.3, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[eroded(sure > 0.9, reach)] = cv2.GC_FGD
    labels[~dilated(sure > 0.3, reach)] = cv2.GC_BGD
    labels[face.polygon(marks.OVAL)] = cv2.GC_FGD
    found = _grab_cut(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), labels, 3)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    return parts == 1 + stats[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else found


def skin_seed(face: FaceFrame) -> Mask:
    """Pixels that are surely skin: the face without eyes, lips and brows, below the brow line."""
    seed = face.polygon(marks.OVAL, -0.06)
    for ring in (marks.EYE_RIGHT, marks.EYE_LEFT, marks.LIPS_OUTER, marks.BROW_RIGHT, marks.BROW_LEFT):
        seed &= ~face.polygon(ring, 0.03)
    brow_line = face.up[
        tuple(np.clip(face.points[[105, 334]].T[::-1].astype(int), 0, np.c_[face.up.shape].T[0][:, None] - 1))
    ]
    return seed & (face.up < brow_line.max())


def plain_seed(lab: Float32[np.ndarray, "h w 3"], seed: Mask, face: FaceFrame) -> Mask:
    """The seed without what hangs over the cheeks: near the face's edge only colours that the face's middle has too."""
    middle = seed & face.polygon(marks.OVAL, -0.18)
    if middle.sum() < 200:
        return seed
    away = skin_distance(lab, middle)
    return middle | (seed & (cv2.blur(away, (3, 3)) < PLAIN))


def skin_distance(lab: Float32[np.ndarray, "h w 3"], seed: Mask) -> Float32[np.ndarray, "h w"]:
    """Mahalanobis distance of each pixel's Lab colour from this person's skin."""
    colors = lab[seed]
    middle = np.median(colors, 0)
    near = colors[np.abs(colors - middle).max(1) < 25]
    near = near if len(near) > 50 else colors
    mean = near.mean(0)
    spread = np.cov(near.T) + np.diag([30, 4, 4])
    away = lab - mean.astype(np.float32)
    return np.sqrt(np.einsum("hwc,cd,hwd->hw", away, np.linalg.inv(spread).astype(np.float32), away, optimize=True))


def hair_mask(image: Image, person: Mask, skin_away: Float32[np.ndarray, "h w"], seed: Mask, face: FaceFrame) -> Mask:
    """Hair of the head: what is above the face and unlike skin, and what looks like it, down to below the chin."""
    up, oval = face.up, face.polygon(marks.OVAL)
    region = person & (up > -0.75) & (face.side < 1.1)
    labels = np.where(region, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    labels[region & (skin_away > 4) & ~face.polygon(marks.OVAL, -0.08) & (up > -0.35)] = cv2.GC_PR_FGD
    labels[region & (up > 0.58) & (skin_away > 2.5)] = cv2.GC_FGD
    labels[seed | (face.polygon(marks.OVAL, -0.1) & (up < 0.25)) | (up < -0.6) | ~person] = cv2.GC_BGD
    hair = _grab_cut(cv2.cvtColor(image, cv2.COLOR_RGB2Lab), labels, 4) & person & ~(oval & (up < 0.12))
    hair = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    hair = _large_parts(hair, 0.08)
    for _ in range(ROUNDS):  # what is found shows more of the hair's light and shade
        grown = _grown_by_color(image, hair, person, skin_away, face)
        if (grown & ~hair).sum() < 0.01 * face.height_px**2:
            return grown
        hair = grown
    return hair


def hair_below_hat(
    image: Image, person: Mask, hat: Mask, skin_away: Float32[np.ndarray, "h w"], face: FaceFrame
) -> Mask:
    """Hair that a hat leaves free, between its lower edge and the jaw: beside the face, unlike skin and unlike the hat.

    `hat`: what lies above the face, as `hair_mask` finds it. All False where there is next to nothing.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    region = person & ~hat & ~face.polygon(marks.OVAL, -0.03) & (face.side < 0.8)
    region &= (face.up > -0.42) & (face.up < 0.55)
    brim = eroded(hat, 0.01 * face.height_px) & (face.up < 0.7)
    nothing = np.zeros_like(person)
    if brim.sum() < 50:
        return nothing
    odd = region & (skin_away > 3) & (skin_distance(lab, brim) > 3)
    odd = cv2.morphologyEx(odd.astype(np.uint8), cv2.MORPH_OPEN, disc(max(1, round(0.012 * face.height_px)))) > 0
    odd &= dilated(face.polygon(marks.OVAL), 0.2 * face.height_px)
    if odd.sum() < HAT_LEAVES * face.height_px**2:
        return nothing
    near = odd & (np.linalg.norm(lab - np.median(lab[odd], 0), axis=2) < 30)
    alike = region & (skin_distance(lab, near) < np.minimum(0.8 * skin_away, 3))
    alike = cv2.morphologyEx((alike | near).astype(np.uint8), cv2.MORPH_OPEN, disc(1))
    _, parts = cv2.connectedComponents(alike)
    touching = np.unique(parts[near])
    found = np.isin(parts, touching[touching > 0])
    found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, disc(max(1, round(0.01 * face.height_px)))) > 0
    return found & region if found.sum() > HAT_LEAVES * face.height_px**2 else nothing


def _grown_by_color(image, hair, person, skin_away, face) -> Mask:
    """Add what has the hair's colour and touches it: short hair at the temples, and long hair below the chin and over
    the cheeks where hair already runs down beside the face."""
    core = eroded(hair, 0.009 * face.height_px)
    if core.sum() < 200:
        return hair
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    middle = np.median(lab[core], 0)
    near = lab[core][np.abs(lab[core] - middle).max(1) < 30]
    away = lab - middle
    inverse = np.linalg.inv(np.cov(near.T) + np.diag([15, 5, 5])).astype(np.float32)
    distance = np.sqrt(np.einsum("hwc,cd,hwd->hw", away, inverse, away, optimize=True))
    alike = person & (distance < 0.8 * skin_away)
    outside = alike & ~face.polygon(marks.OVAL, 0.005)
    temples = outside & (distance < 3.2) & (skin_away > 3.5) & (face.up > 0) & (face.side < 0.75)
    # the oval's rim may lie on the temples' hair
    rim = alike & (distance < 0.6 * skin_away) & (skin_away > 4) & ~face.polygon(marks.OVAL, -0.06) & (face.up > 0.05)
    # cropped hair lets the skin through
    rim |= alike & (skin_away > 2.2) & (distance < 3.2) & ~face.polygon(marks.OVAL, -0.04) & (face.up > 0.15)
    beside = hair & (face.up < -0.12) & (face.up > -0.5) & ~face.polygon(marks.OVAL, 0.02)
    long = beside.sum() > 0.05 * face.height_px**2
    below = outside & (distance < 2.4) & (face.up < -0.3) & long
    # long hair may fall over the cheeks; below the mouth it could be a beard
    over = alike & (distance < 0.6 * skin_away) & (skin_away > 4) & ~face.polygon(marks.OVAL, -0.16) & long
    over = _from_above(over, face, -0.15)
    # beside the ears there is no skin: what has the hair's colour there is hair, however like skin it is
    aside = person & (distance < 3.0) & (face.side > 0.66) & (face.side < 1.1) & (face.up > -0.45) & (face.up < 0.5)
    if aside.sum() > 0.04 * face.height_px**2:  # hair that covers the ears goes on to the face's edge
        aside |= (
            person
            & ~face.polygon(marks.OVAL, 0.02)
            & (distance < np.minimum(2.6, 1.15 * skin_away))
            & (face.up > -0.45)
        )
    grown = cv2.morphologyEx((temples | rim | below | over | aside | hair).astype(np.uint8), cv2.MORPH_OPEN, disc(1))
    _, parts = cv2.connectedComponents(grown)
    touching = np.unique(parts[hair])
    found = hair | np.isin(parts, touching[touching > 0])
    # a thin line down the cheek is its lit edge, or a sideburn that the skin's picture has too
    thick = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, disc(max(1, round(0.03 * face.height_px)))) > 0
    found &= thick | (face.up > 0)
    return cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, disc(max(1, round(0.01 * face.height_px)))) > 0


def _from_above(mask: Mask, face: FaceFrame, level: float) -> Mask:
    """The mask above this height (in face heights) and what hangs down from there without a gap, no steeper inward than
    hair does: what runs along the jaw is a beard."""
    found = mask & (face.up > level)
    inner = face.side[found & (face.up < level + 0.1)]
    if len(inner):
        mask = mask & (face.side > np.percentile(inner, 10) - HANGS_INWARD * (level - face.up))
    reach = max(1, round(0.01 * face.height_px))
    step = disc(2 * reach)
    while True:
        more = (cv2.dilate(found.astype(np.uint8), step) > 0) & mask & (face.up > -0.5)
        if not (more & ~found).any():
            return found
        found |= more


def _grab_cut(image: np.ndarray, labels: np.ndarray, rounds: int) -> Mask:
    """Foreground of `labels` (GrabCut's four) refined on the part of the picture that is undecided."""
    undecided = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_PR_BGD)
    sure = labels == cv2.GC_FGD
    if not undecided.any() or not (sure | (labels == cv2.GC_PR_FGD)).any() or (labels % 2 == 1).all():
        return sure | (labels == cv2.GC_PR_FGD)
    rows, columns = np.where(undecided | sure)
    margin = 8
    y0, y1 = max(0, rows.min() - margin), rows.max() + 1 + margin
    x0, x1 = max(0, columns.min() - margin), columns.max() + 1 + margin
    part = labels[y0:y1, x0:x1].copy()
    if not ((part == cv2.GC_BGD) | (part == cv2.GC_PR_BGD)).any():
        return sure | (labels == cv2.GC_PR_FGD)
    cv2.setRNGSeed(0)
    model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(image[y0:y1, x0:x1]), part, None, *model, rounds, cv2.GC_INIT_WITH_MASK)
    out = np.zeros(labels.shape, bool)
    out[y0:y1, x0:x1] = (part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)
    return out


def _large_parts(mask: np.ndarray, share: float) -> Mask:
    """Connected parts with at least this share of the largest one's area."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask > 0
    area = stats[1:, cv2.CC_STAT_AREA]
    return np.isin(parts, 1 + np.where(area >= share * area.max())[0])
