"""Names that other programs expect: Ready Player Me's and Mixamo's bones and meshes, and the morphs besides ARKit's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from digitalme.artifacts import Avatar, AvatarMesh, Morph

_MESH_NAMES = {"head": "Wolf3D_Head", "body": "Wolf3D_Body", "teeth": "Wolf3D_Teeth", "eye_left": "EyeLeft",
               "eye_right": "EyeRight", "hair": "Wolf3D_Hair", "glasses": "Wolf3D_Glasses",
               "beard": "Wolf3D_Beard", "headwear": "Wolf3D_Headwear",
               "garment": "Wolf3D_Outfit_Top", "top": "Wolf3D_Outfit_Top", "shirt": "Wolf3D_Outfit_Top",
               "bottom": "Wolf3D_Outfit_Bottom", "trousers": "Wolf3D_Outfit_Bottom",
               "shoes": "Wolf3D_Outfit_Footwear"}  # fmt: skip


def mesh_name(name: str) -> str:
    """Ready Player Me's name for one of our meshes; for others one in the same style."""
    return _MESH_NAMES.get(name) or "Wolf3D_" + "_".join(word.capitalize() for word in name.split("_"))


def bone_name(name: str, profile: str) -> str:
    return f"mixamorig:{name}" if profile == "mixamo" else name


def _both(**weights: float) -> dict[str, float]:
    """The same weight for the left and the right of each name."""
    return {f"{name}{side}": weight for name, weight in weights.items() for side in ("Left", "Right")}


VISEMES: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"mouthRollLower": 0.25, "mouthRollUpper": 0.2} | _both(mouthPress=0.45),
    "FF": {"mouthRollLower": 0.6, "jawOpen": 0.06} | _both(mouthUpperUp=0.28),
    "TH": {"jawOpen": 0.18, "tongueOut": 0.3} | _both(mouthLowerDown=0.16),
    "DD": {"jawOpen": 0.15} | _both(mouthLowerDown=0.2, mouthUpperUp=0.07, mouthStretch=0.07),
    "kk": {"jawOpen": 0.22} | _both(mouthLowerDown=0.12),
    "CH": {"mouthFunnel": 0.55, "mouthPucker": 0.2, "jawOpen": 0.12} | _both(mouthLowerDown=0.12),
    "SS": {"jawOpen": 0.07} | _both(mouthStretch=0.26, mouthSmile=0.12, mouthLowerDown=0.23, mouthUpperUp=0.08),
    "nn": {"jawOpen": 0.15} | _both(mouthLowerDown=0.15),
    "RR": {"mouthFunnel": 0.36, "mouthPucker": 0.3, "jawOpen": 0.15},
    "aa": {"jawOpen": 0.5} | _both(mouthLowerDown=0.26, mouthUpperUp=0.12),
    "E": {"jawOpen": 0.32} | _both(mouthStretch=0.2, mouthSmile=0.14, mouthLowerDown=0.2),
    "I": {"jawOpen": 0.19} | _both(mouthSmile=0.26, mouthStretch=0.23, mouthLowerDown=0.17),
    "O": {"jawOpen": 0.4, "mouthFunnel": 0.5, "mouthPucker": 0.36},
    "U": {"jawOpen": 0.17, "mouthPucker": 0.7, "mouthFunnel": 0.32},
}
"""The 15 Oculus visemes as ARKit weights, each fully articulated (running speech uses some 0.6 of it)."""

EXTRAS: dict[str, dict[str, float]] = {
    "mouthOpen": {"jawOpen": 0.5},
    "mouthSmile": _both(mouthSmile=0.8),
    "eyesClosed": _both(eyeBlink=1.0),
    "eyesLookUp": _both(eyeLookUp=1.0),
    "eyesLookDown": _both(eyeLookDown=1.0),
}
"""Ready Player Me's further morphs as ARKit weights."""

MIXES = {f"viseme_{name}": mix for name, mix in VISEMES.items()} | EXTRAS
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
