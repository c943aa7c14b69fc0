"""Synthetic people who turn their head before a camera: pictures with a known head behind them.

What they are drawn with is not what the fit assumes: shapes that the fit does not know (ears, skull, and bumps that no
shape of the model can make), skin painted with mottle and moles, strand cards for hair, the studio's lit and shadowed
skin under lamps that differ from picture to picture, a true focal length that nobody tells, noise, exposure and JPEG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from digitalme.artifacts import Camera, Photo
from digitalme.body import landmarks as marks
from digitalme.body.character import HEAD_UV_BOX, base_avatar, vertex_normals
from digitalme.body.eyes import with_eyes
from digitalme.body.garment import dress
from digitalme.body.hair_cards import card_meshes, paint_cap
from digitalme.body.hair_color import paint_cards
from digitalme.body.model import load_body
from digitalme.body.mouth import settle_mouth, with_mouth
from digitalme.body.reshape import reshape
from digitalme.body.scalp import build_scalp
from digitalme.rendering.scene import Lamp, Lighting
from digitalme.rendering.studio import Studio, studio_lighting
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

SKINS = ((0.86, 0.67, 0.57), (0.78, 0.58, 0.47), (0.66, 0.46, 0.35), (0.52, 0.35, 0.26), (0.90, 0.74, 0.66))
HAIRS = ((0.10, 0.08, 0.07), (0.25, 0.16, 0.10), (0.55, 0.40, 0.22), (0.45, 0.20, 0.10), (0.62, 0.60, 0.58))
IRISES = ((0.30, 0.18, 0.10), (0.35, 0.45, 0.55), (0.35, 0.40, 0.25))
STYLES = ("ponytail", "bun", "buzz", "bun", "ponytail")
"""Three of five leave the forehead free; a ponytail comes with a fringe, and what it covers nobody can measure."""
TURN = np.radians([0, -30, 30, -15, 15, -50, 50, -65, 65])
"""Yaws of nine photos of a turn; the first three and the first one are the smaller sets."""


@dataclass(frozen=True)
class Sitter:
    """A person that never lived."""

    seed: int
    vertices: np.ndarray
    """The true neutral head and body in the body model's order, world frame, metres."""
    studio: Studio


def random_shape(rng: np.random.Generator) -> dict[str, float]:
    """Any of the model's local shapes of a head, ears and skull included, nearly alike on both sides; phenotypes."""
    body = load_body()
    heads = ("head", "forehead", "eyebrows", "l-eye", "r-eye", "nose", "mouth", "chin", "l-cheek", "r-cheek", "neck",
             "l-ear", "r-ear")  # fmt: skip
    shape = {name: float(rng.normal(0, 0.2)) for name in body.names("local") if name.startswith(heads)}
    for name in shape:
        if name.startswith("r-"):
            shape[name] = shape["l-" + name[2:]] + float(rng.normal(0, 0.04))
        if name.startswith("mouth") or "cheek" in name:
            shape[name] *= 0.5
        if name.startswith("neck"):
            shape[name] *= 0.5
        if name.endswith(("trans-out", "angle-out")) and name[1] != "-":
            shape[name] *= 0.15
    shape |= {kind + str(rng.choice(["-", "+"])): float(rng.uniform(0, 0.5)) for kind in ("gender", "weight", "muscle")}
    shape["age+"] = float(rng.uniform(0, 0.4))
    return shape | {str(rng.choice(["african", "asian", "caucasian"])): float(rng.uniform(0, 1))}


def bumps(vertices: np.ndarray, rng: np.random.Generator, size: float = 0.0012) -> np.ndarray:
    """A smooth field over the head that no shape of the model makes: some forty soft bumps, `size` metres."""
    body = load_body()
    head = body.parts["head"].vertex_ids
    out = vertices - (body.head_center - [0, 0.02, 0.03])
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    field = np.zeros(len(vertices))
    for centre in vertices[rng.choice(head, 40)]:
        reach = rng.uniform(0.010, 0.025)
        field += rng.normal(0, size) * np.exp(-((vertices - centre) ** 2).sum(1) / (2 * reach**2))
    moving = np.exp(-((np.clip(1.62 - vertices[:, 1], 0, None) / 0.02) ** 2))  # the neck goes on into the body
    return out * (field * moving)[:, None]


def painted_skin(skin: np.ndarray, hair: np.ndarray, rng: np.random.Generator, size: int = 1024) -> np.ndarray:
    """A head texture: mottle of several sizes, moles, brows of hair colour, lips, redder cheeks and nose."""
    body, table = load_body(), marks.landmark_table()
    part = body.parts["head"]
    uv_of = np.zeros((len(body.template), 2))
    uv_of[part.faces.ravel()] = part.uvs.reshape(-1, 2)
    u0, v0, width, height = HEAD_UV_BOX
    uv = np.einsum("lkc,lk->lc", uv_of[table.triangles], table.weights)
    spots = np.stack([(uv[:, 0] - u0) / width, 1 - (uv[:, 1] - v0) / height], 1) * size
    picture = np.full((size, size, 3), skin, np.float32)
    for sigma, strength in ((1.2, 0.010), (4, 0.013), (14, 0.010)):
        noise = cv2.GaussianBlur(rng.normal(size=(size, size)).astype(np.float32), (0, 0), sigma)
        picture += strength * (noise / noise.std())[..., None] * np.array([0.8, 1.0, 1.0], np.float32)

    def blended(mask: np.ndarray, color: np.ndarray) -> np.ndarray:
        return picture * (1 - mask[..., None]) + np.asarray(color, np.float32) * mask[..., None]

    for _ in range(25):
        mask = np.zeros((size, size), np.float32)
        x, y = rng.uniform(0.1, 0.9, 2) * size
        cv2.circle(mask, (int(x * 16), int(y * 16)), int(rng.uniform(1.2, 3.0) * 16), 1.0, -1, shift=4)
        picture = blended(cv2.GaussianBlur(mask, (0, 0), 0.8) * rng.uniform(0.2, 0.7), skin * 0.5)
    for centre in (50, 280, 4):
        away = np.hypot(*(np.indices((size, size))[::-1] - spots[centre][:, None, None]))
        picture = blended((0.25 * np.exp(-((away / 55) ** 2))).astype(np.float32), skin * [1.02, 0.86, 0.86])
    thick = rng.uniform(0.5, 1.0)
    for ring, color, share in (
        (marks.BROW_LEFT, hair, 0.85 * thick),
        (marks.BROW_RIGHT, hair, 0.85 * thick),
        (marks.LIPS_OUTER, skin * np.array([0.88, 0.62, 0.64]), 0.9),
    ):
        mask = np.zeros((size, size), np.float32)
        cv2.fillPoly(mask, [np.round(spots[list(ring)]).astype(np.int32)], 1.0)
        picture = blended(cv2.GaussianBlur(mask, (0, 0), 1.5) * share, color)
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def sitter(seed: int) -> Sitter:
    rng, body = np.random.default_rng(1000 + seed), load_body()
    shape = random_shape(rng)
    skin, hair = np.array(SKINS[seed % len(SKINS)]), np.array(HAIRS[seed * 3 % len(HAIRS)])
    vertices = settle_mouth(body.vertices(shape), body)
    vertices = vertices + bumps(vertices, rng)
    avatar = base_avatar(shape, head_albedo=painted_skin(skin, hair, rng))
    avatar = with_mouth(with_eyes(reshape(avatar, vertices), IRISES[seed % len(IRISES)]))
    avatar = dress(avatar, vertices, "tshirt", {"top": tuple(rng.uniform(0.1, 0.8, 3)), "bottom": (0.2, 0.2, 0.3)})
    palette = np.stack([hair * 0.7, hair, np.clip(hair * 1.35, 0, 1)])
    textures = avatar.textures | {"hair_cap": paint_cap(palette, buzz=False), "hair_cards": paint_cards(palette)}
    meshes = avatar.meshes + tuple(card_meshes(build_scalp(vertices, body), STYLES[seed % len(STYLES)]))
    return Sitter(seed, vertices, Studio(replace(avatar, meshes=meshes, textures=textures)))


def room(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A wall out of focus."""
    coarse = rng.uniform(0.25, 0.85, (5, 7, 3)).astype(np.float32)
    wall = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    wall = wall.mean(2, keepdims=True) * 0.5 + 0.15 * wall + 0.35 * rng.uniform(0.3, 0.9, 3).astype(np.float32)
    return np.round(np.clip(wall, 0, 1) * 255).astype(np.uint8)


def camera_at(yaw: float, rng: np.random.Generator, width: int, height: int, focal: float) -> Camera:
    """A camera that sees the head turned by `yaw`, tilted a little, somewhere in the picture."""
    turn = rotation_from_euler(rng.normal(0.03, 0.07), 0, 0) @ rotation_from_euler(0, yaw, rng.normal(0, 0.05))
    rotation = CAMERA_FROM_WORLD_FRONT @ turn
    distance = 0.20 * focal / (0.36 * height) * rng.uniform(0.95, 1.1)
    middle = load_body().head_center - [rng.normal(0, 0.015), 0.01, 0.06]
    place = np.array([rng.normal(0, 0.02), 0.01, distance])
    return Camera(focal, width, height, np.column_stack([rotation, place - rotation @ middle]))


def lamps(rng: np.random.Generator, camera: Camera) -> Lighting:
    """The studio's lamps turned about, brighter and dimmer, warmer and cooler."""
    own = studio_lighting(camera)
    upright = camera.camera_from_world[:, :3].T
    turn = upright @ rotation_from_euler(rng.normal(0, 0.2), rng.normal(0, 0.6), 0) @ upright.T
    tint = rng.uniform(0.88, 1.08, 3)
    moved = tuple(
        Lamp(tuple(turn @ lamp.direction), tuple(np.array(lamp.color) * tint * rng.uniform(0.7, 1.1)), lamp.key)
        for lamp in own.lamps
    )
    return Lighting(moved, tuple(np.array(own.sky) * rng.uniform(0.8, 1.2)), own.ground)


def drawn(
    sitter: Sitter, camera: Camera, weights: Mapping[str, float], wall: np.ndarray, light: Lighting | None = None
) -> np.ndarray:
    """One picture, without the camera's faults."""
    studio = sitter.studio
    if light is None:
        return studio.picture(camera, weights, background=wall)
    posed = studio.rig.pose(weights, (0, 0, 0))
    for drawable, i in zip(studio.drawables, studio._order, strict=True):
        drawable.positions, drawable.normals = posed[i].positions, posed[i].normals
    studio._light_key = None
    studio._shade(light, (0, 0, 0))
    return studio.scene.draw(camera, wall, light, 2)


def spoiled(
    picture: np.ndarray, rng: np.random.Generator, quality: int = 92, noise: float = 2.0, tint: float = 0.12
) -> np.ndarray:
    """Exposure and white balance, noise and JPEG of a phone."""
    seen = picture.astype(np.float32) * (1 + tint * rng.uniform(-1, 0.7, 3)) + rng.normal(0, noise, picture.shape)
    done, data = cv2.imencode(".jpg", np.clip(seen, 0, 255)[..., ::-1].astype(np.uint8), [1, quality])
    assert done
    return np.ascontiguousarray(cv2.imdecode(data, 1)[..., ::-1])


def expression(rng: np.random.Generator, strength: float = 1.0) -> dict[str, float]:
    smile, brows, open_, squint = rng.uniform(0, 1, 4) * [0.5, 0.4, 0.12, 0.3] * strength
    return {
        "mouthSmileLeft": smile, "mouthSmileRight": smile, "browInnerUp": brows, "jawOpen": open_,
        "eyeSquintLeft": squint, "eyeSquintRight": squint,
    }  # fmt: skip


def photo_of(picture: np.ndarray, name: str) -> Photo:
    return Photo(cv2.imencode(".png", picture[..., ::-1])[1].tobytes(), name)


def nine_photos(sitter: Sitter, yaws=TURN, size: tuple[int, int] = (900, 1100)) -> list[tuple[np.ndarray, Camera]]:
    """Photos of a turn: each its own light, wall, exposure; every other one with an expression."""
    rng = np.random.default_rng(2000 + sitter.seed)
    focal = rng.uniform(1.2, 1.9) * max(size)
    shots = []
    for index, yaw in enumerate(yaws):
        camera = camera_at(float(yaw), rng, *size, focal)
        weights = expression(rng) if index % 2 else {}
        picture = drawn(sitter, camera, weights, room(*size, rng), lamps(rng, camera))
        shots.append((spoiled(picture, rng), camera))
    return shots


def turning(
    sitter: Sitter, count: int = 60, size: tuple[int, int] = (1280, 720), widest: float = 1.15
) -> list[tuple[np.ndarray, Camera]]:
    """Frames of a video: the head turns to one side and to the other and back, talking and smiling a little."""
    rng = np.random.default_rng(3000 + sitter.seed)
    focal, wall, light = rng.uniform(0.8, 1.2) * size[0], room(*size, rng), None
    start = camera_at(0.0, rng, *size, focal)
    frames = []
    for index in range(count):
        t = index / max(count - 1, 1)
        yaw = widest * np.sin(2 * np.pi * t)
        turn = rotation_from_euler(0.06 * np.sin(5 * np.pi * t), yaw, 0.04 * np.sin(4 * np.pi * t))
        middle = load_body().head_center - [0, 0, 0.06]
        rotation = start.camera_from_world[:, :3] @ turn
        there = start.camera_from_world[:, :3] @ middle + start.camera_from_world[:, 3]
        camera = replace(start, camera_from_world=np.column_stack([rotation, there - rotation @ middle]))
        talk = 0.5 + 0.5 * np.sin(2 * np.pi * 2.3 * t * count / 25)
        weights = {"jawOpen": 0.10 * talk, "mouthSmileLeft": 0.3 * t, "mouthSmileRight": 0.3 * t,
                   "eyeBlinkLeft": float(index % 23 == 5), "eyeBlinkRight": float(index % 23 == 5),
                   "browInnerUp": 0.3 * max(0.0, np.sin(7 * t))}  # fmt: skip
        if index % 10 == 0 or light is None:
            light = lamps(np.random.default_rng(3000 + sitter.seed), start)
            gain = 0.85 + 0.3 * t
            light = Lighting(
                tuple(replace(lamp, color=tuple(np.array(lamp.color) * gain)) for lamp in light.lamps),
                light.sky, light.ground,
            )  # fmt: skip
        upright = start.camera_from_world[:, :3]
        back = rotation.T @ upright  # lamps stand in the room: the head turns away from them
        here = replace(light, lamps=tuple(replace(la, direction=tuple(back @ la.direction)) for la in light.lamps))
        picture = drawn(sitter, camera, weights, wall, here)
        frames.append((spoiled(picture, rng, 88, 2.5, 0.03), camera))
    return frames


def face_regions() -> dict[str, np.ndarray]:
    """Vertices of the face, of parts of it, and of its middle line from the forehead to the chin."""
    from tests.geometry.test_fit import regions

    body = load_body()
    head = body.parts["head"].vertex_ids
    x, y, z = body.template[head].T
    middle = head[(np.abs(x) < 0.006) & (z > 0.09) & (y > 1.60) & (y < 1.80)]
    return regions() | {"profile": middle}


def face_similarity(found: np.ndarray, true: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation (3, 3) and shift of the similarity that best lays the face onto the true one's (Umeyama 1991)."""
    face = face_regions()["face"]
    a, b = found[face], true[face]
    u, stretch, vt = np.linalg.svd((b - b.mean(0)).T @ (a - a.mean(0)))
    scale = stretch.sum() / ((a - a.mean(0)) ** 2).sum()
    return scale, u @ vt, b.mean(0) - scale * (u @ vt) @ a.mean(0)


def aligned(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """`found` laid onto the true face."""
    scale, turn, move = face_similarity(found, true)
    return scale * found @ turn.T + move


def profile_mm(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of the profile's curves, mm: from each true vertex of the middle line to the found surface, along
    the normal. What slides along the curve is no error here."""
    from scipy.spatial import cKDTree

    part = load_body().parts["head"]
    ids, head = face_regions()["profile"], part.vertex_ids
    laid = aligned(found, true)
    normals = vertex_normals(true, part.faces)
    _, nearest = cKDTree(laid[head]).query(true[ids])
    return float(np.abs(((laid[head][nearest] - true[ids]) * normals[ids]).sum(1)).mean() * 1000)


def errors_by_region(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Mean vertex distance by region after alignment, mm, and the profile curve's."""
    away = np.linalg.norm(aligned(found, true) - true, axis=1) * 1000
    return {name: float(away[ids].mean()) for name, ids in face_regions().items()} | {
        "profile curve": profile_mm(found, true)
    }
