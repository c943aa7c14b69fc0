"""What a portrait tells beyond its shape: colours, sharpness, glasses, beard, baldness."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from digitalme.artifacts.portrait import Rgb
from digitalme.body import landmarks as marks
from digitalme.imaging.masks import FaceFrame, eroded

BROWN, DARK = (0.35, 0.22, 0.14), (0.16, 0.11, 0.08)
MOUSTACHE = (165, 92, 186, 57, 40, 37, 0, 267, 270, 287, 410, 322, 391, 164)
CHEEKS = ((50, 101, 118, 117, 123), (280, 330, 347, 346, 352))


def _median(image: UInt8[np.ndarray, "h w 3"], mask: Bool[np.ndarray, "h w"], fallback: Rgb, least: int = 20) -> Rgb:
    if mask.sum() < least:
        return fallback
    red, green, blue = np.median(image[mask], 0) / 255
    return float(red), float(green), float(blue)


def colors(
    image: UInt8[np.ndarray, "h w 3"],
    seed: Bool[np.ndarray, "h w"],
    hair: Float32[np.ndarray, "h w"],
    landmarks: Float32[np.ndarray, "478 3"],
    face: FaceFrame,
    below_hat: bool = False,
) -> dict[str, Rgb]:
    """skin_color, hair_color, iris_color, lip_color and brow_color, sRGB 0..1.

    `below_hat`: the hair is what a hat leaves free. Much of it lies in shade: its lit half tells the colour.
    """
    light = image.astype(np.float32).mean(2)
    low, high = np.percentile(light[seed], [60, 88])  # lit skin: neither shadow nor shine
    skin = image[seed & (light >= low) & (light <= high)].mean(0) / 255
    skin_color = (float(skin[0]), float(skin[1]), float(skin[2]))
    brow = face.polygon(marks.BROW_RIGHT, 0.01) | face.polygon(marks.BROW_LEFT, 0.01)
    brow_color = _median(image, brow & (light < 0.75 * np.median(light[seed])), DARK)
    strands = eroded(hair > 0.9, 0.007 * face.height_px)
    if below_hat and strands.any():
        strands &= light > np.median(light[strands])
    lips = face.polygon(marks.LIPS_OUTER, -0.005) & ~face.polygon(marks.LIPS_INNER, 0.01)
    return {
        "skin_color": skin_color,
        "hair_color": _median(image, strands, brow_color, 100),
        "iris_color": _iris_color(image, landmarks, face),
        "lip_color": _median(image, lips, (skin_color[0] * 0.9, skin_color[1] * 0.7, skin_color[2] * 0.7)),
        "brow_color": brow_color,
    }


def _iris_color(image, landmarks, face: FaceFrame) -> Rgb:
    """Median of the middle brightnesses in the rings of both irises, without pupil, limbus and lids."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    ring = np.zeros((height, width), bool)
    for ids, eye in ((marks.IRIS_RIGHT, marks.EYE_RIGHT), (marks.IRIS_LEFT, marks.EYE_LEFT)):
        centre, rim = landmarks[ids[0], :2], landmarks[list(ids[1:]), :2]
        radius = np.linalg.norm(rim - centre, axis=1).mean()
        away = np.hypot(x - centre[0], y - centre[1]) / max(radius, 1e-3)
        ring |= (away > 0.35) & (away < 0.85) & face.polygon(eye, -0.008)
    if ring.sum() < 8:
        return BROWN
    light = image.astype(np.float32).mean(2)
    low, high = np.percentile(light[ring], [25, 75])
    return _median(image, ring & (light >= low) & (light <= high), BROWN, 4)


def blur(image: UInt8[np.ndarray, "h w 3"], face: FaceFrame) -> float:
    """Variance of the Laplacian over the face at 150 px height, in grey levels: below some 15 it looks soft."""
    x0, y0 = np.maximum(face.points[list(marks.OVAL)].min(0).astype(int), 0)
    x1, y1 = face.points[list(marks.OVAL)].max(0).astype(int)
    scale = 150 / face.height_px
    crop = cv2.resize(image[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def hat_score(image: UInt8[np.ndarray, "h w 3"], hair: Bool[np.ndarray, "h w"], face: FaceFrame) -> float:
    """0..1: hair has one colour in light and shade; a hat's badge, band and crown differ by more."""
    above = hair & (face.up > 0.55)
    if above.sum() < 0.02 * face.height_px**2:
        return 0.0
    lightness = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 0]
    even = cv2.GaussianBlur(lightness, (0, 0), max(0.01 * face.height_px, 0.3))
    return float(np.clip((even[above].std() - 23) / 8, 0, 1))


def beard_score(image: UInt8[np.ndarray, "h w 3"], face: FaceFrame) -> float:
    """0..1: whether the upper lip is darker and less colourful than the cheeks."""
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    cheeks = face.polygon(CHEEKS[0]) | face.polygon(CHEEKS[1])
    lip = face.polygon(MOUSTACHE) & ~face.polygon(marks.LIPS_OUTER, 0.01)
    darker = 0.0
    if cheeks.any() and lip.any():
        bare, here = np.median(lab[cheeks], 0), np.median(lab[lip], 0)
        darker = float(bare[0] - here[0])
        if np.hypot(*bare[1:]) - np.hypot(*here[1:]) < 2 and darker < 32:  # as colourful as skin: shade
            darker = 0.0
    return float(np.clip((darker - 12) / 8, 0, 1))


def traits(
    image: UInt8[np.ndarray, "h w 3"],
    seed: Bool[np.ndarray, "h w"],
    hair: Float32[np.ndarray, "h w"],
    face: FaceFrame,
) -> dict[str, float]:
    """Scores 0..1 of hat, glasses, beard and bald; thresholds come from some twenty photos and are no classifier."""
    scale = 200 / face.height_px
    grey = cv2.GaussianBlur(image, (0, 0), max(face.height_px / 200, 0.3)).astype(np.float32).mean(2)
    slope = np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1)) / scale
    # a frame crosses the bridge of the nose, or runs above it, as a horizontal edge; skin does not
    span = float(np.linalg.norm(face.points[33] - face.points[263]))
    x, y = (face.points[168] + face.points[197]) / 2
    rows = slice(max(0, int(y - 0.22 * span)), max(0, int(y + 0.13 * span)))
    columns = slice(max(0, int(x - 0.045 * span)), max(0, int(x + 0.045 * span)))
    bare = hair[rows, columns] < 0.5  # a fringe has edges of its own
    clear = bare.sum(1) > 0.5 * bare.shape[1]
    lines = (slope[rows, columns] * bare).sum(1)[clear] / bare.sum(1)[clear]
    edge = float(np.percentile(lines, 95) / np.median(grey[seed])) if len(lines) > 3 else 0.0

    on_head = (hair > 0.5) & (face.up > -0.5) & ((face.up > 0.5) | ((face.up < 0.35) & ~face.polygon(marks.OVAL)))
    area = float(on_head.sum() / face.height_px**2)
    return {
        "hat": hat_score(image, hair > 0.5, face),
        "glasses": float(np.clip((edge - 0.40) / 0.3, 0, 1)),
        "beard": beard_score(image, face),
        "bald": float(np.clip((0.07 - area) / 0.04, 0, 1)),
    }
