"""Pictures of people who never lived, fast: 0.1 s of processor time each.

Whatever does not depend on the person is prepared once for a hair style, on the body model's template: cards, clothes,
baked light. For a person the body's surface is put in place, hair and clothes follow the skin below them, and textures
are painted. The moe look is drawn by the avatar's own path, which is slower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial import cKDTree

from digitalme.artifacts import Avatar, Camera
from digitalme.artifacts.avatar import AvatarMesh
from digitalme.body.beard import beard_meshes
from digitalme.body.character import base_avatar, vertex_normals
from digitalme.body.eyes import iris_share, paint_eye, with_eyes
from digitalme.body.garment import dress
from digitalme.body.glasses import glasses_of_kind
from digitalme.body.hair_cards import card_meshes, card_textures
from digitalme.body.hair_color import palette_of
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import load_body
from digitalme.body.moe import MoeColors, MoeStyle, drawn_as, moe_avatar
from digitalme.body.moe_hair import moe_hair, paint_moe_hair
from digitalme.body.moe_paint import drawn_cloth, drawn_hair
from digitalme.body.mouth import settle_mouth, with_mouth
from digitalme.body.people import Person
from digitalme.body.scalp import build_scalp
from digitalme.body.skin import paint_skin
from digitalme.rendering.scene import Drawable, Lamp, Lighting, Scene
from digitalme.rendering.studio import KEY, SURFACES, Studio, backdrop, studio_lighting
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

DISTANCE, SPAN, DROP = 1.6, 0.35, 0.022
"""The camera's distance, the height that the picture covers, and how far below the eyes it looks; metres."""
TEXTURE = 512
VARIANTS = 2
_GREY = np.array([[0.0] * 3, [0.5] * 3, [1.0] * 3])


@dataclass(frozen=True)
class View:
    """How a picture is taken: what a generator is told beside the attributes."""

    yaw: float = 0.0
    """Radians; > 0 shows the person's left side."""
    pitch: float = 0.0
    key: tuple[float, float, float] = (0.45, 0.62, 0.80)
    """Direction of the key lamp: picture right, up, towards the camera."""
    brightness: float = 1.0
    warmth: float = 0.0
    """-1 bluish .. 1 yellowish light."""
    backdrop: tuple[float, float, float] = (0.80, 0.785, 0.77)
    span: float = SPAN
    """The height that the picture covers, metres."""


def random_view(seed: int) -> View:
    """Mostly from the front, up to 20 degrees aside; lamps and backdrops of all kinds."""
    rng = np.random.default_rng([5, seed])
    yaw = float(np.clip(rng.normal() * np.radians(8), -np.radians(20), np.radians(20)))
    angle = rng.uniform(-1.2, 1.2)
    tint = np.clip(rng.uniform(0.25, 0.9) + rng.normal(size=3) * 0.07, 0.1, 0.97)
    return View(
        yaw=yaw,
        pitch=float(np.clip(rng.normal() * 0.05, -0.12, 0.12)),
        key=(float(np.sin(angle) * 0.75), float(rng.uniform(0.25, 0.85)), float(np.cos(angle))),
        brightness=float(rng.uniform(0.82, 1.12)),
        warmth=float(rng.normal() * 0.35),
        backdrop=(float(tint[0]), float(tint[1]), float(tint[2])),
    )


def final_view(seed: int) -> View:
    """Nearly as the video shows somebody at rest: from the front, with the whole hair, in the studio's light."""
    rng = np.random.default_rng([7, seed])
    x, y, z = np.array(KEY) + rng.normal(size=3) * 0.06
    tint = np.clip(np.array(View().backdrop) + rng.normal() * 0.06, 0.1, 0.97)
    return View(
        yaw=float(rng.normal() * np.radians(3)),
        pitch=float(rng.normal() * 0.02),
        key=(float(x), float(y), float(z)),
        brightness=float(rng.uniform(0.94, 1.06)),
        warmth=float(rng.normal() * 0.08),
        backdrop=(float(tint[0]), float(tint[1]), float(tint[2])),
        span=float(rng.uniform(0.36, 0.44)),
    )


@dataclass(frozen=True)
class _Set:
    """A hair style on the template, ready to be drawn."""

    avatar: Avatar
    studio: Studio
    follows: dict[int, tuple[np.ndarray, np.ndarray]]
    """Mesh number to the skin vertices (v, 3) that each of its vertices follows, and their shares (v, 3)."""
    surface: np.ndarray
    """Triangles of all body-surface meshes, in the model's vertices."""


@lru_cache(maxsize=1)
def _template() -> tuple[np.ndarray, Avatar]:
    model = load_body()
    vertices = settle_mouth(model.vertices({}), model)
    avatar = with_mouth(with_eyes(base_avatar({}, head_albedo=np.full((8, 8, 3), 180, np.uint8)), (0.4, 0.3, 0.2)))
    return vertices, replace(avatar, meshes=tuple(replace(mesh, morphs={}) for mesh in avatar.meshes))


@lru_cache(maxsize=64)
def _set(style: str, variant: int) -> _Set:
    vertices, bare = _template()
    model = load_body()
    garment = "hoodie" if variant % 2 else "tshirt"
    avatar = dress(bare, vertices, garment, {"top": (1.0, 1.0, 1.0), "bottom": (0.2, 0.2, 0.3)})
    hair = card_meshes(build_scalp(vertices, model), style, variant)
    avatar = replace(
        avatar, meshes=avatar.meshes + tuple(hair), textures=avatar.textures | card_textures(style, _GREY, 0.5)
    )
    skin = np.union1d(model.parts["head"].vertex_ids, model.parts["body"].vertex_ids)
    tree = cKDTree(vertices[skin])
    follows = {}
    for i, mesh in enumerate(avatar.meshes):
        if mesh.body_vertices is None or (mesh.body_vertices < 0).any():
            away, near = tree.query(mesh.positions, 3)
            share = 1 / (away + 0.004) ** 2
            follows[i] = (skin[near], (share / share.sum(1, keepdims=True)).astype(np.float32))
    surface = np.concatenate([m.body_vertices[m.faces] for i, m in enumerate(avatar.meshes) if i not in follows])
    return _Set(avatar, Studio(avatar), follows, surface)


def _tinted(grey: UInt8[np.ndarray, "h w c"], palette: Float[np.ndarray, "3 3"]) -> UInt8[np.ndarray, "h w c"]:
    """A grey hair texture in the colours of a palette."""
    t = grey[..., :1].astype(np.float32) / 255
    shade, body, shine = palette.astype(np.float32)
    color = np.where(t < 0.5, shade + (body - shade) * t * 2, body + (shine - body) * (t * 2 - 1))
    picture = np.round(np.clip(color, 0, 1) * 255).astype(np.uint8)
    return picture if grey.shape[2] == 3 else np.dstack([picture, grey[..., 3]])


@lru_cache(maxsize=256)
def _eye(iris: tuple[float, float, float]) -> np.ndarray:
    return paint_eye(iris, iris_share(_template()[1].mesh("eye_left").positions), size=256)


def camera_of(view: View, size: int, eyes: Float[np.ndarray, "3"]) -> Camera:
    """The camera of a training picture, for eyes whose middle is at `eyes`."""
    turn = rotation_from_euler(view.pitch, view.yaw, 0.0)
    target = eyes + np.array([0, -DROP, -0.06])
    position = target + turn @ np.array([0, 0, DISTANCE])
    rotation = CAMERA_FROM_WORLD_FRONT @ turn.T
    return Camera(size * DISTANCE / view.span, size, size, np.column_stack([rotation, -rotation @ position]))


def lighting_of(view: View, camera: Camera) -> Lighting:
    """The studio's lamps with the view's own key."""
    usual = studio_lighting(camera)
    to_world = camera.camera_from_world[:, :3].T @ np.diag([1.0, -1.0, -1.0])
    tint = view.brightness * np.array([1 + 0.10 * view.warmth, 1.0, 1 - 0.12 * view.warmth])

    def tinted(color: tuple[float, ...]) -> tuple[float, float, float]:
        red, green, blue = (np.array(color) * tint).tolist()
        return red, green, blue

    key = Lamp(tuple((to_world @ np.array(view.key)).tolist()), tinted(usual.lamps[0].color), key=True)
    others = tuple(replace(lamp, color=tinted(lamp.color)) for lamp in usual.lamps[1:])
    return Lighting((key, *others), tinted(usual.sky), tinted(usual.ground))


def picture_of(person: Person, view: View, size: int = 128) -> UInt8[np.ndarray, "s s 3"]:
    """A photograph of a person, in the look "photo"."""
    model = load_body()
    base, _ = _template()
    ready = _set(person.attributes["hair_style"], person.seed % VARIANTS)
    neutral = settle_mouth(model.vertices(person.shape), model)
    shown = neutral
    if person.expression:
        shown = neutral + sum(weight * model.displacement(name) for name, weight in person.expression.items())
    moved = (neutral - base).astype(np.float32)
    normals = vertex_normals(shown, ready.surface)

    skin = paint_skin(person, TEXTURE if size <= 256 else 2 * TEXTURE)
    palette = palette_of(person.hair_color)
    textures = {"head": skin.albedo, "head_normal": skin.normal_map, "eye": _eye(person.iris_color)}
    textures |= {
        name: _tinted(texture, palette) for name, texture in ready.avatar.textures.items() if name.startswith("hair")
    }
    eyes = np.stack([shown[model.parts[f"eye_{side}"].vertex_ids].mean(0) for side in ("left", "right")])
    camera = camera_of(view, size, eyes.mean(0))
    lighting = lighting_of(view, camera)
    ready.studio._light_key = None
    ready.studio._shade(lighting, (0.0, 0.0, 0.0))

    drawables: list[Drawable] = []
    beard: list[Drawable] = []
    flat = {"body": (*person.skin_color, 1.0)}
    for drawable, i in zip(ready.studio.drawables, ready.studio._order, strict=True):
        mesh = ready.avatar.meshes[i]
        if i in ready.follows:
            skin_ids, share = ready.follows[i]
            positions = mesh.positions + np.einsum("vkc,vk->vc", moved[skin_ids], share)
            normal = mesh.normals
        else:
            positions, normal = shown[mesh.body_vertices].astype(np.float32), normals[mesh.body_vertices]
        color = flat.get(mesh.name, drawable.color)
        if mesh.material.kind == "cloth" and mesh.name != "trousers":
            color = (*person.cloth_color, 1.0)
        texture = drawable.texture
        if mesh.material.texture in textures:
            texture = textures[mesh.material.texture]
        relief = skin.normal_map if mesh.name == "head" else drawable.normal_map
        drawables.append(
            replace(drawable, positions=positions, normals=normal, color=color, texture=texture, normal_map=relief)
        )
        if mesh.name == "head" and size > 256:  # in a small picture hairs are not seen one by one
            beard = _beard(replace(mesh, positions=positions, normals=normal), shown, person)
    drawables += beard
    for mesh in glasses_of_kind(person.attributes["glasses"], neutral, eyes):
        material = mesh.material
        drawables.append(
            Drawable(mesh.positions, mesh.faces, mesh.normals, color=material.base_color, surface=SURFACES["glass"],
                     blend=material.alpha_mode.lower(), cull=False)
        )  # fmt: skip
    background = backdrop(size, size, view.backdrop)
    return Scene(drawables).draw(camera, background, lighting)


def _beard(head: AvatarMesh, vertices: Float[np.ndarray, "vertices 3"], person: Person) -> list[Drawable]:
    """The hairs of a beard as an avatar has them; stubble is in the skin's picture."""
    kind = person.attributes["beard"]
    meshes, textures = beard_meshes(head, vertices, "none" if kind == "stubble" else kind, person.hair_color)
    return [
        Drawable(
            mesh.positions, mesh.faces, mesh.normals, mesh.uvs, textures[mesh.name],
            surface=replace(SURFACES["hair"], specular=SURFACES["hair"].specular * (1 - mesh.material.roughness) / 0.4),
            blend=mesh.material.alpha_mode.lower(), alpha_cutoff=mesh.material.alpha_cutoff,
            cull=not mesh.material.double_sided, flip_back_normals=False,
            depth_write=mesh.material.alpha_mode != "BLEND",
        )
        for mesh in meshes
    ]  # fmt: skip


def drawn_picture_of(person: Person, view: View, size: int = 128) -> UInt8[np.ndarray, "s s 3"]:
    """The person as a drawn character, in the look "moe"; about 1 s."""
    model = load_body()
    colors = MoeColors(person.skin_color, person.hair_color, person.iris_color, person.brow_color)
    cut = person.attributes["hair_style"]
    bangs = cut in ("short", "bob", "long", "twintails", "ponytail")
    crown = 0.020 if bangs else 0.002 if cut in ("buzz", "bald") else 0.010
    style = MoeStyle(1.0, 0.56, crown, drawn_as(person.attributes["gender"], person.attributes["age"]))
    beard = {"none": 0.0, "stubble": 0.4}.get(person.attributes["beard"], 1.0)
    avatar, vertices, bend = moe_avatar(person.shape, colors, style, beard)
    scalp = build_scalp(vertices, model)
    brows = landmark_points(vertices)[[105, 334], 1].mean() - scalp.center[1]
    tint = drawn_hair(person.hair_color)
    hair = moe_hair(scalp, cut, bangs, brows, tint)
    eyes = bend.body(bend.face(bend.eye_centers, whole_model=False))
    hair += glasses_of_kind(person.attributes["glasses"], vertices, eyes, 1.33)
    red, green, blue = (float(value) for value in drawn_cloth(person.cloth_color))
    cloth = (red, green, blue)
    avatar = dress(avatar, vertices, "tshirt", {"top": cloth, "bottom": cloth}, hide=0.003, ease=0.82, folds=False)
    textures = avatar.textures | {"hair": paint_moe_hair(tint)}
    studio = Studio(replace(avatar, meshes=avatar.meshes + tuple(hair), textures=textures))
    camera = camera_of(view, size, eyes.mean(0) + np.array([0, 0.01, 0]))
    return studio.picture(camera, person.expression, background=backdrop(size, size, view.backdrop, 0.1))


def contact_sheet(pictures: list[np.ndarray] | np.ndarray, columns: int = 8) -> UInt8[np.ndarray, "h w 3"]:
    """Pictures of one size in rows; what is missing in the last row is white."""
    size = pictures[0].shape[0]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * size, columns * size, 3), 255, np.uint8)
    for k, picture in enumerate(pictures):
        row, column = divmod(k, columns)
        sheet[row * size : (row + 1) * size, column * size : (column + 1) * size] = picture
    return sheet


def enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    """For looking at small pictures."""
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
