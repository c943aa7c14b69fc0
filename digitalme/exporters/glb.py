"""Binary glTF 2.0: a rigged avatar with morph targets, textures and its performance in one file, and back.

What glTF has no word for (what a mesh is, how the avatar is meant to be shaded) goes into `extras` and is read back.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image
from scipy.spatial.transform import Rotation

from digitalme.artifacts import Avatar, AvatarMesh, Clip, Material, Morph, Performance, Skeleton
from digitalme.errors import InputError
from digitalme.exporters import draco, meshopt
from digitalme.exporters.options import DEFAULT, ExportConfig
from digitalme.exporters.pose import head_clip, idle_clip, local_from_world, pose_clip, stand
from digitalme.exporters.profiles import bone_name, mesh_name, with_speech_morphs
from digitalme.rendering.pose import Rig
from digitalme.spaces import linear_to_srgb, srgb_to_linear

_FLOAT, _USHORT, _UINT, _UBYTE = 5126, 5123, 5125, 5121
_COMPONENTS = {
    _FLOAT: np.float32,
    _USHORT: np.uint16,
    _UINT: np.uint32,
    _UBYTE: np.uint8,
    5120: np.int8,
    5122: np.int16,
}
_WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


LARGEST_COUNT = 20_000_000
"""Elements of an accessor that is read."""
LARGEST_DECODED = 1 << 29
"""Bytes that a GLB may take when it is read and unpacked."""
_BROKEN = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RecursionError,
    SyntaxError, TypeError, ValueError, struct.error, np.linalg.LinAlgError, Image.DecompressionBombError,
)  # fmt: skip
"""What a reader of damaged data may raise."""


class Chunk:
    """The binary part of a GLB and the JSON that points into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict] = []
        self.accessors: list[dict] = []
        self._zeros: int | None = None

    def view(self, data: bytes, target: int | None = None) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        view: dict = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.views.append(view | ({"target": target} if target else {}))
        self.data += data
        return len(self.views) - 1

    def add(
        self, values: np.ndarray, kind: str, target: int | None = None, bounds: bool = False, normalized: bool = False
    ) -> int:
        """An accessor of these values, (n,) or (n, width). `bounds` adds the min and max that positions must have."""
        values = np.ascontiguousarray(values)
        component = next(code for code, dtype in _COMPONENTS.items() if values.dtype == dtype)
        accessor: dict = {"bufferView": self.view(values.tobytes(), target), "componentType": component}
        accessor |= {"count": len(values), "type": kind}
        if normalized:
            accessor["normalized"] = True
        return self._append(accessor, values if bounds else None)

    def add_morph(self, morph: Morph, count: int) -> int:
        """A displacement accessor; sparse where that takes less room.

        A sparse accessor without a view means zeros by the specification, but view 0 to Godot 3: so all share one view
        of zeros.
        """
        if len(morph.index) > 0.75 * count:
            return self.add(morph.dense(count), "VEC3", 34962, bounds=True)
        index = morph.index if len(morph.index) else np.zeros(1, np.int32)
        delta = morph.delta if len(morph.index) else np.zeros((1, 3), np.float32)
        small = np.uint16 if count <= 65535 else np.uint32
        sparse = {
            "count": len(index),
            "indices": {"bufferView": self.view(index.astype(small).tobytes()),
                        "componentType": _USHORT if small is np.uint16 else _UINT},
            "values": {"bufferView": self.view(np.ascontiguousarray(delta, np.float32).tobytes())},
        }  # fmt: skip
        accessor = {"bufferView": self._zero_view(count), "componentType": _FLOAT, "count": count, "type": "VEC3"}
        accessor["sparse"] = sparse
        return self._append(accessor, np.vstack([delta, np.zeros((1, 3), np.float32)]) if len(index) < count else delta)

    def _zero_view(self, count: int) -> int:
        """A view of at least `count` zero vectors."""
        if self._zeros is None or self.views[self._zeros]["byteLength"] < 12 * count:
            self._zeros = self.view(bytes(12 * count), 34962)
            self.views[self._zeros]["byteStride"] = 12
        return self._zeros

    def _append(self, accessor: dict, bounded: np.ndarray | None) -> int:
        if bounded is not None:
            low, high = np.atleast_1d(bounded.min(0)), np.atleast_1d(bounded.max(0))
            accessor |= {"min": [float(x) for x in low], "max": [float(x) for x in high]}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_glb(
    avatar: Avatar,
    performance: Performance | None,
    path: Path,
    config: ExportConfig = DEFAULT,
) -> None:
    """Write `avatar` as a GLB that loads wherever a Ready Player Me avatar does.

    It stands on the ground in `config.pose`, carries 52 ARKit morphs, 15 visemes and 5 extras on every mesh that they
    move, and the clips "performance" (where one is given), "idle" and "T-pose".
    """
    ready = with_speech_morphs(stand(avatar, config.pose))
    clips = [idle_clip(), pose_clip(ready, "T")]
    document, data = to_gltf(ready, config, clips, performance)
    if config.compress == "meshopt":
        document, data = meshopt.compress(document, data)
    elif config.compress == "draco":
        document, data = draco.compress(document, data)
    write_glb_file(path, document, data)


def to_gltf(
    avatar: Avatar, config: ExportConfig, clips: Iterable[Clip], performance: Performance | None = None
) -> tuple[dict, bytes]:
    """The glTF JSON and its binary buffer for an avatar as it is: no pose is changed, no morph added.

    Nodes: 0 is "Armature", then the skeleton's joints in order, then the meshes. Skinned meshes are children of the
    scene and not of "Armature", as the specification advises; the scene is called "Armature" too, so that a program
    that looks that name up from the top finds joints and meshes below it, as in a Ready Player Me file.
    """
    chunk = Chunk()
    images, textures, extensions = [], [], set()
    texture_index: dict[str, int] = {}
    blended = {m.material.texture for m in avatar.meshes if m.material.alpha_mode != "OPAQUE"}
    for key, picture in avatar.textures.items():
        keep_alpha = key in blended and picture.ndim == 3 and picture.shape[2] == 4
        image_format = "png" if keep_alpha and config.image_format == "jpeg" else config.image_format
        data = encode_picture(picture if keep_alpha else picture[..., :3], image_format, config.texture_size)
        images.append({"name": key, "mimeType": f"image/{image_format}", "bufferView": chunk.view(data)})
        if image_format == "webp":
            extensions.add("EXT_texture_webp")
            textures.append({"sampler": 0, "extensions": {"EXT_texture_webp": {"source": len(images) - 1}}})
        else:
            textures.append({"sampler": 0, "source": len(images) - 1})
        texture_index[key] = len(textures) - 1

    materials: list[dict] = []
    material_index: dict[Material, int] = {}
    for mesh in avatar.meshes:
        if mesh.material not in material_index:
            material_index[mesh.material] = len(materials)
            materials.append(_material(mesh.material, texture_index))

    skeleton = avatar.skeleton
    local = local_from_world(skeleton, skeleton.world_from_joint)
    first_joint, first_mesh = 1, 1 + len(skeleton.names)
    nodes: list[dict] = [
        {"name": "Armature", "children": [first_joint + i for i in np.flatnonzero(skeleton.parents < 0)]}
    ]
    nodes[0]["children"] = [int(i) for i in nodes[0]["children"]]
    for i, name in enumerate(skeleton.names):
        node = {"name": bone_name(name, config.profile)} | transform(local[i])
        children = [first_joint + int(child) for child in np.flatnonzero(skeleton.parents == i)]
        nodes.append(node | ({"children": children} if children else {}))
    inverse = np.linalg.inv(skeleton.world_from_joint.astype(np.float64)).astype(np.float32)
    inverse[:, 3] = [0, 0, 0, 1]
    skin = {
        "inverseBindMatrices": chunk.add(np.swapaxes(inverse, 1, 2).reshape(-1, 16), "MAT4"),
        "joints": list(range(first_joint, first_mesh)),
        "skeleton": first_joint + int(np.flatnonzero(skeleton.parents < 0)[0]),
    }

    turned = morph_normals(avatar) if config.morph_normals and avatar.look != "moe" else {}
    meshes = []
    for number, mesh in enumerate(avatar.meshes):
        meshes.append(_mesh(chunk, mesh, material_index[mesh.material], turned.get(mesh.name, {})))
        nodes.append({"name": meshes[-1]["name"], "mesh": number, "skin": 0})

    joint_node = {name: first_joint + i for i, name in enumerate(skeleton.names)}
    animations = []
    if performance is not None and performance.frames:
        shown = first_seconds(performance, config.clip_seconds)
        animations.append(joint_animation(chunk, head_clip(shown, config.clip_rate), skeleton, joint_node))
        _add_weights(chunk, animations[0], avatar.meshes, first_mesh, shown, config.clip_rate)
    animations += [joint_animation(chunk, clip, skeleton, joint_node) for clip in clips]

    about = {"name": avatar.name, "look": avatar.look, "about": avatar.about}
    document = {
        "asset": {"version": "2.0", "generator": "digitalme"}
        | ({"extras": {"consent_sha256": config.consent}} if config.consent else {}),
        "scene": 0,
        "scenes": [{"name": "Armature", "nodes": [0, *range(first_mesh, len(nodes))], "extras": {"digitalme": about}}],
        "nodes": nodes,
        "meshes": meshes,
        "skins": [skin],
        "materials": materials,
        "animations": [a for a in animations if a["channels"]],
        "accessors": chunk.accessors,
        "bufferViews": chunk.views,
    }
    if images:
        sampler = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
        document |= {"images": images, "textures": textures, "samplers": [sampler]}
    if any("KHR_materials_unlit" in m.get("extensions", {}) for m in materials):
        extensions.add("KHR_materials_unlit")
    if extensions:
        document["extensionsUsed"] = sorted(extensions)
    if "EXT_texture_webp" in extensions:
        document["extensionsRequired"] = ["EXT_texture_webp"]
    return document, bytes(chunk.data)


def first_seconds(performance: Performance, seconds: float) -> Performance:
    count = max(1, round(seconds * performance.rate))
    curves = {name: curve[:count] for name, curve in performance.curves.items()}
    return Performance(performance.rate, curves, performance.head[:count], {})


def encode_picture(picture: np.ndarray, image_format: str, size: int) -> bytes:
    scale = size / max(picture.shape[:2])
    if scale < 1:
        shape = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        picture = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)
    out = io.BytesIO()
    keywords = {"jpeg": {"quality": 92, "subsampling": 0}, "webp": {"quality": 88, "method": 3},
                "png": {"compress_level": 6}}[image_format]  # fmt: skip
    Image.fromarray(picture).save(out, image_format, **keywords)
    return out.getvalue()


def _material(material: Material, texture_index: dict[str, int]) -> dict:
    red, green, blue = (float(x) for x in srgb_to_linear(np.array(material.base_color[:3])))
    surface: dict = {
        "baseColorFactor": [red, green, blue, float(material.base_color[3])],
        "metallicFactor": 0.0,
        "roughnessFactor": float(material.roughness),
    }
    if material.texture is not None:
        surface["baseColorTexture"] = {"index": texture_index[material.texture]}
    out: dict = {"name": material.name, "pbrMetallicRoughness": surface}
    if material.normal_texture is not None:
        out["normalTexture"] = {"index": texture_index[material.normal_texture]}
    if material.alpha_mode != "OPAQUE":
        out["alphaMode"] = material.alpha_mode
    if material.alpha_mode == "MASK":
        out["alphaCutoff"] = float(material.alpha_cutoff)
    if material.double_sided:
        out["doubleSided"] = True
    return out | {"extras": {"digitalme": {"kind": material.kind}}}


def transform(matrix: np.ndarray) -> dict:
    """Translation and rotation of a rigid matrix, identity left out."""
    out = {}
    if np.abs(matrix[:3, 3]).max() > 1e-9:
        out["translation"] = [float(x) for x in matrix[:3, 3]]
    x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat()
    if abs(w) < 1 - 1e-12:
        out["rotation"] = [float(x), float(y), float(z), float(w)]
    return out


def morph_normals(avatar: Avatar) -> dict[str, dict[str, Morph]]:
    """By mesh and morph, the change of the unit normals at weight 1; changes too small to be seen are left out."""
    rig = Rig(avatar)
    still = rig.pose({})
    found: dict[str, dict[str, Morph]] = {mesh.name: {} for mesh in avatar.meshes}
    for name in rig.morph_names:
        for mesh, before, after in zip(avatar.meshes, still, rig.pose({name: 1.0}), strict=True):
            if name in mesh.morphs:
                found[mesh.name][name] = Morph.from_dense(after.normals - before.normals, 1 / 128)
    return found


def _mesh(chunk: Chunk, mesh: AvatarMesh, material: int, turned: dict[str, Morph]) -> dict:
    count = len(mesh.positions)
    weights = np.round(mesh.weights * 65535).astype(np.int64)
    weights[np.arange(count), weights.argmax(1)] += 65535 - weights.sum(1)  # the validator wants the sum exact
    joints = np.where(weights > 0, mesh.joints, 0).astype(np.uint8)
    attributes = {
        "POSITION": chunk.add(mesh.positions.astype(np.float32), "VEC3", 34962, bounds=True),
        "NORMAL": chunk.add(mesh.normals.astype(np.float32), "VEC3", 34962),
        "TEXCOORD_0": chunk.add(mesh.uvs.astype(np.float32), "VEC2", 34962),
        "JOINTS_0": chunk.add(joints, "VEC4", 34962),
        "WEIGHTS_0": chunk.add(weights.astype(np.uint16), "VEC4", 34962, normalized=True),
    }
    if mesh.material.normal_texture is not None:
        attributes["TANGENT"] = chunk.add(tangents(mesh), "VEC4", 34962)
    faces = mesh.faces.reshape(-1).astype(np.uint16 if count <= 65535 else np.uint32)
    primitive = {"attributes": attributes, "indices": chunk.add(faces, "SCALAR", 34963), "material": material}
    out: dict = {"name": mesh_name(mesh.name), "primitives": [primitive], "extras": {"digitalme": {"name": mesh.name}}}
    if mesh.morphs:
        primitive["targets"] = [{"POSITION": chunk.add_morph(morph, count)} for morph in mesh.morphs.values()]
        for target, name in zip(primitive["targets"], mesh.morphs, strict=True):
            if name in turned:
                target["NORMAL"] = chunk.add_morph(turned[name], count)
        out["weights"] = [0.0] * len(mesh.morphs)
        out["extras"]["targetNames"] = list(mesh.morphs)
    return out


def tangents(mesh: AvatarMesh) -> Float32[np.ndarray, "v 4"]:
    """Unit tangents along +u, and in w the side of the bitangent (+1: along the picture's up). Lengyel's method."""
    a, b, c = (mesh.faces[:, i] for i in range(3))
    edge1, edge2 = mesh.positions[b] - mesh.positions[a], mesh.positions[c] - mesh.positions[a]
    (u1, v1), (u2, v2) = (mesh.uvs[b] - mesh.uvs[a]).T, (mesh.uvs[c] - mesh.uvs[a]).T
    area = u1 * v2 - u2 * v1
    along = (edge1 * v2[:, None] - edge2 * v1[:, None]) * np.sign(area)[:, None]  # weighted by the uv triangle's size
    upward = (edge1 * u2[:, None] - edge2 * u1[:, None]) * np.sign(area)[:, None]  # glTF's v runs down
    tangent, bitangent = np.zeros((2, *mesh.positions.shape))
    for corner in (a, b, c):
        np.add.at(tangent, corner, along)
        np.add.at(bitangent, corner, upward)
    normal = mesh.normals.astype(np.float64)
    tangent -= normal * (tangent * normal).sum(1, keepdims=True)
    length = np.linalg.norm(tangent, axis=1, keepdims=True)
    spare = np.cross(normal, np.where(np.abs(normal[:, :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    spare /= np.linalg.norm(spare, axis=1, keepdims=True)
    tangent = np.where(length > 1e-12, tangent / np.maximum(length, 1e-12), spare)
    side = np.where((np.cross(normal, tangent) * bitangent).sum(1) < 0, -1.0, 1.0)
    return np.column_stack([tangent, side]).astype(np.float32)


def joint_animation(chunk: Chunk, clip: Clip, skeleton: Skeleton, joint_node: dict[str, int]) -> dict:
    """A clip's joint rotations as a glTF animation. All samplers share the first one's input."""
    local = local_from_world(skeleton, skeleton.world_from_joint)
    frames = len(next(iter(clip.rotations.values())))
    times = chunk.add((np.arange(frames) / clip.rate).astype(np.float32), "SCALAR", bounds=True)
    out: dict = {"name": clip.name, "samplers": [], "channels": []}
    for joint, rotations in clip.rotations.items():
        bind = Rotation.from_matrix(local[skeleton.names.index(joint), :3, :3])
        turned = (bind * Rotation.from_quat(rotations)).as_quat()
        turned = np.where((turned * bind.as_quat()).sum(1, keepdims=True) < 0, -turned, turned)
        add_channel(out, joint_node[joint], "rotation", times, chunk.add(turned.astype(np.float32), "VEC4"))
    return out


def add_channel(out: dict, node: int, path: str, times: int, values: int) -> None:
    out["channels"].append({"sampler": len(out["samplers"]), "target": {"node": node, "path": path}})
    out["samplers"].append({"input": times, "output": values, "interpolation": "LINEAR"})


def _add_weights(
    chunk: Chunk, out: dict, meshes: tuple[AvatarMesh, ...], first_mesh: int, performance: Performance, rate: float
) -> None:
    """A channel of morph weights for each mesh that the performance moves, on the times of the animation `out`."""
    times = out["samplers"][0]["input"]
    grid = np.arange(chunk.accessors[times]["count"]) / rate
    own = np.arange(performance.frames) / performance.rate
    curves = {n: np.interp(grid, own, curve) for n, curve in performance.curves.items() if np.abs(curve).max() > 1e-4}
    for number, mesh in enumerate(meshes):
        if curves.keys() & mesh.morphs.keys():
            still = np.zeros(len(grid))
            table = np.stack([curves.get(name, still) for name in mesh.morphs], 1).astype(np.float32)
            add_channel(out, first_mesh + number, "weights", times, chunk.add(table.reshape(-1), "SCALAR"))


def write_glb_file(path: Path, document: dict, data: bytes) -> None:
    """Put the JSON and the buffer into one GLB container."""
    data += b"\0" * (-len(data) % 4)
    document = document | {"buffers": [{"byteLength": len(data)}, *document.get("buffers", [])[1:]]}
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(data)
    head = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
    path.write_bytes(head + text + struct.pack("<I4s", len(data), b"BIN\0") + data)


def read_glb_file(path: Path) -> tuple[dict, bytes]:
    """The JSON and the buffer of a GLB container."""
    raw = path.read_bytes()
    if len(raw) < 20 or raw[:4] != b"glTF":
        raise InputError(f"{path}: not a GLB file; expected one that digitalme or another glTF 2.0 program wrote")
    _, version, total = struct.unpack_from("<4sII", raw)
    if version != 2 or total != len(raw):
        raise InputError(f"{path}: a damaged GLB (version {version}, {len(raw)} bytes of {total}); export it again")
    length = struct.unpack_from("<I", raw, 12)[0]
    try:
        document = json.loads(raw[20 : 20 + length])
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: a damaged GLB (its JSON: {error}); export it again") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: a damaged GLB (its JSON is no object); export it again")
    return document, raw[20 + length + 8 :]


def read_accessor(document: dict, data: bytes, index: int) -> np.ndarray:
    """Values of an accessor, (n, width) or (n,) for scalars; normalised integers become floats."""
    accessor = document["accessors"][index]
    if not 0 <= accessor["count"] <= LARGEST_COUNT:
        raise ValueError(f"an accessor of {accessor['count']} elements")
    dtype, width = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTH[accessor["type"]]

    def read(view: int, count: int, kind: np.dtype, columns: int, offset: int = 0) -> np.ndarray:
        entry = document["bufferViews"][view]
        start = entry.get("byteOffset", 0) + offset
        step = entry.get("byteStride", kind.itemsize * columns)
        return np.ndarray((count, columns), kind, data, start, (step, kind.itemsize)).copy()

    if "bufferView" in accessor:
        values = read(accessor["bufferView"], accessor["count"], dtype, width, accessor.get("byteOffset", 0))
    else:
        values = np.zeros((accessor["count"], width), dtype)
    if sparse := accessor.get("sparse"):
        where, what = sparse["indices"], sparse["values"]
        rows = read(
            where["bufferView"],
            sparse["count"],
            np.dtype(_COMPONENTS[where["componentType"]]),
            1,
            where.get("byteOffset", 0),
        )
        values[rows[:, 0]] = read(what["bufferView"], sparse["count"], dtype, width, what.get("byteOffset", 0))
    if accessor.get("normalized"):
        values = np.maximum(values.astype(np.float32) / float(np.iinfo(dtype.name).max), -1)
    return values[:, 0] if width == 1 else values


def read_textures(path: Path) -> list[UInt8[np.ndarray, "h w 3"]]:
    """The pictures in a GLB or VRM of any program, as RGB. Raises InputError where it is damaged."""
    document, data = read_glb_file(path)
    pictures, budget = [], LARGEST_DECODED
    try:
        for image in document.get("images", []):
            view = document["bufferViews"][image["bufferView"]]
            start = view.get("byteOffset", 0)
            picture = Image.open(io.BytesIO(data[start : start + view["byteLength"]]))
            budget -= picture.width * picture.height * 4
            if budget < 0:
                raise InputError(f"{path}: textures of more than {LARGEST_DECODED // 2**20} MB when unpacked")
            pictures.append(np.array(picture.convert("RGB")))
    except _BROKEN as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: a damaged GLB ({' '.join(what.split())[:200]}); export it again") from None
    return pictures


def read_glb(path: Path) -> Avatar:
    """The avatar in a GLB that digitalme wrote, as the file has it (standing, posed, with all its morphs).

    Raises InputError where the file holds no skinned mesh.
    """
    document, data = read_glb_file(path)
    if not document.get("skins"):
        raise InputError(f"{path}: holds no skeleton; expected an avatar's GLB")
    try:
        return _avatar_of(document, data, path.stem)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except _BROKEN as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: a damaged GLB ({' '.join(what.split())[:200]}); export it again") from None


def _avatar_of(document: dict, data: bytes, stem: str) -> Avatar:
    budget = LARGEST_DECODED

    def spend(size: int) -> None:
        nonlocal budget
        budget -= abs(size)
        if budget < 0:
            raise InputError(f"more than {LARGEST_DECODED // 2**20} MB when unpacked; expected an avatar")

    def read(index: int) -> np.ndarray:
        values = read_accessor(document, data, index)
        spend(values.nbytes)
        return values

    packing = document.get("extensionsRequired", [])
    if meshopt.NAME in packing:
        for view in document["bufferViews"]:
            if packed := view.get("extensions", {}).get(meshopt.NAME):
                spend(packed["count"] * packed["byteStride"])
        document, data = meshopt.expand(document, data)
    if draco.NAME in packing:
        document, data = draco.expand(document, data)

    nodes, skin = document["nodes"], document["skins"][0]
    parent_of = {child: i for i, node in enumerate(nodes) for child in node.get("children", [])}
    row = {node: i for i, node in enumerate(skin["joints"])}
    parents = np.array([row.get(parent_of.get(node), -1) for node in skin["joints"]], np.int32)
    matrices = read(skin["inverseBindMatrices"])
    if len(matrices) != len(skin["joints"]):
        raise InputError(f"{len(matrices)} bind matrices for {len(skin['joints'])} joints")
    inverse = np.swapaxes(matrices.reshape(-1, 4, 4), 1, 2)
    names = tuple(nodes[node]["name"].removeprefix("mixamorig:") for node in skin["joints"])
    skeleton = Skeleton(names, parents, np.linalg.inv(inverse.astype(np.float64)).astype(np.float32))

    textures = {}
    for number, image in enumerate(document.get("images", [])):
        view = document["bufferViews"][image["bufferView"]]
        start = view.get("byteOffset", 0)
        picture = Image.open(io.BytesIO(data[start : start + view["byteLength"]]))
        spend(picture.width * picture.height * 4)
        textures[image.get("name", f"image_{number}")] = np.asarray(picture)
    keys = list(textures)

    def texture_key(reference: dict | None) -> str | None:
        if reference is None:
            return None
        texture = document["textures"][reference["index"]]
        return keys[texture.get("extensions", {}).get("EXT_texture_webp", texture)["source"]]

    meshes = []
    for node in nodes:
        if "mesh" not in node or "skin" not in node:
            continue
        mesh = document["meshes"][node["mesh"]]
        primitive, extras = mesh["primitives"][0], mesh.get("extras", {})
        attributes = {name: read(index) for name, index in primitive["attributes"].items()}
        targets = [read(target["POSITION"]) for target in primitive.get("targets", [])]
        about = document["materials"][primitive["material"]]
        surface = about["pbrMetallicRoughness"]
        factor = surface.get("baseColorFactor", [1.0] * 4)
        material = Material(
            name=about.get("name", ""),
            kind=about.get("extras", {}).get("digitalme", {}).get("kind", "skin"),
            base_color=(*(float(x) for x in linear_to_srgb(np.array(factor[:3]))), factor[3]),
            texture=texture_key(surface.get("baseColorTexture")),
            normal_texture=texture_key(about.get("normalTexture")),
            roughness=surface.get("roughnessFactor", 1.0),
            alpha_mode=about.get("alphaMode", "OPAQUE"),
            alpha_cutoff=about.get("alphaCutoff", 0.5),
            double_sided=about.get("doubleSided", False),
        )
        weights = attributes["WEIGHTS_0"].astype(np.float32)
        meshes.append(
            AvatarMesh(
                name=extras.get("digitalme", {}).get("name", node.get("name", mesh.get("name", ""))),
                positions=attributes["POSITION"],
                normals=attributes["NORMAL"],
                uvs=attributes["TEXCOORD_0"],
                faces=read(primitive["indices"]).reshape(-1, 3).astype(np.int32),
                joints=attributes["JOINTS_0"].astype(np.int32),
                weights=weights / weights.sum(1, keepdims=True),
                material=material,
                morphs={
                    name: Morph.from_dense(delta, 0)
                    for name, delta in zip(extras.get("targetNames", []), targets, strict=True)
                },
            )
        )
    about = document["scenes"][0].get("extras", {}).get("digitalme", {})
    return Avatar(
        about.get("name", stem),
        skeleton,
        tuple(meshes),
        textures,
        about.get("look", "studio"),
        about.get("about", {}),
    )
