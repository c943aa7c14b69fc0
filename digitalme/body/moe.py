"""A person as a drawn, cute character: big eyes low in a soft face, a small nose and mouth, flat colours.

The change is an identity (offsets of the body model's own shapes, so far as they go) followed by a bend of space. The
face actions of lids and brows go through the bend too, and what widens the eyes leaves with the blink: so they shut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from digitalme.artifacts.avatar import Avatar, AvatarMesh, Material, Skeleton
from digitalme.body.actions import settled_actions
from digitalme.body.character import JOINT_NAMES, base_avatar
from digitalme.body.garment import keep_faces
from digitalme.body.landmarks import landmark_points
from digitalme.body.model import BodyModel, load_body
from digitalme.body.moe_paint import neck_area, neck_uvs, paint_face, paint_moe_eye, paint_neck
from digitalme.body.mouth import inner_lip_vertices, settle_mouth
from digitalme.body.reshape import reshape
from digitalme.imaging.drawing import smoothstep

Rgb = tuple[float, float, float]

_OFFSETS = {
    "nose-scale-horiz-incr": -0.9, "nose-scale-vert-incr": -0.7, "nose-scale-depth-incr": -0.9,
    "nose-volume-incr": -0.8, "nose-point-up": 0.6, "nose-hump-incr": -0.6,
    "mouth-scale-horiz-incr": -0.2, "mouth-upperlip-volume-incr": -0.5, "mouth-lowerlip-volume-incr": -0.3,
    "mouth-laugh-lines-out": -0.8,
    "chin-width-incr": -0.6, "chin-height-incr": -0.8, "chin-bones-incr": -0.6, "chin-prominent-incr": -0.1,
    "l-cheek-bones-incr": -0.8, "r-cheek-bones-incr": -0.8, "l-cheek-volume-incr": 0.7, "r-cheek-volume-incr": 0.7,
    "forehead-scale-vert-incr": 0.7, "forehead-nubian-incr": 0.5,
    "l-eye-scale-incr": 0.8, "r-eye-scale-incr": 0.8, "l-eye-bag-incr": -0.8, "r-eye-bag-incr": -0.8,
    "l-eye-trans-up": -0.6, "r-eye-trans-up": -0.6, "l-eye-trans-out": 0.15, "r-eye-trans-out": 0.15,
    "age-": 0.9,
}  # fmt: skip
_LIDS = {"eye-height1-incr": 1.2, "eye-height2-incr": 1.2, "eye-height3-incr": 1.2}
_FALLOFF = 1.25
"""How steeply the eyes' enlargement ends; from about 1.5 on the skin under the eye would fold over itself."""
_WIDE = 0.9
_EXAGGERATION = {
    "mouthSmileLeft": 0.68, "mouthSmileRight": 0.68, "mouthFrownLeft": 1.5, "mouthFrownRight": 1.5, "jawOpen": 1.2,
    "mouthClose": 1.2, "browInnerUp": 1.4, "browDownLeft": 1.4, "browDownRight": 1.4,
}  # fmt: skip
"""A drawn face shows what it feels; its smile is short of the point where the cheek would fold."""
_SMILE = 0.25
"""A hint of a smile at rest."""
_KEPT = 0.55
"""How much of the person's own face is left at full strength: two people stay two people."""


@dataclass(frozen=True)
class Drawn:
    """What a drawing says of somebody besides their face: whether woman or man, and of what age."""

    taper: float = 0.22
    """How much narrower the jaw gets towards the chin."""
    shorter: float = 0.14
    """How far the face below the eyes comes up."""
    eyes: tuple[float, float] = (1.50, 2.5)
    """How wide and how tall the eyes' surroundings become."""
    lashes: tuple[float, float] = (0.29, 1.1)
    """How far the upper lashes stand off, and how much farther in their outer corner."""
    brows: float = 1.0
    """Their thickness."""
    lower_brows: float = 0.0
    """How far the brows hang, metres; they lie straighter then."""
    blush: float = 1.0
    lips: float = 0.0
    """How red the lips are, 0..1."""
    lines: float = 0.0
    """How deep the lines of age are, 0..1."""
    years: float = 0.0
    """What is left of the body model's own aging."""


_GENDERS: dict[str, dict[str, Any]] = {
    "": {},
    "woman": {"taper": 0.25, "lashes": (0.40, 1.7), "brows": 0.75, "lips": 0.75},
    "man": {
        "taper": 0.08, "shorter": 0.08, "eyes": (1.40, 2.0), "lashes": (0.17, 0.3), "brows": 2.0, "lower_brows": 0.0030,
        "blush": 0.25,
    },
}  # fmt: skip
_AGES: dict[str, dict[str, Any]] = {
    "child": {"shorter": 0.20}, "middle": {"lines": 0.62, "blush": 0.2},
    "old": {"lines": 1.0, "blush": 0.0, "years": 0.5},
}  # fmt: skip


def drawn_as(gender: str = "", age: str = "") -> Drawn:
    """How somebody is drawn of whom this is known (words of digitalme.body.attributes, or nothing)."""
    return Drawn(**(_GENDERS.get(gender, {}) | _AGES.get(age, {})))


@dataclass(frozen=True)
class MoeStyle:
    """How far a character is drawn."""

    intensity: float = 1.0
    """0 keeps the person's proportions, 1 is a full anime face."""
    body: float = 0.56
    """Size of the body below the neck: 1 natural, .56 a slim bust, .40 a chibi."""
    crown: float = 0.020
    """How much the skull rises, metres; bangs hide a high forehead."""
    drawn: Drawn = Drawn()


@dataclass(frozen=True)
class MoeColors:
    """sRGB 0..1, as sampled from the photo; the drawing brightens them."""

    skin: Rgb
    hair: Rgb
    iris: Rgb
    brow: Rgb


def moe_shape(shape: Mapping[str, float], intensity: float, years: float = 0.0) -> dict[str, float]:
    """The person's identity pulled toward a child-like, smooth one (lids are `lid_offsets`' business).

    `years`: the share of the aging that is left.
    """
    keep = 1 - (1 - _KEPT) * intensity
    soft = {name: float(np.clip(weight, -1.2, 1.2)) * keep for name, weight in shape.items()}
    for name in soft:
        if name.startswith("mouth-"):  # the fit hides a part of the photo's smile here
            soft[name] *= 1 - 0.75 * intensity
    soft["age+"] = soft.get("age+", 0.0) * (1 - intensity * (1 - years))
    for name, offset in _OFFSETS.items():
        soft[name] = soft.get(name, 0.0) * (1 - 0.6 * intensity) + offset * intensity
    soft["age-"] *= 1 - years
    return soft


def lid_offsets(side: str, intensity: float) -> dict[str, float]:
    """What opens one eye ("left" or "right") wide, and must leave when it blinks."""
    offsets = {f"{side[0]}-{name}": weight * intensity for name, weight in _LIDS.items()}
    return offsets | {f"eyeWide{side.capitalize()}": _WIDE * intensity}


@dataclass(frozen=True)
class Bend:
    """The bend of space around one face. Centres are taken on the unbent rest vertices, world frame."""

    model: BodyModel
    rest: Float[np.ndarray, "vertices 3"]
    style: MoeStyle

    @cached_property
    def _marks(self) -> np.ndarray:
        return landmark_points(self.rest)

    @cached_property
    def eye_ids(self) -> tuple[np.ndarray, np.ndarray]:
        return self.model.parts["eye_left"].vertex_ids, self.model.parts["eye_right"].vertex_ids

    @cached_property
    def eye_centers(self) -> np.ndarray:
        return np.stack([self.rest[ids].mean(0) for ids in self.eye_ids])

    @cached_property
    def _cavity(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices of the mouth cavity behind the lips, and the lips' inner edge."""
        lips = inner_lip_vertices(self.model)
        return np.setdiff1d(self.model.parts["mouth_cavity"].vertex_ids, lips), lips

    @cached_property
    def neck_pivot(self) -> np.ndarray:
        return self.model.head_center + np.array([0.0, -0.135, -0.03])

    @cached_property
    def _lashes(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each upper row: its vertices, the nearest skin of each, and how far it may stand off (share)."""
        skin = np.union1d(self.model.parts["head"].vertex_ids, self.model.parts["eye_socket_left"].vertex_ids)
        skin = np.union1d(skin, self.model.parts["eye_socket_right"].vertex_ids)
        tree = cKDTree(self.model.template[skin])
        rows = []
        for e, side in enumerate(("left", "right")):
            center = self.model.template[self.eye_ids[e]].mean(0)
            ids = self.model.parts[f"lashes_upper_{side}"].vertex_ids
            outer = (np.abs(self.model.template[ids, 0]) - abs(center[0])) / 0.016
            # thin at the inner corner, a little wing at the outer one
            thick, wing = self.style.drawn.lashes
            share = thick * (1 + wing * np.clip(outer, 0, 1) ** 2) * (0.15 + 0.85 * smoothstep(-1.0, -0.3, outer))
            rows.append((ids, skin[tree.query(self.model.template[ids])[1]], share))
        return rows

    def face(self, points: np.ndarray, whole_model: bool = True) -> np.ndarray:
        """Head part of the bend. With `whole_model` the points are the model's vertices and eyeballs stay rigid."""
        s = self.style.intensity
        bent = np.array(points, np.float64)
        nose, chin = self._marks[1], self._marks[152]
        top = self.rest[self.model.parts["head"].vertex_ids, 1].max()
        eye_height = self.eye_centers[0, 1]

        off = points - nose
        near = np.exp(-((off / np.array([0.020, 0.022, 0.030])) ** 2).sum(1))[:, None]
        bent += near * s * (-off * np.array([0.45, 0.35, 0.25]) + np.array([0, 0.002, -0.006]))

        # the jaw tapers below the nose, on the face only
        back = smoothstep(self.model.head_center[2] - 0.06, self.model.head_center[2], points[:, 2])
        taper = smoothstep(nose[1] + 0.012, chin[1], points[:, 1]) * smoothstep(
            chin[1] - 0.05, chin[1] - 0.012, points[:, 1]
        )
        bent[:, 0] *= 1 - self.style.drawn.taper * s * taper * back

        # a shorter face: what lies under the eyes comes up
        lower = np.clip(eye_height - 0.012 - points[:, 1], 0, None)
        bent[:, 1] += self.style.drawn.shorter * s * lower * smoothstep(chin[1] - 0.09, chin[1] - 0.02, points[:, 1])

        rise = np.clip((points[:, 1] - eye_height) / (top - eye_height), 0, 1.2)
        bent[:, 1] += self.style.crown * s * rise
        bent[:, 0] *= 1 + 0.07 * s * smoothstep(-0.2, 0.5, (points[:, 1] - eye_height) / (top - eye_height))

        region, ball = np.array([*self.style.drawn.eyes, 0.55]) - 1, np.array([1.56, 1.90, 0.45]) - 1
        for center, ids in zip(self.eye_centers, self.eye_ids, strict=True):
            off = points - center
            weight = np.exp(-(((off / np.array([0.029, 0.030, 0.040])) ** 2).sum(1) ** _FALLOFF))[:, None]
            grow = np.tile(region * s, (len(points), 1))
            grow[:, 1] *= np.where(off[:, 1] < 0, 0.62, 1.0)
            if whole_model:
                weight[ids], grow[ids] = 1, ball * s
            bent += off * grow * weight
            bent[:, 1] -= 0.004 * s * weight[:, 0]
            bent[:, 0] += np.sign(center[0]) * 0.003 * s * weight[:, 0]
            if whole_model:
                bent[ids, 2] -= 0.0042 * s
        if whole_model and s > 0:
            inside, lips = self._cavity
            offset = bent[inside] - bent[lips].mean(0)  # or it would come through the small chin
            deep = smoothstep(0.0, 0.012, np.linalg.norm(offset, axis=1))[:, None]
            bent[inside] -= deep * s * offset * np.array([0.25, 0.5, 0.1])
            tongue = self.model.parts["tongue"].vertex_ids
            bent[tongue] -= s * ((bent[tongue] - bent[lips].mean(0)) * np.array([0.30, 0.30, 0.15]) + [0, 0, 0.004])
            bent[self.model.parts["teeth_upper"].vertex_ids, 1] += 0.0032 * s  # a drawing shows their edge only
            for ids, lids, share in self._lashes:
                stand = bent[ids] - bent[lids]
                share = (1 - (1 - share) * s)[:, None]
                bent[ids] = bent[lids] + share * stand + np.array([0, 0, 0.0022 * s])
        return bent

    def body(self, points: np.ndarray) -> np.ndarray:
        """Body part of the bend: what is below the neck shrinks toward it."""
        k, pivot = self.style.body, self.neck_pivot
        if k == 1:
            return np.array(points, np.float64)
        chubby = np.array([1.12, 0.80, 1.10]) if k < 0.5 else np.ones(3)
        off = points - pivot
        above = smoothstep(-0.03, 0.02, off[:, 1])
        # shoulders reach above the pivot, but only the neck belongs to the head
        above *= np.maximum(smoothstep(0.10, 0.07, np.hypot(off[:, 0], off[:, 2])), smoothstep(0.03, 0.06, off[:, 1]))
        above = above[:, None]
        small = pivot + (points - pivot) * k * chubby
        return small * (1 - above) + points * above

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The model's vertices, bent."""
        return self.body(self.face(points))


def moe_actions(rest: np.ndarray, model: BodyModel, intensity: float) -> dict[str, np.ndarray]:
    """Displacements of the 52 actions on these rest vertices; a blink also takes back what opens its eye wide."""
    actions = settled_actions(rest, model)
    for name, gain in _EXAGGERATION.items():
        actions[name] = actions[name] * (1 + (gain - 1) * intensity)
    for side in ("left", "right"):
        opened = sum(weight * model.displacement(name) for name, weight in lid_offsets(side, intensity).items())
        name = f"eyeBlink{side.capitalize()}"
        actions[name] = actions[name] - opened
    return actions


def bend_actions(actions: Mapping[str, np.ndarray], bend: Bend) -> dict[str, np.ndarray]:
    """Displacements after the bend. Lids and brows go through it; a mouth's corner keeps its own way, as the stretched
    space around the eyes would push a smile down again; and a drawn cheek stays smooth."""
    bent = bend(bend.rest)
    mouth = landmark_points(bend.rest)[[13, 14], 1].mean()
    calm = 1 - 0.5 * bend.style.intensity * smoothstep(mouth, mouth + 0.035, bend.rest[:, 1])[:, None]
    calm[bend.model.parts["tongue"].vertex_ids] = 1 - 0.4 * bend.style.intensity  # it has a small chin to stay above
    return {
        name: bend(bend.rest + move) - bent if name.startswith(("eye", "brow")) else move * calm
        for name, move in actions.items()
    }


def moe_avatar(
    shape: Mapping[str, float], colors: MoeColors, style: MoeStyle, beard: float = 0.0
) -> tuple[Avatar, Float[np.ndarray, "vertices 3"], Bend]:
    """The bare, bald character, the body model's vertices under it, and the bend that made it (for hair, clothes)."""
    model = load_body()
    identity = moe_shape(shape, style.intensity, style.drawn.years)
    open_eyes = identity | lid_offsets("left", style.intensity) | lid_offsets("right", style.intensity)
    for side in ("l", "r"):
        for name in _LIDS:
            key = f"{side}-{name}"
            open_eyes[key] = identity.get(key, 0.0) + _LIDS[name] * style.intensity
    avatar = base_avatar(identity, look="moe")
    rest = settle_mouth(model.vertices(open_eyes), model)
    bend = Bend(model, rest, style)
    bent = bend(rest)
    for side in ("Left", "Right"):
        bent += _SMILE * style.intensity * model.displacement(f"mouthSmile{side}")
    avatar = reshape(avatar, bent, bend_actions(moe_actions(rest, model, style.intensity), bend))

    head = avatar.mesh("head")
    chin = landmark_points(bent)[152]
    picture, skin = paint_face(head, bend, bent, colors, beard)
    normals = _drawn_normals(avatar, bend, bent)
    meshes = []
    for mesh in avatar.meshes:
        if mesh.name in normals:
            mesh = replace(mesh, normals=normals[mesh.name])
        if mesh.name == "body":
            mesh = replace(mesh, uvs=neck_uvs(mesh.positions, chin))
        meshes.append(_flat(mesh, skin, colors, model))
    textures = {"head": picture, "eye": paint_moe_eye(colors.iris), "neck": paint_neck()}
    skeleton = _bent_skeleton(avatar.skeleton, bend)
    used = np.concatenate([avatar.mesh(name).positions[:, 1] for name in ("head", "body")])
    about = avatar.about | {
        "ground_y": float(used.min()), "skin": [float(v) for v in skin], "intensity": style.intensity,
    }  # fmt: skip
    return replace(avatar, meshes=tuple(meshes), textures=textures, skeleton=skeleton, about=about), bent, bend


def _bent_skeleton(skeleton: Skeleton, bend: Bend) -> Skeleton:
    frames = skeleton.world_from_joint.copy()
    places = frames[:, :3, 3].astype(np.float64)
    moved = bend.body(places)
    top = JOINT_NAMES.index("HeadTop_End")
    moved[top] = places[top] + np.array([0, bend.style.crown * bend.style.intensity, 0])
    frames[:, :3, 3] = moved
    return replace(skeleton, world_from_joint=frames)


def _drawn_normals(avatar: Avatar, bend: Bend, bent: np.ndarray) -> dict[str, np.ndarray]:
    """Normals that shade like a drawing: the face as one ball, the neck under the chin all in shadow."""
    model = bend.model
    # the ball's middle lies low and far back: a face turned aside is not half in shadow
    center = model.head_center + np.array([0, -0.06, -0.10])
    chin = landmark_points(bent)[152]
    result = {}
    for name in ("head", "body"):
        mesh = avatar.mesh(name)
        place = mesh.positions.astype(np.float64)
        radial = place - center
        radial /= np.linalg.norm(radial, axis=1, keepdims=True)
        face = smoothstep(model.head_center[2] - 0.07, model.head_center[2] - 0.02, place[:, 2]) * smoothstep(
            model.head_center[1] - 0.16, model.head_center[1] - 0.10, place[:, 1]
        )
        share = (0.97 * face * bend.style.intensity)[:, None]
        normal = mesh.normals * (1 - share) + radial * share
        # the neck is lit all over: its shadow is painted, with an edge finer than the triangles
        neck = neck_area(place, chin)[:, None]
        normal = normal * (1 - neck) + np.array([0.2, 0.55, 0.8]) * neck
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        result[name] = normal.astype(np.float32)
    return result


def _flat(mesh: AvatarMesh, skin: np.ndarray, colors: MoeColors, model: BodyModel) -> AvatarMesh:
    """The mesh with a drawing's flat material; eyes move by their morphs alone."""
    skin_rgba = (*map(float, skin), 1.0)
    dark = np.minimum(np.asarray(colors.hair) * 0.35, 0.16)
    look = {
        "head": ("skin", skin_rgba, "head"),
        "body": ("skin", skin_rgba, "neck"),
        "eye_left": ("eye", (1.0,) * 4, "eye"),
        "eye_right": ("eye", (1.0,) * 4, "eye"),
        "teeth": ("teeth", (1.0, 1.0, 1.0, 1.0), None),
        "tongue": ("tongue", (0.90, 0.45, 0.45, 1.0), None),
        "mouth": ("mouth", (0.55, 0.16, 0.16, 1.0), None),
        "sockets": ("mouth", (*(np.asarray(skin) * 0.55).tolist(), 1.0), None),
        "lashes": ("lash", (*dark.tolist(), 1.0), None),
    }
    kind, color, texture = look[mesh.name]
    material = Material(
        mesh.material.name, kind, color, texture, roughness=1.0, double_sided=mesh.name in ("lashes", "teeth", "mouth")
    )
    mesh = replace(mesh, material=material)
    if mesh.name == "teeth":  # a drawing shows the upper row only
        upper = np.isin(mesh.body_ids, model.parts["teeth_upper"].vertex_ids)
        mesh = keep_faces(mesh, upper[mesh.faces].all(1))
    if mesh.name == "lashes":
        rows = [model.parts[f"lashes_upper_{side}"].vertex_ids for side in ("left", "right")]
        mesh = keep_faces(mesh, np.isin(mesh.body_ids, np.concatenate(rows))[mesh.faces].all(1))
    if mesh.name.startswith("eye_"):
        joints = np.zeros_like(mesh.joints)
        joints[:, 0] = JOINT_NAMES.index("Head")
        weights = np.zeros_like(mesh.weights)
        weights[:, 0] = 1
        mesh = replace(mesh, joints=joints, weights=weights)
    return mesh
