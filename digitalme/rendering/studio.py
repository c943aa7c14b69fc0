"""Portraits of an avatar: the studio look (soft lamps, skin, eyes, hair) and the moe look (cel shading, outlines).

`Studio(avatar)` prepares once; its `picture` costs a pose and a frame. `render_avatar` is the same in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from digitalme.artifacts import Avatar, AvatarMesh, Camera
from digitalme.rendering.choice import make_scene
from digitalme.rendering.pose import PosedMesh, Rig
from digitalme.rendering.raster import rasterise_ids
from digitalme.rendering.scene import Drawable, Lamp, Lighting, Surface
from digitalme.rendering.visibility import Visibility, bake_visibility
from digitalme.spaces import CAMERA_FROM_WORLD_FRONT, rotation_from_euler

# Lamps in the frame of a camera that stands in front: +X picture right, +Y up, +Z towards the camera.
KEY = (0.45, 0.62, 0.80)
FILL = (-0.75, 0.10, 0.85)
RIM_LEFT = (-0.80, 0.45, -0.75)
RIM_RIGHT = (0.85, 0.35, -0.65)

SURFACES = {
    "skin": Surface("lit", specular=0.30, roughness=0.52, wrap=0.38, soft=0.34, scatter=0.25),
    "eye": Surface("eye", specular=1.0, roughness=0.22, wrap=0.5, soft=0.40),
    "teeth": Surface("lit", specular=0.5, roughness=0.32, wrap=0.5, soft=0.45),
    "tongue": Surface("lit", specular=0.35, roughness=0.40, wrap=0.5, soft=0.40),
    "mouth": Surface("lit", specular=0.15, roughness=0.60, wrap=0.5, soft=0.40),
    "lash": Surface("lit", specular=0.0, roughness=0.9, soft=0.6),
    "hair": Surface("hair", specular=0.42, roughness=0.5, wrap=0.45, soft=0.42),
    "cloth": Surface("lit", specular=0.06, roughness=0.8, wrap=0.35, soft=0.30),
    "glass": Surface("lit", specular=0.9, roughness=0.18, wrap=0.2, soft=0.2),
}
INSIDE_MOUTH = ("teeth", "tongue", "mouth")
FOCUS_DEPTH = 0.012
"""Difference of inverse distances (1 / m) that is still sharp: about 3 cm at a portrait's distance."""
LENS = 0.055
"""Sigma of the blur, as a part of the picture's height, for a difference of 1 / m."""
OUTLINE = 0.0026
"""Width of the moe look's outline, as a part of the picture's height."""


def portrait_camera(
    avatar: Avatar, yaw: float = 0.0, pitch: float = 0.0, width: int = 512, height: int = 512, span: float | None = None
) -> Camera:
    """A head and shoulders camera, 1.6 m away; `span`: metres that the picture is high at the head, by default what
    the head with its hair needs.

    yaw > 0 walks round to the person's left, pitch > 0 looks from above; both radians.
    """
    bones = avatar.skeleton
    place = {name: bones.world_from_joint[bones.names.index(name), :3, 3] for name in ("Head", "LeftEye", "RightEye")}
    eyes = (place["LeftEye"] + place["RightEye"]) / 2
    top = max(mesh.positions[:, 1].max() for mesh in avatar.meshes if mesh.material.kind in ("skin", "hair"))
    above = float(np.clip(top - eyes[1], 0.08, 0.30))
    chin = 0.07 if avatar.look == "moe" else 0.115  # metres below the eyes
    framed = 1.55 * (above + chin) if span is None else span
    # the crown 9 % below the upper edge; a closer view looks at the eyes' and mouth's middle
    drop = 0.41 * framed - above if span is None else 0.11 * framed
    target = np.array([eyes[0], eyes[1] - drop, (eyes[2] + 2 * place["Head"][2]) / 3], float)
    turn = rotation_from_euler(pitch, yaw, 0.0)
    distance = 1.6
    position = target + turn @ np.array([0, 0, distance])
    rotation = CAMERA_FROM_WORLD_FRONT @ turn.T
    return Camera(height * distance / framed, width, height, np.column_stack([rotation, -rotation @ position]))


@lru_cache(maxsize=1)
def cornea_normals(size: int = 128) -> UInt8[np.ndarray, "s s 3"]:
    """Normal map of the clear dome over the iris, for eyes whose UVs are a disc of 90 degrees about the gaze.

    The dome's radius is two thirds of the eyeball's (7.8 against 12 mm): its normals turn faster than the ball's, which
    is why an eye shows a lamp that stands far above it.
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, -axis)
    radius = np.hypot(x, y)
    extra = radius * (np.pi / 2) * 1.15 * np.clip((0.34 - radius) / 0.12, 0, 1)
    around = np.stack([x, y], -1) / np.maximum(radius, 1e-6)[..., None]
    normal = np.concatenate([around * np.sin(extra)[..., None], np.cos(extra)[..., None]], -1)
    return np.round(normal * 127.5 + 127.5).astype(np.uint8)


def backdrop(
    width: int, height: int, tint: tuple[float, float, float] = (0.80, 0.785, 0.77), falloff: float = 0.32
) -> UInt8[np.ndarray, "h w 3"]:
    """A paper backdrop with the pool of light that a lamp behind the sitter makes, out of focus; sRGB.

    `falloff`: how much darker (0..1) it is far from the pool.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.42
    pool = np.exp(-((x / 0.55) ** 2 + (y / 0.62) ** 2))
    level = 1.02 - falloff * (1 - pool)
    picture = level[..., None] * np.array(tint, np.float32) * 255
    # half a level of fixed noise: a gradient this smooth shows its steps otherwise
    picture += np.random.default_rng(7).uniform(-0.5, 0.5, (height, width, 1))
    return np.clip(picture, 0, 255).astype(np.uint8)


class Studio:
    """An avatar before the camera, prepared once: rig, drawables, textures, baked light."""

    def __init__(self, avatar: Avatar, look: str | None = None):
        self.avatar = avatar
        self.look = look or avatar.look
        self.rig = Rig(avatar)
        self._order = sorted(range(len(avatar.meshes)), key=lambda i: _draw_rank(avatar.meshes[i], i))
        rest = self.rig.pose({})
        bones = avatar.skeleton
        self._head = bones.world_from_joint[bones.names.index("Head"), :3, 3]
        self._visibility = None if self.look == "moe" else avatar_visibility(avatar, rest)
        self._light_key: tuple | None = None
        self.drawables = [self._drawable(avatar.meshes[i], rest[i]) for i in self._order]
        self._hulls: list[tuple[Drawable, int, np.ndarray]] = []
        if self.look == "moe":
            for i in self._order:
                hull = _outline(avatar.meshes[i])
                if hull is not None:
                    self._hulls.append((hull[0], i, hull[1]))
        self.scene = make_scene([*self.drawables, *(hull for hull, _, _ in self._hulls)])
        self._backdrops: dict[tuple[int, int], np.ndarray] = {}
        self._depth_faces: np.ndarray | None = None

    def picture(
        self,
        camera: Camera,
        weights: Mapping[str, float],
        head: Sequence[float] = (0.0, 0.0, 0.0),
        background: tuple[float, float, float] | UInt8[np.ndarray, "h w 3"] | None = None,
        supersample: int = 2,
        aperture: float = 0.0,
        lighting: Lighting | None = None,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """The avatar with these face weights and this head turn (pitch, yaw, roll); lamps stand by the camera, or as
        `lighting` says.

        `aperture` > 0 puts what lies behind or before the eyes out of focus (1: shoulders and the back of the hair are
        soft, as by a portrait lens).
        """
        posed = self.rig.pose(weights, head)
        for drawable, i in zip(self.drawables, self._order, strict=True):
            drawable.positions, drawable.normals = posed[i].positions, posed[i].normals
        outline = OUTLINE * camera.height * np.linalg.norm(camera.position - self._head) / camera.focal_px
        for hull, i, width in self._hulls:
            hull.positions = posed[i].positions + posed[i].normals * (width * outline)
        if background is None:
            background = self.background(camera)
        lighting = lighting or studio_lighting(camera)
        self._shade(lighting, head)
        picture = self.scene.draw(camera, background, lighting, supersample)
        return self._focused(picture, camera, aperture) if aperture > 0 else picture

    def _focused(self, picture: np.ndarray, camera: Camera, aperture: float) -> UInt8[np.ndarray, "h w 3"]:
        """The picture with depth of field, focused on the eyes: blurred by the circle of confusion, which grows with
        the difference of the inverse distances (thin lens). Depths are taken at a quarter of the size."""
        height, width = picture.shape[:2]
        positions = np.concatenate([d.positions for d in self.drawables]).astype(np.float32)
        view = positions @ camera.camera_from_world[:, :3].T.astype(np.float32)
        view += camera.camera_from_world[:, 3].astype(np.float32)
        cx, cy = camera.center_px or (width / 2, height / 2)
        z = np.maximum(view[:, 2], 1e-3)
        points = np.stack([camera.focal_px * view[:, 0] / z + cx, camera.focal_px * view[:, 1] / z + cy, z], 1)
        points[:, :2] *= 0.25
        if self._depth_faces is None:
            start = np.cumsum([0, *(len(d.positions) for d in self.drawables)])
            self._depth_faces = np.concatenate(
                [d.faces + np.int32(s) for d, s in zip(self.drawables, start, strict=False)]
            )
        _, _, depth = rasterise_ids(points, self._depth_faces, (width + 3) // 4, (height + 3) // 4)
        eyes = [d.positions for d in self.drawables if d.surface.model == "eye"] or [self._head[None]]
        middle = np.concatenate(eyes).mean(0) @ camera.camera_from_world[2, :3] + camera.camera_from_world[2, 3]
        seen = np.isfinite(depth)
        # the backdrop is out of focus already: it takes the blur of what stands before it, so that edges stay whole
        circle = np.where(seen, np.abs(1 / middle - 1 / np.where(seen, depth, middle)), 0).astype(np.float32)
        circle = np.where(seen, circle, cv2.dilate(circle, np.ones((5, 5), np.uint8)))
        circle = np.maximum(cv2.GaussianBlur(circle, (0, 0), 1.2) - FOCUS_DEPTH, 0) * (LENS * aperture * height)
        circle = cv2.resize(circle, (width, height), interpolation=cv2.INTER_LINEAR)
        levels = [0.0, 0.0022 * height, 0.0052 * height]  # sigmas of the layers that are mixed
        layers = [picture, *(cv2.GaussianBlur(picture, (0, 0), sigma) for sigma in levels[1:])]
        place = np.interp(circle, levels, [0, 1, 2]).astype(np.float32)
        soft = picture.astype(np.float32)
        for k in (1, 2):
            share = np.clip(place - (k - 1), 0, 1)[..., None]
            soft += (layers[k] - soft) * share
        return np.round(soft).astype(np.uint8)

    def background(self, camera: Camera) -> UInt8[np.ndarray, "h w 3"]:
        """The look's own backdrop at the camera's size; kept."""
        size = (camera.width, camera.height)
        if size not in self._backdrops:
            moe = self.look == "moe"
            self._backdrops[size] = backdrop(*size, (0.985, 0.925, 0.925), 0.07) if moe else backdrop(*size)
        return self._backdrops[size]

    def _shade(self, lighting: Lighting, head: Sequence[float]) -> None:
        """Give the drawables the light of the baked visibility: lamps turned into the head's frame."""
        if self._visibility is None:
            return
        key = next(lamp for lamp in lighting.lamps if lamp.key)
        turned = rotation_from_euler(*head).T @ np.asarray(key.direction)
        turned /= np.linalg.norm(turned)
        if self._light_key is not None and np.dot(turned, self._light_key) > np.cos(np.radians(1.0)):
            return  # within a degree of the light that is there
        self._light_key = turned
        visible = self._visibility.of_lamp(turned)
        occlusion = np.clip(0.15 + 0.94 * self._visibility.occlusion, 0, 1)
        start = np.cumsum([0, *(len(mesh.positions) for mesh in self.avatar.meshes)])
        for drawable, i in zip(self.drawables, self._order, strict=True):
            part = slice(start[i], start[i + 1])
            light = np.stack([occlusion[part], visible[part]], 1).astype(np.float32)
            kind = self.avatar.meshes[i].material.kind
            if kind in INSIDE_MOUTH:
                light = self._mouth_light(self.avatar.meshes[i])
            elif kind == "eye":
                # the bake saw one pose of the lids only: a part of it, and the upper lid's shade on the ball
                lid = np.clip((self.avatar.meshes[i].normals[:, 1:2] + 0.02) / 0.40, 0, 1)
                light = (0.45 + 0.55 * light) * (1 - 0.25 * lid * lid)
            drawable.light = light

    def _mouth_light(self, mesh: AvatarMesh) -> Float32[np.ndarray, "v 2"]:
        """Light falls off with depth behind the lips, as the closed mouth of the bind pose says nothing about it."""
        if mesh.name == "sockets":
            return np.full((len(mesh.positions), 2), 0.5, np.float32)
        lips = self._lip_depth()
        fade = 0.20 + 0.80 * np.exp(-np.clip(lips - mesh.positions[:, 2] - 0.006, 0, None) / 0.022)
        power = {"teeth": 0.22, "tongue": 0.4}.get(mesh.material.kind, 0.75)
        return np.repeat((fade**power)[:, None], 2, 1).astype(np.float32)

    def _lip_depth(self) -> float:
        """z of the lips: the front of what mouthPucker moves, else of the head."""
        head = next((m for m in self.avatar.meshes if m.name == "head"), self.avatar.meshes[0])
        moved = head.morphs.get("mouthPucker")
        points = head.positions[moved.index] if moved is not None and len(moved.index) else head.positions
        return float(np.quantile(points[:, 2], 0.9))

    def _drawable(self, mesh: AvatarMesh, posed) -> Drawable:
        material = mesh.material
        textures = self.avatar.textures
        surface = SURFACES[material.kind]
        if self.look == "moe":
            flat = material.kind in ("eye", "lash", *INSIDE_MOUTH)
            surface = Surface("unlit") if flat else Surface("toon", specular=0.0)
        elif material.kind in ("glass", "cloth"):
            surface = replace(surface, roughness=material.roughness)
        elif material.kind == "hair":  # hair that shows a photo has the photo's shine already
            surface = replace(surface, specular=surface.specular * float(np.clip((1 - material.roughness) / 0.4, 0, 1)))
        texture = textures.get(material.texture) if material.texture else None
        relief = textures.get(material.normal_texture) if material.normal_texture else None
        if self.look == "moe":
            relief = None
        elif material.kind == "eye" and relief is None:
            relief = cornea_normals()
        return Drawable(
            posed.positions, mesh.faces, posed.normals, mesh.uvs, texture, relief,
            color=material.base_color, surface=surface, blend=material.alpha_mode.lower(),
            alpha_cutoff=material.alpha_cutoff, cull=not material.double_sided,
            flip_back_normals=material.kind != "hair", depth_write=material.alpha_mode != "BLEND",
        )  # fmt: skip


def studio_lighting(camera: Camera) -> Lighting:
    """Soft lamps that stand by the camera: key from the upper right, cool fill, an edge light on either side."""
    to_world = camera.camera_from_world[:, :3].T @ np.diag([1.0, -1.0, -1.0])

    def lamp(direction: tuple[float, float, float], color: tuple[float, float, float], key: bool = False) -> Lamp:
        return Lamp(tuple(to_world @ np.array(direction)), color, key)

    return Lighting(
        (
            lamp(KEY, (1.06, 0.98, 0.89), key=True),
            lamp(FILL, (0.20, 0.22, 0.26)),
            lamp(RIM_LEFT, (0.34, 0.36, 0.40)),
            lamp(RIM_RIGHT, (0.30, 0.27, 0.24)),
        ),
        sky=(0.36, 0.355, 0.36),
        ground=(0.24, 0.20, 0.18),
    )


def _draw_rank(mesh: AvatarMesh, place: int) -> tuple[int, int]:
    """Blended meshes last. Before them the order changes nothing but speed: what covers others comes first."""
    if mesh.material.alpha_mode == "BLEND":
        return 3, place
    if mesh.material.kind == "hair":
        return 0, -place  # the outer shell is the later mesh
    return (1 if mesh.material.kind == "cloth" else 2), place


def avatar_visibility(avatar: Avatar, posed: Sequence[PosedMesh]) -> Visibility:
    """What every vertex of an avatar in this pose sees of its surroundings; the meshes' vertices one after another."""
    start = np.cumsum([0, *(len(mesh.positions) for mesh in avatar.meshes)])
    faces = np.concatenate([mesh.faces + np.int32(s) for mesh, s in zip(avatar.meshes, start, strict=False)])
    casts = np.concatenate([_casts_shadow(mesh, avatar.textures) for mesh in avatar.meshes])
    bones = avatar.skeleton
    center = bones.world_from_joint[bones.names.index("LeftEye"), :3, 3].astype(float) * [0, 1, 0]
    center[2] = bones.world_from_joint[bones.names.index("Head"), 2, 3] + 0.03
    positions = np.concatenate([mesh.positions for mesh in posed])
    return bake_visibility(positions, np.concatenate([mesh.normals for mesh in posed]), faces, casts, center)


def _casts_shadow(mesh: AvatarMesh, textures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Triangles (f,) that hold light back: not lashes, glass or what lies in the mouth, nor transparent hair."""
    if mesh.material.kind in ("lash", "glass", "eye", *INSIDE_MOUTH):
        return np.zeros(len(mesh.faces), bool)
    texture = textures.get(mesh.material.texture) if mesh.material.texture else None
    if mesh.material.alpha_mode == "OPAQUE" or texture is None or texture.shape[2] < 4:
        return np.ones(len(mesh.faces), bool)
    middle = mesh.uvs[mesh.faces].mean(1)
    size = np.array(texture.shape[1::-1])
    column, row = np.clip((middle * size).astype(int), 0, size - 1).T
    return texture[row, column, 3] > 127


def _outline(mesh: AvatarMesh) -> tuple[Drawable, Float32[np.ndarray, "v 1"]] | None:
    """The inverted hull of a mesh and its width at each vertex: none around the eyes and the mouth."""
    if mesh.material.kind in ("eye", "lash", "glass", *INSIDE_MOUTH) or mesh.material.alpha_mode != "OPAQUE":
        return None
    width = np.ones(len(mesh.positions), np.float32)
    for name in ("eyeBlinkLeft", "eyeBlinkRight", "mouthPucker", "mouthFunnel", "mouthClose"):
        if name in mesh.morphs:
            morph = mesh.morphs[name]
            moved = np.linalg.norm(morph.delta, axis=1)
            width[morph.index] *= np.clip(1 - moved / max(0.25 * moved.max(), 1e-6), 0, 1)
    if mesh.name == "head":  # over the face's middle folds are near, and a wide hull would come through them
        x, height = np.abs(mesh.positions[:, 0]), mesh.positions[:, 1]
        eyes = mesh.positions[mesh.morphs["eyeBlinkLeft"].index, 1].mean() if "eyeBlinkLeft" in mesh.morphs else 1e9
        inner = (
            (x < 0.040)
            & (np.abs(height - eyes + 0.02) < 0.05)
            & (mesh.positions[:, 2] > mesh.positions[:, 2].max() - 0.06)
        )
        width = np.where(inner, 0.35 * width, width)
    ink = {"skin": 0.42, "hair": 0.42, "cloth": 0.45}.get(mesh.material.kind, 0.4)
    color = tuple(float(c) * ink for c in mesh.material.base_color[:3])
    hull = Drawable(mesh.positions, mesh.faces[:, ::-1], color=color, surface=Surface("unlit"))
    return hull, width[:, None]


_last: list[Studio] = []


def render_avatar(
    avatar: Avatar,
    camera: Camera,
    weights: Mapping[str, float],
    head: Sequence[float] = (0.0, 0.0, 0.0),
    look: str | None = None,
    background: tuple[float, float, float] | UInt8[np.ndarray, "h w 3"] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """One picture of an avatar. `look`: "studio" or "moe", the avatar's own by default.

    The last avatar's preparation is kept, so that frames of a film may be asked for one by one.
    """
    if not _last or _last[0].avatar is not avatar or (look or avatar.look) != _last[0].look:
        _last[:] = [Studio(avatar, look)]
    return _last[0].picture(camera, weights, head, background)
