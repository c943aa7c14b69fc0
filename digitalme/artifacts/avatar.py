"""Avatar: a rigged character that stands on its own: skeleton, meshes, morph targets, materials, textures.

Renderers and exporters take an Avatar and never ask the body model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int32, UInt8

from digitalme.artifacts.files import read_json, read_npz, read_png, write_json, write_png

_NAME = re.compile(r"[\w .+-]{1,100}")
MATERIAL_KINDS = ("skin", "eye", "teeth", "tongue", "mouth", "lash", "hair", "cloth", "glass")


@dataclass(frozen=True)
class Material:
    """A glTF metallic-roughness material (metallic is 0), plus what our own renderers want to know."""

    name: str
    kind: str
    """One of MATERIAL_KINDS."""
    base_color: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """sRGB and alpha, multiplied with the texture."""
    texture: str | None = None
    """Key into Avatar.textures; (h, w, 3 or 4) uint8 sRGB, rows top-down."""
    normal_texture: str | None = None
    roughness: float = 0.6
    alpha_mode: str = "OPAQUE"
    """OPAQUE, MASK or BLEND, as in glTF."""
    alpha_cutoff: float = 0.5
    double_sided: bool = False


def with_alpha(
    color: Sequence[float] | Float[np.ndarray, "3"], alpha: float = 1.0
) -> tuple[float, float, float, float]:
    """A material's base colour."""
    red, green, blue = map(float, color)
    return red, green, blue, alpha


@dataclass(frozen=True)
class Morph:
    """A morph target stored sparsely: `delta` metres at weight 1 for the vertices `index`."""

    index: Int32[np.ndarray, "moved"]
    delta: Float32[np.ndarray, "moved 3"]

    @classmethod
    def from_dense(cls, delta: Float[np.ndarray, "vertices 3"], threshold: float = 1e-6) -> Morph:
        index = np.flatnonzero(np.abs(delta).max(1) > threshold).astype(np.int32)
        return cls(index, np.asarray(delta[index], np.float32))

    def dense(self, count: int) -> Float32[np.ndarray, "vertices 3"]:
        full = np.zeros((count, 3), np.float32)
        full[self.index] = self.delta
        return full


@dataclass(frozen=True)
class AvatarMesh:
    """One drawable: vertices already split at UV seams, one material."""

    name: str
    positions: Float32[np.ndarray, "v 3"]
    """Bind pose, world frame, metres."""
    normals: Float32[np.ndarray, "v 3"]
    uvs: Float32[np.ndarray, "v 2"]
    """glTF convention: (0, 0) is the top left corner of the picture."""
    faces: Int32[np.ndarray, "f 3"]
    """Counter-clockwise seen from outside."""
    joints: Int32[np.ndarray, "v 4"]
    weights: Float32[np.ndarray, "v 4"]
    """Sum to 1."""
    material: Material
    morphs: dict[str, Morph] = field(default_factory=dict)
    """Blendshape name to displacement: the 52 ARKit names, and whatever else moves this mesh."""
    body_vertices: Int32[np.ndarray, "v"] | None = None
    """The body model's vertex behind each vertex (-1: none); None where the mesh is not of the body's surface."""

    @property
    def body_ids(self) -> Int32[np.ndarray, "v"]:
        """`body_vertices`, all -1 where the mesh is not of the body's surface."""
        return np.full(len(self.positions), -1, np.int32) if self.body_vertices is None else self.body_vertices


@dataclass(frozen=True)
class Skeleton:
    """Joints in topological order: a parent comes before its children."""

    names: tuple[str, ...]
    parents: Int32[np.ndarray, "j"]
    """-1 for the root."""
    world_from_joint: Float32[np.ndarray, "j 4 4"]
    """Bind pose."""


@dataclass(frozen=True)
class Clip:
    """A skeletal animation of an avatar: rotations of some joints over time (idle, the performance's head)."""

    name: str
    rate: float
    rotations: dict[str, Float32[np.ndarray, "frames 4"]]
    """Joint name to local rotation relative to the bind pose, quaternions (x, y, z, w)."""


@dataclass(frozen=True)
class Avatar:
    """A character. `look` says how it is meant to be shaded: "photo" / "studio" (physically based) or "moe" (toon)."""

    name: str
    skeleton: Skeleton
    meshes: tuple[AvatarMesh, ...]
    textures: dict[str, UInt8[np.ndarray, "h w c"]]
    look: str = "studio"
    about: dict = field(default_factory=dict)
    """Facts worth keeping: colours, hair style, eye distance in metres, consent."""

    def mesh(self, name: str) -> AvatarMesh:
        return next(mesh for mesh in self.meshes if mesh.name == name)

    def save(self, folder: Path) -> None:
        for key, texture in self.textures.items():
            write_png(folder / f"texture_{key}.png", texture)
        listing = []
        for mesh in self.meshes:
            morph_names = list(mesh.morphs)
            index = [mesh.morphs[n].index for n in morph_names]
            arrays = {
                "positions": mesh.positions, "normals": mesh.normals, "uvs": mesh.uvs, "faces": mesh.faces,
                "joints": mesh.joints.astype(np.uint8), "weights": mesh.weights,
                "morph_start": np.cumsum([0, *map(len, index)]),
                "morph_index": np.concatenate(index) if index else np.zeros(0, np.int32),
                "morph_delta": np.concatenate([mesh.morphs[n].delta for n in morph_names])
                if index else np.zeros((0, 3), np.float32),
            }  # fmt: skip
            if mesh.body_vertices is not None:
                arrays["body_vertices"] = mesh.body_vertices
            np.savez(folder / f"mesh_{mesh.name}.npz", **arrays)
            listing.append({"name": mesh.name, "material": vars(mesh.material), "morphs": morph_names})
        skeleton = {
            "names": self.skeleton.names, "parents": self.skeleton.parents,
            "world_from_joint": self.skeleton.world_from_joint,
        }  # fmt: skip
        about = {"name": self.name, "look": self.look, "skeleton": skeleton, "meshes": listing, "about": self.about}
        write_json(folder / "avatar.json", {**about, "textures": list(self.textures)})

    @classmethod
    def load(cls, folder: Path) -> Avatar:
        about = read_json(folder / "avatar.json")
        meshes = []
        for entry in about["meshes"]:
            material = entry["material"]
            material["base_color"] = tuple(material["base_color"])
            data = read_npz(folder / f"mesh_{_file_part(entry['name'])}.npz")
            start, index, delta = data["morph_start"], data["morph_index"], data["morph_delta"]
            morphs = {
                name: Morph(index[a:b], delta[a:b])
                for name, a, b in zip(entry["morphs"], start[:-1], start[1:], strict=True)
            }
            meshes.append(
                AvatarMesh(
                    entry["name"],
                    data["positions"],
                    data["normals"],
                    data["uvs"],
                    data["faces"],
                    data["joints"].astype(np.int32),
                    data["weights"],
                    Material(**material),
                    morphs,
                    data.get("body_vertices"),
                )
            )
        bones = about["skeleton"]
        skeleton = Skeleton(
            tuple(bones["names"]),
            np.array(bones["parents"], np.int32),
            np.array(bones["world_from_joint"], np.float32),
        )
        textures = {key: read_png(folder / f"texture_{_file_part(key)}.png") for key in about["textures"]}
        return cls(about["name"], skeleton, tuple(meshes), textures, about["look"], about["about"])

    def preview(self) -> UInt8[np.ndarray, "h w 3"]:
        """Head and shoulders, front and three-quarter, by the CPU renderer."""
        from digitalme.rendering.preview import avatar_preview  # rendering stands above artifacts

        return avatar_preview(self)


def _file_part(name: object) -> str:
    """A name out of an avatar.json that becomes part of a file's name: it must not lead to another folder."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a mesh or texture")
    return name
