"""From body shape to rigged character: 104 joints become a Ready Player Me humanoid, parts become meshes.

The avatar stays where the body model puts it: the head at the model's place (so that a portrait's camera fits), in the
model's relaxed pose. Exporters stand it on the ground and may bring it into a T-pose (digitalme.exporters.pose).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32, Int, Int32, UInt8

from digitalme.artifacts.avatar import Avatar, AvatarMesh, Material, Morph, Skeleton
from digitalme.body.model import BodyModel, Part, load_body

HEAD_UV_BOX = (0.636, 0.143165, 0.363, 0.68)
"""(u0, v0, width, height) of the head's island in the body's UV atlas, centred on the face's middle line: turned
upside down it is the mirror image."""

_FINGERS = {"Thumb": "finger1", "Index": "finger2", "Middle": "finger3", "Ring": "finger4", "Pinky": "finger5"}


def _side(side: str, letter: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(joint, parent, the model's joints that it takes over; the first one gives the place) of an arm and a leg."""
    arm = [
        (f"{side}Shoulder", "Spine2", ("clavicle", "shoulder01")),
        (f"{side}Arm", f"{side}Shoulder", ("upperarm01", "upperarm02")),
        (f"{side}ForeArm", f"{side}Arm", ("lowerarm01", "lowerarm02")),
        (f"{side}Hand", f"{side}ForeArm", ("wrist", "metacarpal1", "metacarpal2", "metacarpal3", "metacarpal4")),
    ]
    for finger, source in _FINGERS.items():
        parent = f"{side}Hand"
        for bone in (1, 2, 3):
            arm.append((f"{side}Hand{finger}{bone}", parent, (f"{source}-{bone}",)))
            parent = f"{side}Hand{finger}{bone}"
        arm.append((f"{side}Hand{finger}4", parent, ()))
    toes = tuple(f"toe{toe}-{bone}" for toe in range(1, 6) for bone in range(1, 4) if (toe, bone) != (1, 3))
    leg = [
        (f"{side}UpLeg", "Hips", ("upperleg01", "upperleg02")),
        (f"{side}Leg", f"{side}UpLeg", ("lowerleg01", "lowerleg02")),
        (f"{side}Foot", f"{side}Leg", ("foot",)),
        (f"{side}ToeBase", f"{side}Foot", toes),
        (f"{side}Toe_End", f"{side}ToeBase", ()),
    ]
    return [(name, parent, tuple(f"{s}.{letter}" for s in sources)) for name, parent, sources in arm + leg]


HUMANOID: list[tuple[str, str, tuple[str, ...]]] = [
    ("Hips", "", ("root", "pelvis.L", "pelvis.R", "spine05")),
    ("Spine", "Hips", ("spine04", "spine03")),
    ("Spine1", "Spine", ("spine02",)),
    ("Spine2", "Spine1", ("spine01",)),
    ("Neck", "Spine2", ("neck01", "neck02", "neck03")),
    ("Head", "Neck", ("head",)),
    ("HeadTop_End", "Head", ()),
    ("LeftEye", "Head", ("eye.L",)),
    ("RightEye", "Head", ("eye.R",)),
    *_side("Left", "L"),
    *_side("Right", "R"),
]
"""(joint, parent or "", the model's joints whose skin weights it takes over), parents first."""

JOINT_NAMES = tuple(name for name, _, _ in HUMANOID)


TRUNK = ("Hips", "Spine", "Spine1", "Spine2", "Neck", "Head", "HeadTop_End")
"""Joints whose bind rotation is the world's."""


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def bone_frame(along: Float[np.ndarray, "3"], z_hint: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Columns X, Y, Z of a bone that points along +Y and whose Z lies as near to `z_hint` as that allows."""
    y = _unit(along)
    z = _unit(z_hint - y * (z_hint @ y))
    return np.stack([np.cross(y, z), y, z], 1)


def _joint_places(model: BodyModel, shape: Mapping[str, float], vertices: np.ndarray) -> dict[str, np.ndarray]:
    """Where each joint of the humanoid is, metres. End joints sit on the skin's farthest vertex."""
    heads = model.joints(shape)
    index = {name: i for i, name in enumerate(model.joint_names)}
    owner = model.skin_joints[:, 0]
    skin = np.isin(np.arange(len(vertices)), np.union1d(model.parts["head"].vertex_ids, model.parts["body"].vertex_ids))
    places: dict[str, np.ndarray] = {}
    for name, parent, sources in HUMANOID:
        if name.endswith("ToeBase"):
            places[name] = heads[[index[f"toe{toe}-1.{name[0]}"] for toe in (1, 2, 3, 4)]].mean(0)
        elif sources:
            places[name] = heads[index[sources[0]]]
        elif name == "HeadTop_End":
            crown = vertices[model.parts["head"].vertex_ids, 1].max()
            places[name] = np.array([places["Head"][0], crown, places["Head"][2]])
        else:  # the end of a toe or a finger: as far as its skin reaches
            side = name[0]
            own = (
                [i for n, i in index.items() if n.startswith("toe") and n.endswith(side)]
                if "Toe" in name
                else [index[f"{_FINGERS[name.split('Hand')[1][:-1]]}-3.{side}"]]
            )
            points = vertices[skin & np.isin(owner, own)]
            direction = _unit(places[parent] - places[_parent_of(parent)])
            reach = ((points - places[parent]) @ direction).max()
            places[name] = places[parent] + direction * max(reach, 0.005)
    return places


def _parent_of(name: str) -> str:
    return next(parent for joint, parent, _ in HUMANOID if joint == name)


def _main_child(name: str) -> str | None:
    """The joint that a bone points at."""
    if name.endswith("Hand"):
        return f"{name}Middle1"
    return next((joint for joint, parent, _ in HUMANOID if parent == name), None)


def build_skeleton(places: Mapping[str, np.ndarray]) -> Skeleton:
    """Bones with +Y along the bone and Mixamo's rolls.

    The trunk's bones stand upright wherever the next joint lies: this body's back is more curved than Mixamo's, and
    animations made for that set absolute rotations near zero there, which would straighten ours. Z is forward for the
    trunk, the legs and the head, the inner side of the elbow's plane for the arms and the palm's side for the hands and
    fingers: an elbow bends about +Z and a finger about +X, as Mixamo's animations expect.
    """
    frames: dict[str, np.ndarray] = {}
    forward, up = np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    for name, parent, _ in HUMANOID:
        side = -1 if name.startswith("Right") else 1
        child = _main_child(name)
        along = places[child] - places[name] if child else frames[parent][:, 1]
        hint = forward
        prefix = "Left" if side > 0 else "Right"
        limb = name.removeprefix(prefix)
        if name in TRUNK:
            along = up
        elif name.endswith("Eye"):
            along, hint = forward, -up
        elif limb.startswith("Hand"):
            hand, index, pinky = (places[f"{prefix}{part}"] for part in ("Hand", "HandIndex1", "HandPinky1"))
            hint = side * np.cross(places[f"{prefix}HandMiddle1"] - hand, index - pinky)
        elif limb in ("Arm", "ForeArm"):
            shoulder, elbow, wrist = (places[f"{prefix}{part}"] for part in ("Arm", "ForeArm", "Hand"))
            hint = side * np.cross(elbow - shoulder, wrist - elbow)
        elif limb == "Shoulder":
            hint = -up
        elif limb in ("Foot", "ToeBase", "Toe_End"):
            hint = up  # toes up when the foot points forward; X stays the leg's
        frames[name] = bone_frame(along, hint)
    world_from_joint = np.tile(np.eye(4), (len(HUMANOID), 1, 1))
    for i, name in enumerate(JOINT_NAMES):
        world_from_joint[i, :3, :3] = frames[name]
        world_from_joint[i, :3, 3] = places[name]
    parents = [JOINT_NAMES.index(parent) if parent else -1 for _, parent, _ in HUMANOID]
    return Skeleton(JOINT_NAMES, np.array(parents, np.int32), world_from_joint.astype(np.float32))


def humanoid_weights(model: BodyModel) -> tuple[Int32[np.ndarray, "vertices 4"], Float32[np.ndarray, "vertices 4"]]:
    """The model's skin weights on the reduced skeleton: four strongest joints, weights sum to 1, unused slots 0."""
    kept = np.zeros(len(model.joint_names), np.int64)
    for i, (_, _, sources) in enumerate(HUMANOID):
        kept[[model.joint_names.index(source) for source in sources]] = i
    full = np.zeros((len(model.template), len(HUMANOID)), np.float32)
    rows = np.arange(len(full))
    for slot in range(model.skin_joints.shape[1]):
        np.add.at(full, (rows, kept[model.skin_joints[:, slot]]), model.skin_weights[:, slot])
    for joint, parts in {  # helper vertices carry a few stray weights; these parts are rigid
        "Head": ("teeth_upper", "teeth_lower", "tongue", "mouth_cavity", "lashes_upper_left", "lashes_lower_left",
                 "lashes_upper_right", "lashes_lower_right"),
        "LeftEye": ("eye_left",), "RightEye": ("eye_right",),
    }.items():  # fmt: skip
        skin = np.union1d(model.parts["head"].vertex_ids, model.parts["body"].vertex_ids)
        rigid = np.setdiff1d(np.concatenate([model.parts[part].vertex_ids for part in parts]), skin)
        full[rigid] = 0
        full[rigid, JOINT_NAMES.index(joint)] = 1
    joints = np.argsort(-full, 1, kind="stable")[:, :4]
    weights = np.take_along_axis(full, joints, 1)
    weights[weights < 1e-3] = 0
    joints[weights == 0] = 0
    return joints.astype(np.int32), weights / weights.sum(1, keepdims=True)


def vertex_normals(
    vertices: Float[np.ndarray, "vertices 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float32[np.ndarray, "vertices 3"]:
    """Area-weighted unit normals; vertices without a face get +Y."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    total = np.zeros((len(vertices), 3))
    for i in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, i], cross[:, axis], len(vertices))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 1e-12, total / np.maximum(length, 1e-12), [0, 1, 0]).astype(np.float32)


def split_at_seams(
    faces: Int[np.ndarray, "faces 3"], uvs: Float[np.ndarray, "faces 3 2"]
) -> tuple[Int32[np.ndarray, "v"], Float32[np.ndarray, "v 2"], Int32[np.ndarray, "faces 3"]]:
    """One vertex for each (model vertex, uv) pair: the model vertex behind each, its uv, and the new triangles."""
    corners = np.column_stack([faces.reshape(-1), np.round(uvs.reshape(-1, 2) * 1e5)]).astype(np.int64)
    _, first, inverse = np.unique(corners, axis=0, return_index=True, return_inverse=True)
    source = faces.reshape(-1)[first].astype(np.int32)
    return source, uvs.reshape(-1, 2)[first].astype(np.float32), inverse.reshape(faces.shape).astype(np.int32)


def _merge(*parts: Part) -> Part:
    return Part(np.concatenate([p.faces for p in parts]), np.concatenate([p.uvs for p in parts]))


def _head_and_body(model: BodyModel, box: tuple[float, float, float, float]) -> tuple[Part, Part]:
    """The head's triangles in its own UV square, and the body with the neck pieces that lie outside that square."""
    head, body = model.parts["head"], model.parts["body"]
    inside = (head.uvs[..., 0] > box[0] - 1e-3).all(1)
    square = (head.uvs[inside] - np.array(box[:2])) / np.array(box[2:])
    neck = Part(head.faces[~inside], head.uvs[~inside])
    return Part(head.faces[inside], square.astype(np.float32)), _merge(body, neck)


def _eye_disc(model: BodyModel, part: Part, center: np.ndarray) -> Part:
    """An eye's UVs as a disc seen from the front: the middle is the gaze axis, the rim is 90 degrees off it."""
    direction = _unit(model.template[part.faces] - center)
    radius = np.minimum(np.arccos(np.clip(direction[..., 2], -1, 1)) / (np.pi / 2), 1.0)
    around = direction[..., :2] / np.maximum(np.linalg.norm(direction[..., :2], axis=-1, keepdims=True), 1e-6)
    return Part(part.faces, (0.5 + 0.499 * radius[..., None] * around).astype(np.float32))


def plain_eye_texture(iris: tuple[int, int, int] = (92, 74, 56), size: int = 256) -> UInt8[np.ndarray, "s s 3"]:
    """A simple eye for `_eye_disc`'s UVs: white, iris of 21 degrees, dark rim, pupil. The groom stage paints better."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    radius = np.hypot(axis[:, None], axis[None])[..., None]
    iris_radius = 21 / 90
    white = np.array([237.0, 235, 232]) * (1 - 0.18 * np.clip(radius, 0, 1) ** 2)
    rim = np.clip((radius / iris_radius - 0.78) / 0.22, 0, 1)
    disc = np.array(iris) * (1 - 0.65 * rim)
    disc = np.where(radius < 0.42 * iris_radius, 12.0, disc)
    mix = np.clip((iris_radius - radius) * size / 2 + 0.5, 0, 1)
    return np.round(white * (1 - mix) + disc * mix).astype(np.uint8)


def _gray(color: tuple[float, ...]) -> tuple[float, float, float, float]:
    red, green, blue = map(float, color[:3])
    return red, green, blue, 1.0


def base_avatar(
    shape: Mapping[str, float],
    *,
    name: str = "avatar",
    look: str = "studio",
    head_albedo: UInt8[np.ndarray, "t t 3"] | None = None,
    head_normal_map: UInt8[np.ndarray, "n n 3"] | None = None,
    head_uv_box: tuple[float, float, float, float] = HEAD_UV_BOX,
    skin: tuple[float, float, float] | None = None,
) -> Avatar:
    """A rigged, bald and bare character of this shape, in the body model's frame and relaxed pose.

    `head_albedo` and `head_normal_map` are a Likeness's maps of `head_uv_box`. `skin` is the body's sRGB colour in
    0..1; by default it continues the head texture's colour at the neck. Meshes: head, body, eye_left, eye_right, teeth,
    tongue, mouth, sockets, lashes; each carries those of the 52 ARKit morphs that move it. Head, body, mouth and
    sockets share vertices along their seams: same positions, normals, weights and morphs there.
    `about["ground_y"]` is where the soles are: the head keeps its place, so a tall person's soles are below 0.
    """
    model = load_body()
    shape = dict(shape)
    vertices = model.vertices(shape).astype(np.float32)
    skeleton = build_skeleton(_joint_places(model, shape, vertices))
    joints, weights = humanoid_weights(model)

    head, body = _head_and_body(model, head_uv_box)
    part = model.parts
    pieces = {
        "head": head,
        "body": body,
        "eye_left": _eye_disc(model, part["eye_left"], model.joint_heads[model.joint_names.index("eye.L")]),
        "eye_right": _eye_disc(model, part["eye_right"], model.joint_heads[model.joint_names.index("eye.R")]),
        "teeth": _merge(part["teeth_upper"], part["teeth_lower"]),
        "tongue": part["tongue"],
        "mouth": part["mouth_cavity"],
        "sockets": _merge(part["eye_socket_left"], part["eye_socket_right"]),
        "lashes": _merge(*(part[f"lashes_{row}_{side}"] for side in ("left", "right") for row in ("upper", "lower"))),
    }
    normals = vertex_normals(vertices, np.concatenate([piece.faces for piece in pieces.values()]))
    actions = model.names("action")
    moves = model.displacements(actions)

    textures: dict[str, np.ndarray] = {"eye": plain_eye_texture()}
    if head_albedo is not None:
        textures["head"] = head_albedo
    if head_normal_map is not None:
        textures["head_normal"] = head_normal_map
    if skin is None:
        skin = _neck_color(head, body, head_albedo) if head_albedo is not None else (0.80, 0.62, 0.53)
    materials = {
        "head": Material(
            "Head", "skin", (1.0,) * 4 if head_albedo is not None else _gray(skin),
            "head" if head_albedo is not None else None, "head_normal" if head_normal_map is not None else None,
        ),
        "body": Material("Body", "skin", _gray(skin)),
        "eye_left": Material("Eye", "eye", texture="eye", roughness=0.12),
        "eye_right": Material("Eye", "eye", texture="eye", roughness=0.12),
        "teeth": Material("Teeth", "teeth", (0.90, 0.87, 0.80, 1), roughness=0.35, double_sided=True),
        "tongue": Material("Tongue", "tongue", (0.66, 0.34, 0.33, 1), roughness=0.45),
        "mouth": Material("Mouth", "mouth", (0.28, 0.09, 0.08, 1), roughness=0.7, double_sided=True),
        "sockets": Material("Sockets", "mouth", (0.45, 0.22, 0.20, 1), roughness=0.7),
        "lashes": Material("Lashes", "lash", (0.08, 0.06, 0.05, 1), roughness=0.8, double_sided=True),
    }  # fmt: skip

    meshes = []
    for key, piece in pieces.items():
        source, uv, faces = split_at_seams(piece.faces, piece.uvs)
        moved = {name: Morph.from_dense(move[source]) for name, move in zip(actions, moves, strict=True)}
        mesh = AvatarMesh(
            name=key,
            positions=vertices[source],
            normals=normals[source],
            uvs=np.stack([uv[:, 0], 1 - uv[:, 1]], 1),
            faces=faces,
            joints=joints[source],
            weights=weights[source],
            material=materials[key],
            morphs={name: morph for name, morph in moved.items() if len(morph.index)},
            body_vertices=source,
        )
        meshes.append(mesh)
    used = np.concatenate([piece.faces.ravel() for piece in (head, body)])
    eyes = [skeleton.world_from_joint[JOINT_NAMES.index(f"{side}Eye"), :3, 3] for side in ("Left", "Right")]
    about = {
        "ground_y": float(vertices[used, 1].min()),
        "eye_distance": float(np.linalg.norm(eyes[0] - eyes[1])),
        "skin": [float(value) for value in skin],
    }
    return Avatar(name, skeleton, tuple(meshes), textures, look, about)


def _neck_color(head: Part, body: Part, albedo: np.ndarray) -> tuple[float, float, float]:
    """Median sRGB of the head texture along the edge that head and body share."""
    edge = np.isin(head.faces, np.intersect1d(head.faces, body.faces))
    uv = head.uvs[edge]
    size = np.array(albedo.shape[1::-1])
    column, row = np.clip((np.stack([uv[:, 0], 1 - uv[:, 1]], 1) * size).astype(int), 0, size - 1).T
    red, green, blue = (float(value) / 255 for value in np.median(albedo[row, column, :3], axis=0))
    return red, green, blue
