"""Facial hair: what the photo shows of it, and its geometry: a thin shell of stubble and short strand cards over it.

Both move with the skin that they grow on: every face action of the head is carried over to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from digitalme.artifacts.avatar import AvatarMesh, Material, Morph
from digitalme.artifacts.portrait import Portrait
from digitalme.body.hair_color import palette_of
from digitalme.body.landmarks import LIPS_OUTER, landmark_points
from digitalme.geometry.uv_map import spread_over_uvs
from digitalme.imaging.drawing import smoothstep, to_rgba

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Style:
    """Where it grows (weights of three regions), how long it is (metres), how dense the shell under it (0..1)."""

    moustache: float
    chin: float
    cheeks: float
    length: float
    shell: float


STYLES = {
    "stubble": Style(0.9, 0.9, 0.75, 0.0, 0.42),
    "moustache": Style(1.0, 0.0, 0.0, 0.008, 0.75),
    "goatee": Style(1.0, 1.0, 0.0, 0.010, 0.75),
    "short": Style(1.0, 1.0, 0.95, 0.006, 0.75),
    "full": Style(1.0, 1.0, 1.0, 0.017, 0.85),
}
BEARD_STYLES = ("none", *STYLES)
SHADE_CHROMA, SURE_DARK = 2.0, 32.0
"""Lab: hair is less colourful than skin by the first, unless it is darker by the second (ginger beards)."""
GRAIN, GRAINIER = 4.5, 2.5
"""Lab lightness by which a beard's hairs stand out from what is around them on the chin, and how many times more than a
cheek's skin does: hairs with skin between, of whatever colour."""
_SPACING = 0.0024
"""Metres between cards."""
_CHEEKS = ((50, 101, 118, 117, 123), (280, 330, 347, 346, 352))
_MOUSTACHE = (165, 92, 186, 57, 40, 37, 0, 267, 270, 287, 410, 322, 391, 164)
_CHIN = (18, 83, 182, 194, 32, 208, 199, 428, 262, 418, 406, 313)
_JAWS = ((214, 192, 138, 135, 210), (434, 416, 367, 364, 430))


def grainy_chin(portrait: Portrait) -> bool:
    """Whether the chin is covered with hairs that stand out one by one, be they of the skin's own hue."""
    points = portrait.landmarks[:, :2]
    light = cv2.cvtColor(portrait.image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[..., 0]
    face = float(np.linalg.norm(points[152] - points[10]))
    detail = np.abs(light - cv2.GaussianBlur(light, (0, 0), 0.012 * face))

    def mean(*rings: tuple[int, ...]) -> float:
        mask = np.zeros(light.shape, np.uint8)
        for ring in rings:
            cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[list(ring)]).astype(np.int32)), 1)
        return float(detail[mask > 0].mean()) if mask.any() else 0.0

    return mean(_CHIN) > max(GRAIN, GRAINIER * mean(*_CHEEKS))


def beard_style(portrait: Portrait) -> tuple[str, Rgb]:
    """The style that the photo shows, and the hair's colour (sRGB 0..1). Thresholds are a first guess, no classifier.

    A region counts by how much darker it is than the cheeks (Lab lightness), or greyer where the beard is light.
    """
    image = portrait.image
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    points = portrait.landmarks[:, :2]

    def region(*rings: tuple[int, ...]) -> np.ndarray:
        mask = np.zeros(image.shape[:2], np.uint8)
        for ring in rings:
            cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[list(ring)]).astype(np.int32)), 1)
        lips = np.zeros_like(mask)
        cv2.fillPoly(lips, [np.round(points[list(LIPS_OUTER)]).astype(np.int32)], 1)
        grow = max(1, round(0.012 * np.linalg.norm(points[152] - points[10])))
        lips = cv2.dilate(lips, np.ones((2 * grow + 1,) * 2, np.uint8))
        return (mask > 0) & (lips == 0)

    cheeks = [region(ring) for ring in _CHEEKS]
    if min(mask.sum() for mask in cheeks) < 20:
        return "none", portrait.hair_color
    bare = np.median(lab[cheeks[0] | cheeks[1]], 0)
    scale = np.clip(bare[0] / 62, 0.45, 1.1)  # dark skin leaves less room below it

    def hairy(mask: np.ndarray, beside: np.ndarray = bare) -> float:
        if mask.sum() < 20:
            return 0.0
        here = np.median(lab[mask], 0)
        paler = np.hypot(*beside[1:]) - np.hypot(*here[1:])
        # shade of the nose, or lips drawn up in a smile: darker skin, as colourful as the rest
        if paler < SHADE_CHROMA and beside[0] - here[0] < SURE_DARK * scale:
            return 0.0
        return float(max(beside[0] - here[0], 0.8 * paler if paler > 9 and here[0] > beside[0] - 4 else 0) / scale)

    moustache, chin = hairy(region(_MOUSTACHE)), hairy(region(_CHIN))
    # of the jaw's sides the lighter one counts, each against its own cheek: the other may lie in shadow
    jaw = min(hairy(region(ring), np.median(lab[cheek], 0)) for ring, cheek in zip(_JAWS, cheeks, strict=True))
    style = "none"
    if moustache > 12 and chin > 12:
        style = "full" if jaw > 18 else "short" if jaw > 11.5 else "goatee"
    elif moustache > 20 and chin < 9:  # alone it is mostly the shade of the nose, and the lip drawn up by a smile
        style = "moustache"
    elif min(moustache, chin) > 9.5 and jaw > 9.5:  # a shaven jaw lies 5 to 7 under its cheek, in its shade
        style = "stubble"
    where = region(_MOUSTACHE) | (region(_CHIN) if style != "moustache" else False)
    if style in ("none", "stubble") or not where.any():  # stubble's pixels are more skin than hair
        red, green, blue = (0.5 * (a + b) for a, b in zip(portrait.hair_color, portrait.brow_color, strict=True))
        return style, (red, green, blue)
    pixels = image[where].astype(np.float64) / 255
    order = pixels[np.argsort(np.abs(pixels @ [0.3, 0.6, 0.1] - bare[0] / 100))]
    red, green, blue = (float(v) for v in np.median(order[len(order) // 2 :], 0))  # the half least like skin
    return style, (red, green, blue)


def beard_field(points: Float[np.ndarray, "n 3"], mark: Float[np.ndarray, "468 3"], style: Style) -> np.ndarray:
    """How densely (0..1) hair grows at points of the face (n,), world metres."""
    mouth, nose, chin = (mark[13] + mark[14]) / 2, mark[2], mark[152]
    corner = np.abs(mark[[61, 291], 0] - mouth[0]).mean()
    x = np.abs(points[:, 0] - mouth[0])
    y, z = points[:, 1], points[:, 2]
    front = smoothstep(mark[[61, 291], 2].mean() - 0.030, mark[[61, 291], 2].mean() - 0.018, z)

    top = nose[1] - 0.003 - 0.010 * np.clip(x / corner - 0.25, 0, 2) ** 1.3
    end = mouth[1] - (0.012 if style.chin else 0.003) * smoothstep(0.75, 1.2, x / corner)
    moustache = smoothstep(top + 0.0015, top - 0.0015, y) * smoothstep(end - 0.003, end + 0.002, y)
    moustache *= smoothstep(*((1.32, 1.10) if style.chin else (1.12, 0.92)), x / corner) * front
    moustache *= 0.55 + 0.45 * smoothstep(0.0005, 0.004, x)  # thinner in the philtrum

    below = smoothstep(mouth[1] - 0.005, mouth[1] - 0.010, y)
    wide = 0.62 * corner + 0.55 * corner * smoothstep(mouth[1] - 0.012, chin[1], y) ** 0.5
    around = smoothstep(0.0045, 0.0015, np.abs(x - 1.12 * corner)) * smoothstep(mouth[1] - 0.03, mouth[1] - 0.01, y)
    chin_field = np.maximum(
        smoothstep(wide + 0.003, wide - 0.003, x), around * smoothstep(mouth[1] + 0.004, mouth[1], y)
    )
    chin_field = chin_field * below * smoothstep(chin[1] - 0.020, chin[1] - 0.008, y) * front

    across = x / max(np.abs(mark[[234, 454], 0] - mouth[0]).mean(), 1e-3)
    edge = mouth[1] - 0.006 + 0.062 * np.clip(across - 0.42, 0, 1) ** 1.25
    cheeks = smoothstep(edge + 0.004, edge - 0.005, y)
    cheeks *= smoothstep(chin[1] - 0.030, chin[1] - 0.012, y) * smoothstep(
        mark[[234, 454], 2].mean() - 0.016, mark[[234, 454], 2].mean() + 0.012, z
    )
    field = np.maximum.reduce([style.moustache * moustache, style.chin * chin_field, style.cheeks * cheeks])
    return field * _off_lips(points, mark)


def _off_lips(points: np.ndarray, mark: np.ndarray) -> np.ndarray:
    """0 on the lips .. 1 from 2 mm beside them, in the frontal projection."""
    ring = mark[list(LIPS_OUTER)][:, :2]
    start, end = ring, np.roll(ring, -1, 0)
    p = points[:, None, :2]
    along = end - start
    t = np.clip(((p - start) * along).sum(2) / np.maximum((along**2).sum(1), 1e-12), 0, 1)
    away = np.linalg.norm(p - (start + t[..., None] * along), axis=2).min(1)
    over = (start[:, 1] > p[..., 1]) != (end[:, 1] > p[..., 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = start[:, 0] + (p[..., 1] - start[:, 1]) / (end[:, 1] - start[:, 1]) * along[:, 0]
    inside = (over & (p[..., 0] < crossing)).sum(1) % 2 == 1
    return smoothstep(0.0002, 0.0022, np.where(inside, -away, away))


def beard_meshes(
    head: AvatarMesh, vertices: Float[np.ndarray, "vertices 3"], name: str, color: Rgb, seed: int = 0
) -> tuple[list[AvatarMesh], dict[str, UInt8[np.ndarray, "h w 4"]]]:
    """Shell and cards of a style on this head, and their textures "beard_shell" and "beard"."""
    if name == "none":
        return [], {}
    style = STYLES[name]
    mark = landmark_points(vertices)
    low = mark[152, 1] - 0.05
    middles = head.positions[head.faces].mean(1).astype(np.float64)
    region = head.faces[(middles[:, 1] > low) & (middles[:, 1] < mark[4, 1] + 0.045)]
    density = beard_field(head.positions.astype(np.float64), mark, style)
    region = region[density[region].max(1) > 0.02] if density.max() > 0 else region[:0]
    # a triangle may hold a moustache between bare corners
    shell, picture = _shell(head, region, mark, style, color, seed)
    meshes, textures = [shell], {"beard_shell": picture}
    if style.length:
        meshes.append(_cards(head, region, mark, style, seed))
        textures["beard"] = _paint_cards(color, seed)
    return meshes, textures


def _carried(head: AvatarMesh, corner: np.ndarray, bary: np.ndarray) -> tuple[dict[str, Morph], np.ndarray, np.ndarray]:
    """Morphs, joints and weights of the head at points given by triangle corners (n, 3) and barycentrics (n, 3)."""
    count = len(head.positions)
    morphs = {}
    for name, morph in head.morphs.items():
        moved = Morph.from_dense(np.einsum("nc,ncx->nx", bary, morph.dense(count)[corner]), 1e-5)
        if len(moved.index):
            morphs[name] = moved
    nearest = corner[np.arange(len(corner)), bary.argmax(1)]
    return morphs, head.joints[nearest], head.weights[nearest]


def _shell(
    head: AvatarMesh, region: np.ndarray, mark: np.ndarray, style: Style, color: Rgb, seed: int, size: int = 1024
) -> tuple[AvatarMesh, UInt8[np.ndarray, "s s 4"]]:
    used, faces = np.unique(region, return_inverse=True)
    faces = faces.reshape(region.shape)
    normals = head.normals[used]
    positions = head.positions[used] + 0.0006 * normals
    places, covered = spread_over_uvs(head.positions[used].astype(np.float64), head.uvs[used], faces, size)
    alpha = np.zeros((size, size))
    alpha[covered] = beard_field(places[covered], mark, style)
    rng = np.random.default_rng(seed)
    dots = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 0.8)
    dots = dots / dots.std()
    clumps = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), 4)
    grain = smoothstep(1.3, -0.2, -dots - 0.35 * clumps / clumps.std() + 1.2 - 1.2 * style.shell)
    alpha = cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), 2) * style.shell * (0.35 + 0.65 * grain)
    shade = palette_of(color)[1] * 0.9
    picture = to_rgba(np.broadcast_to(shade, (size, size, 3)) * (1 + 0.12 * dots[..., None]), alpha)
    morphs, joints, weights = _carried(head, np.repeat(used[:, None], 3, 1), np.tile([1.0, 0, 0], (len(used), 1)))
    material = Material("Beard shell", "hair", texture="beard_shell", roughness=0.9, alpha_mode="BLEND")
    mesh = AvatarMesh(
        "beard_shell", positions.astype(np.float32), normals, head.uvs[used], faces.astype(np.int32), joints, weights,
        material, morphs,
    )  # fmt: skip
    return mesh, picture


def _cards(head: AvatarMesh, region: np.ndarray, mark: np.ndarray, style: Style, seed: int) -> AvatarMesh:
    rng = np.random.default_rng(seed)
    corners = head.positions[region].astype(np.float64)
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    count = rng.poisson(area / _SPACING**2)
    corner = np.repeat(region, count, 0)
    bary = rng.dirichlet([1, 1, 1], len(corner))
    root = np.einsum("nc,ncx->nx", bary, head.positions[corner])
    dense = beard_field(root, mark, style)
    keep = rng.uniform(0.1, 1, len(root)) < dense
    corner, bary, root, dense = corner[keep], bary[keep], root[keep], dense[keep]
    normal = np.einsum("nc,ncx->nx", bary, head.normals[corner])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    n = len(root)

    mouth = (mark[13] + mark[14]) / 2
    aside = np.clip((root[:, 0] - mouth[0]) / 0.02, -1, 1)
    lip = smoothstep(mouth[1] - 0.004, mouth[1] + 0.004, root[:, 1]) * (np.abs(root[:, 0] - mouth[0]) < 0.04)
    down = np.stack([0.25 * aside + 0.75 * lip * aside, np.full(n, -1.0), np.full(n, 0.15)], 1)
    down += rng.normal(size=(n, 3)) * 0.16
    along = down - normal * (down * normal).sum(1, keepdims=True)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, normal)
    # at the rim and beside the mouth hairs are short; under the chin they are longest
    long = style.length * rng.uniform(0.7, 1.15, n) * (0.45 + 0.55 * dense)
    long *= 1 - 0.35 * lip
    chin = smoothstep(mark[152, 1] + 0.03, mark[152, 1] - 0.004, root[:, 1])
    long *= 1 + 0.45 * chin * (style.length > 0.012)
    lift = (0.30 + 0.18 * rng.uniform(size=n))[:, None]
    steps = []
    for t, rise in ((0.0, 0.0), (0.5, 1.0), (1.0, 1.15)):
        steps.append(root + (along * t + normal * lift * rise * 0.5) * long[:, None] + normal * 0.0003)
    half = 0.0014 * rng.uniform(0.8, 1.25, n)[:, None]
    rows = [
        np.stack([s - across * half * w, s + across * half * w], 1) for s, w in zip(steps, (1, 1, 0.7), strict=True)
    ]
    points = np.stack(rows, 1).reshape(-1, 3)  # (n, 3 steps, 2 sides)
    index = np.arange(n * 6).reshape(n, 3, 2)
    a, b, c, d = index[:, :-1, 0], index[:, :-1, 1], index[:, 1:, 1], index[:, 1:, 0]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    column = rng.integers(0, 4, n)[:, None, None]
    u = (column + np.array([0.04, 0.96])[None, None]) / 4 + np.zeros((n, 3, 2))
    v = np.array([0.01, 0.5, 0.99])[None, :, None] + np.zeros((n, 3, 2))
    uvs = np.stack([u, v], -1).reshape(-1, 2)
    shade = np.repeat(0.85 * normal + 0.25 * along, 6, 0)
    shade /= np.linalg.norm(shade, axis=1, keepdims=True)
    morphs, joints, weights = _carried(head, np.repeat(corner, 6, 0), np.repeat(bary, 6, 0))
    material = Material(
        "Beard", "hair", texture="beard", roughness=0.8, alpha_mode="MASK", alpha_cutoff=0.35, double_sided=True
    )
    return AvatarMesh(
        "beard", points.astype(np.float32), shade.astype(np.float32), uvs.astype(np.float32), faces.astype(np.int32),
        joints, weights, material, morphs,
    )  # fmt: skip


def _paint_cards(color: Rgb, seed: int, width: int = 256, height: int = 128) -> UInt8[np.ndarray, "h w 4"]:
    """Four cards side by side, each seven hairs that thin out to their tips, in shades of the colour."""
    rng = np.random.default_rng(seed)
    shade, body, shine = palette_of(color)
    shade = shade + (body - shade) * 0.6 * smoothstep(0.45, 0.8, float(np.mean(color)))  # white hair has no dark roots
    picture = np.broadcast_to(body, (height, width, 3)).copy()
    alpha = np.zeros((height, width), np.float32)
    rows = (np.arange(height) + 0.5) / height
    for card in range(4):
        for _ in range(8):
            x = (card + rng.uniform(0.12, 0.88) + 0.10 * rng.normal() * rows**1.5) / 4 * width
            thick = 3.4 * (1 - 0.75 * rows) * rng.uniform(0.7, 1.1)
            length = rng.uniform(0.7, 1.0)
            mix = rng.uniform(0, 1)
            tone = shade * (1 - mix) + body * mix if mix < 0.75 else 0.5 * (body + shine)
            columns = np.arange(width)[None] + 0.5
            cover = np.clip(thick[:, None] / 2 + 0.5 - np.abs(columns - np.asarray(x)[:, None]), 0, 1)
            cover *= smoothstep(length, 0.85 * length, rows)[:, None] * (np.floor(columns / (width / 4)) == card)
            picture = picture * (1 - cover[..., None]) + tone * cover[..., None]
            alpha = np.maximum(alpha, cover)
    return to_rgba(np.clip(picture * (0.75 + 0.25 * rows)[:, None, None], 0, 1), alpha)
