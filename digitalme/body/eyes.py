"""Eyes of a person: an iris painted in the colour that the photo showed, at its real size; lids with a lash line and a
crease, a rest opening that is awake, and fine lashes.

Eye textures are discs as `digitalme.body.character` lays them out: the middle is the gaze axis, the rim 90 degrees off.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial import cKDTree

from digitalme.artifacts.avatar import Avatar, AvatarMesh, Morph
from digitalme.body.model import BodyModel, load_body
from digitalme.geometry.uv_map import spread_over_uvs
from digitalme.imaging.drawing import smoothstep

IRIS_RADIUS = 0.0058
"""Metres; adults differ by under 0.4 mm: set, not measured. The model's eyeballs are too big (16 mm)."""


WHITE = (0.93, 0.92, 0.91)
LASH = (0.11, 0.07, 0.055)
AWAKE = 0.0042
"""Metres that the upper lid's edge stands over the pupil in a neutral face: it covers a quarter of the upper half of
the iris. The template's lid hangs at 3.3 mm, which looks stern."""
OPENED = 0.2
"""Of a full eyeWide, how far eyes are opened for that at most: hooded lids stay the person's own."""


def awake_lids(vertices: Float[np.ndarray, "vertices 3"], model: BodyModel) -> Float[np.ndarray, "vertices 3"]:
    """Rest vertices with both eyes open as a neutral face has them; who looks wider keeps that."""
    opened = np.array(vertices, np.float64)
    for side in ("left", "right"):
        ball = vertices[model.parts[f"eye_{side}"].vertex_ids]
        center = (ball.max(0) + ball.min(0)) / 2
        rim = np.intersect1d(model.parts["head"].faces, model.parts[f"eye_socket_{side}"].faces)
        middle = rim[np.abs(vertices[rim, 0] - center[0]) < 0.006]
        edge = middle[vertices[middle, 1] > center[1]]
        if not len(edge):
            continue
        wide = model.displacement(f"eyeWide{side.capitalize()}")
        lift = wide[edge, 1].max()
        share = np.clip((AWAKE - (vertices[edge, 1].max() - center[1])) / max(lift, 1e-4), 0, OPENED)
        skin = np.setdiff1d(np.arange(len(vertices)), model.parts[f"eye_{side}"].vertex_ids)
        opened[skin] += share * wide[skin]
    return opened


def iris_share(eyeball: Float[np.ndarray, "n 3"]) -> float:
    """The iris's radius on the eye disc (0..1) for an eyeball of these vertices."""
    ball_radius = np.ptp(eyeball[:, 0]) / 2
    return float(np.arcsin(min(0.9, IRIS_RADIUS / ball_radius)) / (np.pi / 2))


def paint_eye(
    iris: tuple[float, float, float],
    radius: float,
    size: int = 512,
    pupil: float = 0.42,
    white: tuple[float, float, float] = WHITE,
) -> UInt8[np.ndarray, "s s 3"]:
    """An eye disc: fibres, collarette, dark limbus, pupil, a sclera that reddens outward.

    `iris` and `white` are sRGB in 0..1, `radius` the iris's share of the disc, `pupil` its share of the iris.
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    out = np.hypot(x, y)
    r, angle = out / radius, np.arctan2(y, x)

    rng = np.random.default_rng(3)
    turn = np.linspace(0, 2 * np.pi, 1440, endpoint=False)
    waves = np.arange(8, 110)
    fibres = (rng.normal(size=len(waves)) / waves**0.5) @ np.cos(
        waves[:, None] * turn + rng.uniform(0, 2 * np.pi, (len(waves), 1))
    )
    fibres /= fibres.std()
    lines = fibres[((angle + np.pi) / (2 * np.pi) * len(turn)).astype(int) % len(turn)]

    redness = 0.25 * np.clip((out - 0.55) / 0.5, 0, 1)[..., None]
    picture = np.array(white) * (1 - redness + np.array([0.91, 0.67, 0.64]) * redness)

    color = np.clip(np.asarray(iris), 0.06, 0.9)
    tint = color * (1.12 + 0.24 * (lines * np.clip(r, 0, 1))[..., None])
    tint = tint * (1.30 - 0.55 * np.clip(np.abs(r - 0.60) * 2, 0, 1))[..., None]
    tint = tint * (1 - 0.75 * smoothstep(0.78, 1.0, r))[..., None]
    inside = smoothstep(1.04, 0.94, r)[..., None]
    picture = picture * (1 - inside) + np.clip(tint, 0, 1) * inside
    hole = smoothstep(pupil + 0.05, pupil - 0.05, r)[..., None]
    picture = picture * (1 - hole) + 0.02 * hole
    # the upper lid's soft shadow on the ball, and a faint one from the lower lid
    lid = 0.42 * smoothstep(-0.03, -0.21, y + 0.25 * x * x) + 0.12 * smoothstep(0.17, 0.25, y)
    picture = picture * (1 - lid[..., None] * np.array([0.85, 1.0, 1.0]))
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def paint_lashes(size: int = 256, color: tuple[float, float, float] = LASH) -> UInt8[np.ndarray, "s s 4"]:
    """Strokes that grow from the bottom row of either half: above the upper lid's, in clumps, below the lower one's.

    Thicker or denser ones look like a doll's.
    """
    rng = np.random.default_rng(0)
    alpha = np.zeros((size, size), np.uint8)
    along = np.linspace(0, 1, 9)
    half = size // 2
    for row, count, ink, longest in ((0, 78, 230, 0.92), (1, 34, 120, 0.80)):
        canvas = np.zeros((half, size), np.uint8)
        for _ in range(count):
            x, length = rng.uniform(0.03, 0.97), longest * rng.uniform(0.55, 1.0)
            lean = 0.05 * (2 * x - 1) + rng.uniform(-0.03, 0.03)  # fanned out to both corners
            stroke = np.stack([(x + lean * along**1.6) * size, (0.99 - length * along) * half], 1)
            cv2.polylines(canvas, [np.round(stroke * 8).astype(np.int32)[:, None]], False, ink, 1, cv2.LINE_AA, 3)
        if row == 0:  # roots stand so close that they make a line
            canvas[-4:] = np.maximum(canvas[-4:], np.linspace(60, 235, 4)[:, None].astype(np.uint8))
        alpha[row * half : (row + 1) * half] = canvas
    return np.dstack([np.full((size, size, 3), np.round(np.array(color) * 255), np.uint8), alpha])


def shaped_lashes(mesh: AvatarMesh) -> AvatarMesh:
    """The lash mesh with UVs for `paint_lashes`: the upper row curved up (down when its eye shuts), the lower short."""
    uvs = np.zeros_like(mesh.uvs)
    positions = mesh.positions.astype(np.float64)
    blinks = {side: np.zeros((len(positions), 3)) for side in ("Left", "Right")}
    model = load_body()
    for side in ("left", "right"):
        lids = model.parts["head"].vertex_ids
        for row in ("upper", "lower"):
            own = np.isin(mesh.body_ids, model.parts[f"lashes_{row}_{side}"].vertex_ids)
            low, high = mesh.uvs[own].min(0), mesh.uvs[own].max(0)
            u, v = ((mesh.uvs[own] - low) / (high - low)).T
            uvs[own] = np.stack([u, np.clip(0.5 * v, 0.004, 0.496) + (0 if row == "upper" else 0.5)], 1)
            tip = (1 - v)[:, None]
            points = positions[own]
            root = model.template[lids][cKDTree(model.template[lids]).query(model.template[mesh.body_ids[own]])[1]]
            stand = model.template[mesh.body_ids[own]] - root
            if row == "upper":
                points -= 0.38 * tip * stand
                rise = 0.0030 * tip[:, 0] ** 1.4 * (0.5 + 0.5 * np.sin(np.pi * np.clip(u, 0, 1)))
                points[:, 1] += rise - 0.0014  # the lid's edge that is seen lies under the helper's roots
                points[:, 2] -= 0.20 * rise
                blinks[side.capitalize()][own, 1] = -1.15 * rise
            else:
                points -= 0.45 * tip * stand
            positions[own] = points
    morphs = dict(mesh.morphs)
    for side, move in blinks.items():
        name = f"eyeBlink{side}"
        if name in morphs:
            morphs[name] = Morph.from_dense(morphs[name].dense(len(positions)) + move)
    return replace(mesh, positions=positions.astype(np.float32), uvs=uvs.astype(np.float32), morphs=morphs)


def paint_lids(
    albedo: UInt8[np.ndarray, "t t 3"], head: AvatarMesh, eyes: tuple[AvatarMesh, AvatarMesh], strength: float = 1.0
) -> UInt8[np.ndarray, "t t 3"]:
    """The head's texture with a lash line along the lids' edges and a soft crease over the upper lid.

    The edge is where the skin meets the eyeball; the crease is where the upper lid begins to move in a blink.
    """
    size = albedo.shape[0]
    painted = albedo.copy()
    for side, eye in zip(("Left", "Right"), eyes, strict=True):
        moved = np.linalg.norm(head.morphs[f"eyeBlink{side}"].dense(len(head.positions)), axis=1)
        share = moved / moved.max()
        middle = (eye.positions.max(0) + eye.positions.min(0)) / 2
        near = np.abs(head.positions[head.faces].mean(1) - middle)
        faces = head.faces[(near[:, :2].max(1) < 0.028) & (near[:, 2] < 0.03)]
        values = np.column_stack([head.positions, share]).astype(np.float64)
        # only the texels around this eye, at the texture's own size
        low = np.floor(head.uvs[faces].reshape(-1, 2).min(0) * size).astype(int).clip(0, size - 1)
        extent = int(np.ceil((head.uvs[faces].reshape(-1, 2).max(0) * size - low).max())) + 1
        local, covered = spread_over_uvs(values, (head.uvs - low / size) * (size / extent), faces, extent)
        ball = cKDTree(_dense(eye))
        lid = _dense_points(head.positions, faces)
        _, nearest = ball.query(lid)
        outward = np.linalg.norm(lid - middle, axis=1) - np.linalg.norm(ball.data[nearest] - middle, axis=1)
        edge = lid[np.abs(outward) < 0.00025]
        where = np.argwhere(covered)
        places = local[covered]
        keep = (where + low[::-1] < size).all(1)
        where, places = where[keep], places[keep]
        if not len(edge):
            continue
        away, which = cKDTree(edge).query(places[:, :3])
        above = smoothstep(-0.0015, 0.0015, edge[which, 1] - middle[1])
        line = strength * smoothstep(0.0016, 0.0003, away) * (0.15 + 0.62 * above)
        crease = (
            strength
            * 0.14
            * np.exp(-(((places[:, 3] - 0.20) / 0.13) ** 2))
            * smoothstep(0.0, 0.004, places[:, 1] - middle[1])
        )
        rows, columns = (where + low[::-1]).T
        skin = painted[rows, columns].astype(np.float64) / 255
        skin = skin * (1 - line[:, None]) + np.array(LASH) * line[:, None]
        skin = skin * (1 - crease[:, None] * np.array([0.75, 1.0, 1.05]))
        painted[rows, columns] = np.round(255 * skin)
    return painted


def _dense(mesh: AvatarMesh) -> np.ndarray:
    return _dense_points(mesh.positions, mesh.faces)


def _dense_points(positions: np.ndarray, faces: np.ndarray, steps: int = 6) -> np.ndarray:
    """Points spread over triangles, `steps` + 1 along each edge."""
    i, j = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1))
    i, j = i[i + j <= steps], j[i + j <= steps]
    bary = np.stack([i, j, steps - i - j], 1) / steps
    return np.einsum("sk,fkc->fsc", bary, positions[faces]).reshape(-1, 3)


def with_eyes(
    avatar: Avatar,
    iris: tuple[float, float, float],
    white: tuple[float, float, float] = WHITE,
    lash: tuple[float, float, float] = LASH,
    strength: float = 1.0,
) -> Avatar:
    """The avatar with painted irises of colour `iris`, whites and lashes of these colours (sRGB 0..1), and lids.

    `strength` 0..1: how plainly lashes and lids are drawn; skin that comes from a photo shows its own already.
    """
    radius = iris_share(avatar.mesh("eye_left").positions)
    white = tuple(0.65 * w + 0.35 * clear for w, clear in zip(white, WHITE, strict=True))  # a photo's lids shade it
    lashes = avatar.mesh("lashes")
    material = replace(lashes.material, base_color=(1.0,) * 4, texture="lashes", alpha_mode="BLEND", alpha_cutoff=0.03)
    groomed = replace(shaped_lashes(lashes), material=material)
    meshes = tuple(groomed if mesh is lashes else mesh for mesh in avatar.meshes)
    drawn = paint_lashes(color=lash)
    drawn[..., 3] = np.round(strength * drawn[..., 3])
    textures = avatar.textures | {"eye": paint_eye(iris, radius, white=white), "lashes": drawn}
    if "head" in textures:
        eyes = avatar.mesh("eye_left"), avatar.mesh("eye_right")
        textures["head"] = paint_lids(textures["head"], avatar.mesh("head"), eyes, strength)
    return replace(avatar, meshes=meshes, textures=textures)


def lash_color(brow: tuple[float, float, float]) -> tuple[float, float, float]:
    """Lashes are darker than the brows and of their colour."""
    red, green, blue = (float(np.clip(0.40 * channel + 0.02, 0.03, 0.30)) for channel in brow)
    return red, green, blue
