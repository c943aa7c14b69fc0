"""Textures of a drawn character: the face with blush, brows and a mouth line; the big eye."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import AvatarMesh
from digitalme.body.landmarks import landmark_points
from digitalme.geometry.uv_map import spread_over_uvs
from digitalme.imaging.drawing import adjust, smoothstep, stroke_distance, to_rgba

if TYPE_CHECKING:
    from digitalme.body.moe import Bend, MoeColors

_SIZE = 1024
_SHADE = np.array([0.86, 0.74, 0.78])


def drawn_skin(color) -> Float[np.ndarray, "3"]:
    """A photo's skin colour as paint: lighter, the more so the lighter it is; dark skin keeps its tone."""
    hue, saturation, value = colorsys.rgb_to_hsv(*np.clip(color, 0, 1))
    lift = float(np.interp(value, [0.45, 0.62, 0.78, 0.86, 0.93], [0.16, 0.24, 0.34, 0.5, 0.62]))
    value = min(0.99, value + (1 - value) * lift)
    saturation = min(0.58, saturation * float(np.interp(value, [0.5, 0.65, 0.85], [0.95, 0.84, 0.80])))
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def drawn_hair(color) -> Float[np.ndarray, "3"]:
    """Hair as paint: lifted, so that shade and shine can be told from black; darker hair stays the darker one."""
    body = adjust(color, 1.10)
    value = float(body.max())
    if value < 0.35:  # nearly black hair has hardly a hue of its own: lifted, the photo's noise would turn it purple
        body[2] = min(body[2], max(body[1], 0.92 * body[0]))
        body[0] = min(body[0], 1.5 * body[1])
    return np.clip(body * (0.22 + 0.86 * value) / max(value, 0.02), 0, 1)


def drawn_cloth(color) -> Float[np.ndarray, "3"]:
    """Cloth as paint: brighter and more coloured, never black."""
    hue, saturation, value = colorsys.rgb_to_hsv(*np.clip(color, 0, 1))
    return np.array(
        colorsys.hsv_to_rgb(hue, min(0.72, saturation * 1.2), float(np.clip(value * 1.15 + 0.10, 0.26, 0.97)))
    )


def neck_area(points: Float[np.ndarray, "n 3"], chin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n"]:
    """0..1: the neck below the chin, between the ears."""
    below = smoothstep(chin[1] - 0.001, chin[1] - 0.016, points[:, 1]) * smoothstep(
        chin[1] - 0.13, chin[1] - 0.10, points[:, 1]
    )
    return below * (np.abs(points[:, 0]) < 0.075) * (points[:, 2] > chin[2] - 0.14)


def neck_shadow(points: Float[np.ndarray, "n 3"], chin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n"]:
    """0..1: the shadow that the chin throws on the neck, with a round lower edge."""
    edge = chin[1] - 0.036 + 7.5 * np.minimum(np.abs(points[:, 0]), 0.055) ** 2
    return smoothstep(edge - 0.0006, edge + 0.0006, points[:, 1]) * smoothstep(
        chin[1] - 0.002, chin[1] - 0.004, points[:, 1]
    )


def neck_uvs(points: Float[np.ndarray, "n 3"], chin: Float[np.ndarray, "3"]) -> Float[np.ndarray, "n 2"]:
    """A flat projection of the neck from the front onto `paint_neck`; everything else falls on bare skin."""
    u = (points[:, 0] + 0.15) / 0.30
    v = (chin[1] + 0.03 - points[:, 1]) / 0.30
    back = points[:, 2] < chin[2] - 0.125
    return np.clip(np.stack([np.where(back, 0.0, u), np.where(back, 1.0, v)], 1), 0.004, 0.996).astype(np.float32)


def paint_neck(size: int = 384) -> UInt8[np.ndarray, "s s 3"]:
    """Bare skin with the chin's shadow, to be multiplied with the skin colour."""
    u, v = np.meshgrid((np.arange(size) + 0.5) / size, (np.arange(size) + 0.5) / size)
    flat = np.stack([u.ravel() * 0.30 - 0.15, 0.03 - v.ravel() * 0.30, 0 * u.ravel()], 1)
    shade = neck_shadow(flat, np.zeros(3)).reshape(size, size, 1)
    return to_rgba(1 - shade * (1 - _SHADE))[..., :3]


def paint_face(
    head: AvatarMesh, bend: Bend, bent: Float[np.ndarray, "vertices 3"], colors: MoeColors, beard: float
) -> tuple[UInt8[np.ndarray, "s s 3"], Float[np.ndarray, "3"]]:
    """The head's texture, to be multiplied with the skin colour, and that colour (sRGB 0..1)."""
    skin = drawn_skin(colors.skin)
    place, covered = spread_over_uvs(head.positions.astype(np.float64), head.uvs, head.faces, _SIZE)
    picture = np.tile(skin.astype(np.float32), (_SIZE, _SIZE, 1))
    front = covered & (place[..., 2] > bend.model.head_center[2] - 0.045)
    points, paint = place[front].astype(np.float64), picture[front].astype(np.float64)
    mark = landmark_points(bent)
    light = float(skin @ [0.3, 0.6, 0.1])
    s, manner = bend.style.intensity, bend.style.drawn

    under = neck_shadow(points, mark[152])
    jaw = mark[152, 1] - 0.001 + 0.42 * np.clip(mark[152, 2] - 0.006 - points[:, 2], 0, None)
    under = np.maximum(under, smoothstep(0.0006, -0.0006, points[:, 1] - jaw) * (points[:, 1] > mark[152, 1] - 0.004))
    under *= smoothstep(mark[152, 2] - 0.125, mark[152, 2] - 0.120, points[:, 2])
    paint *= 1 - under[:, None] * (1 - _SHADE)

    def lay(color: np.ndarray, amount: np.ndarray) -> None:
        paint[:] = paint * (1 - amount[:, None]) + np.asarray(color) * amount[:, None]

    # blush: round under the outer third of each eye, with two or three little strokes
    tint = np.array([1.0, 0.62, 0.60]) if light > 0.6 else np.array([1.05, 0.70, 0.62])
    centers = bend.body(bend.face(bend.eye_centers, whole_model=False))
    for center, cheek in zip(centers, (mark[280], mark[50]), strict=True):
        spot = np.array([center[0] * 1.24, center[1] - 0.0235, cheek[2]])
        distance = np.linalg.norm((points - spot) / np.array([1.45, 0.72, 2.5]), axis=1)
        lay(skin * tint, 0.55 * s * manner.blush * np.exp(-((distance / 0.0115) ** 2.4)))
        for k in (-1, 0, 1):
            foot = spot + np.array([k * 0.0052 * np.sign(center[0]) - 0.0011, -0.0022, 0])
            line = np.stack([foot, foot + np.array([0.0022, 0.0044, 0])])
            far = stroke_distance(points[:, :2], line[:, :2], np.array([0.00025, 0.00035, 0.0002]))
            lay(skin * tint * np.array([0.97, 0.80, 0.80]), 0.55 * s * manner.blush * smoothstep(0.0004, -0.0001, far))

    brow = np.asarray(colors.brow) * 0.8 if np.mean(colors.brow) < 0.5 else np.asarray(colors.hair) * 0.7
    for ids in ((55, 65, 52, 53, 46), (285, 295, 282, 283, 276)):  # from the nose outward, as one smooth arc
        line = mark[list(ids)]
        x = np.linspace(line[0, 0], line[-1, 0] * 1.04, 12)
        arc = np.polyval(np.polyfit(line[:, 0], line[:, 1], 2), x)
        arc = arc.mean() + 0.55 * (arc - arc.mean()) + np.linspace(0.0110, 0.0055, 12)  # inner end up: not cross
        arc = arc - manner.lower_brows * np.linspace(1.6, 0.4, 12)
        width = np.array([0.0009, 0.0017, 0.0018, 0.0013, 0.0003]) * manner.brows
        far = stroke_distance(points[:, :2], np.stack([x, arc], 1), width)
        lay(brow, smoothstep(0.0004, -0.0003, far))

    if beard > 0.3:
        _paint_beard(points, lay, mark, np.asarray(colors.hair), beard)

    if manner.lines > 0:
        _paint_years(points, lay, mark, centers, skin, s * manner.lines)
    if manner.lips > 0:
        _paint_lips(points, lay, mark, skin, s * manner.lips)

    # a mouth line that turns up a little past the corners of the lips
    seam = 0.5 * mark[[78, 80, 82, 13, 312, 310, 308]] + 0.5 * mark[[78, 88, 87, 14, 317, 318, 308]]
    turn = np.array([0.0019, 0.0019, 0.0])
    line = np.concatenate([seam[:1] + turn * [-1, 1, 0], seam, seam[-1:] + turn])
    widths = np.array([0.0002, 0.0006, 0.0008, 0.0007, 0.0007, 0.0007, 0.0008, 0.0006, 0.0002])
    far = stroke_distance(points[:, :2], line[:, :2], widths)
    lay(
        skin * np.array([0.48, 0.26, 0.26]),
        0.9 * smoothstep(0.0004, -0.0002, far) * (points[:, 2] > mark[61, 2] - 0.012),
    )
    lower = np.stack([mark[17] + np.array([x, 0.0012, 0]) for x in (-0.0035, 0, 0.0035)])
    far = stroke_distance(points[:, :2], lower[:, :2], np.array([0.0001, 0.0005, 0.0001]))
    lay(skin * np.array([0.84, 0.62, 0.60]), 0.6 * s * smoothstep(0.0004, -0.0002, far))
    under_nose = mark[1] + np.array([0, -0.006, 0])
    far = np.linalg.norm((points - under_nose) * np.array([0.8, 1.6, 0.3]), axis=1)
    lay(skin * np.array([0.85, 0.60, 0.58]), 0.3 * smoothstep(0.0032, 0.0018, far))

    picture[front] = paint
    return np.round(np.clip(picture / skin, 0, 1) * 255).astype(np.uint8), skin


def _paint_years(points: np.ndarray, lay, mark: np.ndarray, eyes: np.ndarray, skin: np.ndarray, depth: float) -> None:
    """The lines by which a drawing tells age: beside nose and mouth, under the eyes, on the forehead."""
    ink = skin * np.array([0.60, 0.42, 0.40])

    def carve(line: np.ndarray, width: float, amount: float) -> None:
        widths = width * np.sin(np.linspace(0.25, np.pi - 0.1, len(line))) * np.clip(depth, 0.5, 1)
        far = stroke_distance(points[:, :2], line, widths)
        lay(ink, amount * depth * smoothstep(0.0004, -0.0003, far))

    mouth, nose, wide = (mark[13] + mark[14]) / 2, mark[1], abs(float(mark[291, 0]))
    t = np.linspace(0, 1, 9)
    for side, eye in ((np.sign(center[0]), center) for center in eyes):
        out = 0.0110 + (wide + 0.0035 - 0.0110) * t**1.5
        high, low = nose[1] - 0.002, mouth[1] + 0.0035
        carve(np.stack([out, high + (low - high) * t**0.85], 1) * [side, 1], 0.0010, 0.9)
        bag = np.stack([abs(eye[0]) + 0.017 * (2 * t - 1) * 0.8, eye[1] - 0.0225 - 0.0035 * np.sin(np.pi * t)], 1)
        carve(bag * [side, 1], 0.0008, 0.75)
    brows = mark[[105, 334], 1].mean() + 0.014
    for k in range(3 if depth > 0.8 else 1):
        x = (0.024 - 0.003 * k) * (2 * np.linspace(0, 1, 13) - 1)
        carve(np.stack([x, brows + 0.006 + 0.0065 * k - 2.5 * x**2], 1), 0.0007, 0.7)


def _paint_lips(points: np.ndarray, lay, mark: np.ndarray, skin: np.ndarray, amount: float) -> None:
    """Painted lips: an almond around the mouth's line."""
    corners, mouth = mark[[61, 291]], (mark[13] + mark[14]) / 2
    half = 0.62 * abs(corners[1, 0] - corners[0, 0]) / 2
    share = np.clip(1 - (points[:, 0] / max(half, 1e-4)) ** 2, 0, 1)
    high, low = mouth[1] + 0.0019 * share, mouth[1] - 0.0036 * share
    inside = smoothstep(0.0003, -0.0003, np.maximum(points[:, 1] - high, low - points[:, 1])) * (share > 0)
    inside = inside * (points[:, 2] > mark[61, 2] - 0.012)
    color = 0.45 * skin * np.array([1.0, 0.62, 0.62]) + 0.55 * np.array([0.86, 0.36, 0.42])
    lay(color, amount * inside)


def _paint_beard(points: np.ndarray, lay, mark: np.ndarray, hair: np.ndarray, amount: float) -> None:
    """A full beard: below a curve from the ears to the moustache, without the lips."""
    mouth = (mark[13] + mark[14]) / 2
    across = np.abs(points[:, 0]) / max(1e-3, abs(mark[454, 0]))
    edge = mouth[1] - 0.002 + 0.045 * np.clip(across - 0.35, 0, 1) ** 1.2
    field = smoothstep(0.003, -0.002, points[:, 1] - edge)
    lip_top = mouth[1] * 0.45 + mark[2, 1] * 0.55
    moustache = np.exp(-(((points[:, 0]) / 0.0165) ** 4 + ((points[:, 1] - lip_top) / 0.0030) ** 4))
    off_lips = smoothstep(0.0075, 0.0105, np.linalg.norm((points - mouth) * np.array([0.55, 1.15, 0]), axis=1))
    lay(hair, 0.62 * amount * np.clip(np.maximum(field, moustache), 0, 1) * off_lips)


def paint_moe_eye(iris, size: int = 512) -> UInt8[np.ndarray, "s s 3"]:
    """The eye disc of a drawing: a tall iris, dark above and glowing below, a pupil, three lights."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis + 0.03)
    wide, tall = 0.50, 0.60
    picture = np.ones((size, size, 3)) * np.array([0.995, 0.99, 0.985])
    picture *= (1 - 0.28 * smoothstep(0.02, -0.48, y))[..., None] * np.array([1.0, 0.985, 0.99])
    r = np.hypot(x / wide, y / tall)
    hue, saturation, value = colorsys.rgb_to_hsv(*np.clip(iris, 0, 1))
    if not 0.06 < hue < 0.9 and saturation * value < 0.33:  # a photo's brown, not red
        hue = 0.06
    # bright enough to glow, and still the darker the darker the person's own are
    bright = float(np.interp(value, [0.12, 0.38, 0.50, 0.70], [0.30, 0.46, 0.66, 0.84]))
    color = np.array(colorsys.hsv_to_rgb(hue, min(0.82, saturation * 1.30), bright))
    lift = min(1.5, 0.97 / float(color.max()))  # never so bright that amber and hazel both turn yellow
    dark, glow = color * np.array([0.34, 0.30, 0.36]), np.clip(color * lift + 0.08, 0, 1)
    down = smoothstep(-0.85, 0.95, y / tall)[..., None]
    disc = dark * (1 - down) + glow * down
    inner = smoothstep(0.80, 0.62, np.hypot(x / wide, (y - 0.10) / tall))[..., None]
    disc = disc * (0.86 + 0.14 * inner)
    shine = smoothstep(0.34, 0.18, np.hypot(x / 1.25, y - 0.36))[..., None]  # light gathered below the pupil
    disc = disc * (1 - 0.55 * shine) + np.clip(glow * 1.05 + 0.10, 0, 1) * 0.55 * shine
    rim = smoothstep(0.82, 0.93, r)[..., None]
    disc = disc * (1 - rim) + dark * 0.45 * rim
    pupil = smoothstep(0.44, 0.36, np.hypot(x / wide, (y + 0.02) / tall))[..., None]
    disc = disc * (1 - pupil) + dark * 0.35 * pupil
    inside = smoothstep(1.02, 0.97, r)[..., None]
    picture = picture * (1 - inside) + disc * inside
    for cx, cy, radius, squash in ((-0.17, -0.20, 0.150, 0.85), (0.19, 0.20, 0.075, 0.9), (0.16, -0.30, 0.045, 1.0)):
        dot = smoothstep(radius, radius * 0.86, np.hypot(x - cx, (y - cy) * squash))[..., None]
        picture = picture * (1 - dot) + dot
    return to_rgba(np.clip(picture, 0, 1))[..., :3]
