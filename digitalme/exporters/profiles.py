"""Names that other programs expect: Ready Player Me's and Mixamo's bones and meshes, and the morphs besides ARKit's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from digitalme.artifacts import Avatar, AvatarMesh, Morph
from digitalme.body.visemes import VISEMES, arkit_weights

_MESH_NAMES = {
    "head": "Wolf3D_Head", "body": "Wolf3D_Body", "teeth": "Wolf3D_Teeth",
    "eye_left": "EyeLeft", "eye_right": "EyeRight",
    "hair": "Wolf3D_Hair", "glasses": "Wolf3D_Glasses", "beard": "Wolf3D_Beard",
    "tshirt": "Wolf3D_Outfit_Top", "hoodie": "Wolf3D_Outfit_Top", "dress": "Wolf3D_Outfit_Top",
    "trousers": "Wolf3D_Outfit_Bottom", "skirt": "Wolf3D_Outfit_Bottom", "shoes": "Wolf3D_Outfit_Footwear",
}  # fmt: skip


def mesh_name(name: str) -> str:
    """Ready Player Me's name for one of our meshes; for others one in the same style. A `_LOD1` behind it stays."""
    name, level, number = name.partition("_LOD")
    known = _MESH_NAMES.get(name) or "Wolf3D_" + "_".join(word.capitalize() for word in name.split("_"))
    return known + level + number


def bone_name(name: str, profile: str) -> str:
    return f"mixamorig:{name}" if profile == "mixamo" else name


def _both(**weights: float) -> dict[str, float]:
    """The same weight for the left and the right of each name."""
    return {f"{name}{side}": weight for name, weight in weights.items() for side in ("Left", "Right")}


EXTRAS: dict[str, dict[str, float]] = {
    "mouthOpen": {"jawOpen": 0.5},
    "mouthSmile": _both(mouthSmile=0.8),
    "eyesClosed": _both(eyeBlink=1.0),
    "eyesLookUp": _both(eyeLookUp=1.0),
    "eyesLookDown": _both(eyeLookDown=1.0),
}
"""Ready Player Me's further morphs as ARKit weights."""

MIXES = {f"viseme_{name}": arkit_weights(name) for name in VISEMES} | EXTRAS
"""The 20 morphs that every export carries besides the 52 of ARKit."""


def mixed_morph(mesh: AvatarMesh, mix: dict[str, float]) -> Morph:
    """The displacement of a combination of a mesh's morphs; morphs that the mesh lacks move nothing."""
    total = np.zeros_like(mesh.positions)
    for name, weight in mix.items():
        if name in mesh.morphs:
            total[mesh.morphs[name].index] += weight * mesh.morphs[name].delta
    return Morph.from_dense(total)


def with_speech_morphs(avatar: Avatar) -> Avatar:
    """The avatar with the morphs of `MIXES` on every mesh that they move, and every name on the head."""
    actions = {name for mesh in avatar.meshes for name in mesh.morphs if name not in MIXES}
    meshes = []
    for mesh in avatar.meshes:
        mixed = {name: mesh.morphs.get(name) or mixed_morph(mesh, mix) for name, mix in MIXES.items()}
        if mesh.name == "head":
            still = Morph(np.zeros(0, np.int32), np.zeros((0, 3), np.float32))
            own = {name: mesh.morphs.get(name, still) for name in sorted(actions | mesh.morphs.keys() - MIXES.keys())}
            morphs = own | mixed
        else:
            own = {name: mesh.morphs[name] for name in sorted(mesh.morphs.keys() - MIXES.keys())}
            morphs = own | {name: morph for name, morph in mixed.items() if len(morph.index)}
        meshes.append(replace(mesh, morphs=morphs))
    return replace(avatar, meshes=tuple(meshes))
