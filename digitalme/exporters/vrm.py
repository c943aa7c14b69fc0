"""VRM 1.0 (.vrm) and VRM animation (.vrma): glTF with a humanoid map, expressions, gaze, licence and swinging hair.

Written after the specification VRMC_vrm-1.0, VRMC_springBone-1.0, VRMC_materials_mtoon-1.0, VRMC_vrm_animation-1.0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from digitalme.artifacts import Avatar, Material, Performance, Skeleton
from digitalme.exporters.glb import (
    Chunk,
    add_channel,
    encode_picture,
    joint_animation,
    to_gltf,
    transform,
    write_glb_file,
)
from digitalme.exporters.hair_bones import with_hair_bones
from digitalme.exporters.options import DEFAULT, ExportConfig
from digitalme.exporters.pose import head_clip, local_from_world, stand
from digitalme.exporters.profiles import MIXES, with_speech_morphs
from digitalme.rendering.studio import portrait_camera, render_avatar

_TRUNK = {"hips": "Hips", "spine": "Spine", "chest": "Spine1", "upperChest": "Spine2", "neck": "Neck", "head": "Head",
          "leftEye": "LeftEye", "rightEye": "RightEye"}  # fmt: skip
_LIMBS = {"Shoulder": "Shoulder", "UpperArm": "Arm", "LowerArm": "ForeArm", "Hand": "Hand", "UpperLeg": "UpLeg",
          "LowerLeg": "Leg", "Foot": "Foot", "Toes": "ToeBase", "ThumbMetacarpal": "HandThumb1",
          "ThumbProximal": "HandThumb2", "ThumbDistal": "HandThumb3"}  # fmt: skip
_LIMBS |= {
    f"{vrm}{segment}": f"Hand{ours}{number}"
    for vrm, ours in (("Index", "Index"), ("Middle", "Middle"), ("Ring", "Ring"), ("Little", "Pinky"))
    for number, segment in ((1, "Proximal"), (2, "Intermediate"), (3, "Distal"))
}
HUMAN_BONES = _TRUNK | {f"{side.lower()}{v}": f"{side}{j}" for side in ("Left", "Right") for v, j in _LIMBS.items()}
"""VRM's human bone to our joint."""


def _both(**weights: float) -> dict[str, float]:
    return {f"{name}{side}": weight for name, weight in weights.items() for side in ("Left", "Right")}


PRESETS: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": _both(mouthSmile=0.8, cheekSquint=0.6, eyeSquint=0.3) | {"browInnerUp": 0.1},
    "angry": _both(browDown=0.9, noseSneer=0.4, eyeSquint=0.4, mouthFrown=0.4, mouthPress=0.4),
    "sad": _both(mouthFrown=0.7, browOuterUp=0.0, eyeSquint=0.2) | {"browInnerUp": 0.9, "mouthShrugLower": 0.3},
    "relaxed": _both(mouthSmile=0.3, eyeBlink=0.25, eyeSquint=0.15),
    "surprised": _both(eyeWide=0.9, browOuterUp=0.8) | {"browInnerUp": 0.8, "jawOpen": 0.35},
    "aa": {"viseme_aa": 1.0},
    "ih": {"viseme_I": 1.0},
    "ou": {"viseme_U": 1.0},
    "ee": {"viseme_E": 1.0},
    "oh": {"viseme_O": 1.0},
    "blink": _both(eyeBlink=1.0),
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "lookUp": _both(eyeLookUp=1.0),
    "lookDown": _both(eyeLookDown=1.0),
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}
"""The 18 preset expressions as weights of our morphs. Each of the 52 ARKit actions is a custom expression besides."""

_NOT_IN_FIRST_PERSON = (
    "head", "eye_left", "eye_right", "teeth", "tongue", "mouth", "sockets", "lashes", "glasses", "lenses",
)  # fmt: skip


def write_vrm(avatar: Avatar, path: Path, config: ExportConfig = DEFAULT) -> None:
    """Write `avatar` as VRM 1.0, in the T-pose that it demands. A VRM holds no animation: see `write_vrma`."""
    ready, springs = with_hair_bones(with_speech_morphs(stand(avatar, "T")))
    document, data = to_gltf(ready, config, [])
    document.pop("animations", None)
    first_joint, first_mesh = 1, 1 + len(ready.skeleton.names)
    joint_node = {name: first_joint + i for i, name in enumerate(ready.skeleton.names)}

    def binds(mix: dict[str, float]) -> list[dict]:
        return [
            {"node": first_mesh + number, "index": list(mesh.morphs).index(name), "weight": weight}
            for number, mesh in enumerate(ready.meshes)
            for name, weight in mix.items()
            if weight and name in mesh.morphs and len(mesh.morphs[name].index)
        ]

    def expression(mix: dict[str, float]) -> dict:
        none = {"overrideBlink": "none", "overrideLookAt": "none", "overrideMouth": "none"}
        return {"isBinary": False, **none, **({"morphTargetBinds": found} if (found := binds(mix)) else {})}

    actions = sorted({name for mesh in ready.meshes for name in mesh.morphs} - MIXES.keys())
    document["extensions"] = {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "meta": vrm_meta(ready, config),
            "humanoid": {"humanBones": {bone: {"node": joint_node[joint]} for bone, joint in HUMAN_BONES.items()}},
            "expressions": {
                "preset": {name: expression(mix) for name, mix in PRESETS.items()},
                "custom": {name: expression({name: 1.0}) for name in actions},
            },
            "lookAt": _look_at(ready),
            "firstPerson": {
                "meshAnnotations": [
                    {
                        "node": first_mesh + i,
                        "type": "thirdPersonOnly"
                        if mesh.name in _NOT_IN_FIRST_PERSON or mesh.material.kind == "hair"
                        else "both",
                    }
                    for i, mesh in enumerate(ready.meshes)
                ]
            },
        }
    }
    used = {"VRMC_vrm"}
    if springs:
        document["extensions"]["VRMC_springBone"] = _spring_bones(springs, joint_node, ready.skeleton)
        used.add("VRMC_springBone")
    if ready.look == "moe":
        for entry, material in zip(document["materials"], _materials(ready), strict=True):
            entry.setdefault("extensions", {})["VRMC_materials_mtoon"] = _mtoon(material, entry)
        used.add("VRMC_materials_mtoon")
    document["extensionsUsed"] = sorted(used | set(document.get("extensionsUsed", [])))
    write_glb_file(path, document, _add_thumbnail(document, data, ready))


def vrm_meta(avatar: Avatar, config: ExportConfig) -> dict:
    """Name, author and permissions. Unless `config.licence` grants more, only the author may be this person."""
    meta = {
        "name": avatar.name,
        "version": "1",
        "authors": [config.author or "the person depicted"],
        "licenseUrl": "https://vrm.dev/licenses/1.0/",
        "allowExcessivelyViolentUsage": False,
        "allowExcessivelySexualUsage": False,
        "allowPoliticalOrReligiousUsage": False,
        "allowAntisocialOrHateUsage": False,
        "creditNotation": "required",
        **_PERMISSIONS[config.licence],
    }
    if config.consent:
        meta["copyrightInformation"] = f"a real person's likeness; consent record sha256 {config.consent}"
    return meta


_PERMISSIONS = {
    "strict": {
        "avatarPermission": "onlyAuthor",
        "commercialUsage": "personalNonProfit",
        "allowRedistribution": False,
        "modification": "prohibited",
    },
    "open": {
        "avatarPermission": "everyone",
        "commercialUsage": "corporation",
        "allowRedistribution": True,
        "modification": "allowModificationRedistribution",
    },
}


def _add_thumbnail(document: dict, data: bytes, avatar: Avatar) -> bytes:
    """Append a small portrait as the VRM's thumbnail; returns the longer buffer."""
    camera = portrait_camera(avatar, 0.25, 0.0, 256, 256)
    smile = {"mouthSmileLeft": 0.25, "mouthSmileRight": 0.25}
    picture = encode_picture(render_avatar(avatar, camera, smile), "jpeg", 256)
    data += b"\0" * (-len(data) % 4)
    document["bufferViews"].append({"buffer": 0, "byteOffset": len(data), "byteLength": len(picture)})
    images = document.setdefault("images", [])
    images.append({"name": "thumbnail", "mimeType": "image/jpeg", "bufferView": len(document["bufferViews"]) - 1})
    document["extensions"]["VRMC_vrm"]["meta"]["thumbnailImage"] = len(images) - 1
    return data + picture


def _look_at(avatar: Avatar) -> dict:
    """Gaze by the lookUp... expressions. A range map says at how many degrees an expression is full."""
    joint = dict(zip(avatar.skeleton.names, avatar.skeleton.world_from_joint.astype(np.float64), strict=True))
    eyes = (joint["LeftEye"][:3, 3] + joint["RightEye"][:3, 3]) / 2
    mesh = avatar.mesh("eye_left")
    center = joint["LeftEye"][:3, 3]
    radius = np.linalg.norm(mesh.positions - center, axis=1).max()

    def degrees(morph: str) -> float:
        moved = float(np.linalg.norm(mesh.morphs[morph].delta, axis=1).max()) if morph in mesh.morphs else radius / 3
        return round(float(np.degrees(np.arctan2(moved, radius))), 2)

    def full(morph: str) -> dict:
        return {"inputMaxValue": degrees(morph), "outputScale": 1.0}

    return {
        "type": "expression",
        "offsetFromHeadBone": [float(x) for x in eyes - joint["Head"][:3, 3]],
        "rangeMapHorizontalInner": full("eyeLookInLeft"),
        "rangeMapHorizontalOuter": full("eyeLookOutLeft"),
        "rangeMapVerticalDown": full("eyeLookDownLeft"),
        "rangeMapVerticalUp": full("eyeLookUpLeft"),
    }


def _spring_bones(chains: list[list[str]], joint_node: dict[str, int], skeleton: Skeleton) -> dict:
    """Each chain of hair joints swings, and is kept out of head, neck and shoulders by spheres and a capsule."""
    place = dict(zip(skeleton.names, skeleton.world_from_joint[:, :3, 3].astype(np.float64), strict=True))
    top = place["HeadTop_End"] - place["Head"]
    shoulders = float(np.linalg.norm(place["LeftArm"] - place["RightArm"])) / 2
    colliders = [
        {"node": joint_node["Head"], "shape": {"sphere": {"offset": [0, 0.45 * top[1], 0.02], "radius": 0.085}}},
        {"node": joint_node["Neck"], "shape": {"sphere": {"offset": [0, 0.03, 0.0], "radius": 0.055}}},
        {
            "node": joint_node["Spine2"],
            "shape": {
                "capsule": {
                    "offset": [-0.7 * shoulders, float(place["LeftArm"][1] - place["Spine2"][1]) - 0.02, 0],
                    "tail": [0.7 * shoulders, float(place["LeftArm"][1] - place["Spine2"][1]) - 0.02, 0],
                    "radius": 0.07,
                }
            },
        },
    ]
    swing = {"stiffness": 0.8, "gravityPower": 0.15, "gravityDir": [0, -1, 0], "dragForce": 0.45, "hitRadius": 0.01}
    return {
        "specVersion": "1.0",
        "colliders": colliders,
        "colliderGroups": [{"name": "body", "colliders": list(range(len(colliders)))}],
        "springs": [
            {"name": chain[0], "joints": [{"node": joint_node[name], **swing} for name in chain], "colliderGroups": [0]}
            for chain in chains
        ],
    }


def _materials(avatar: Avatar) -> list[Material]:
    """The materials in the order of the glTF's list."""
    return list(dict.fromkeys(mesh.material for mesh in avatar.meshes))


def _mtoon(material: Material, entry: dict) -> dict:
    """Cel shading: a lit and a shaded tone, and an outline around what has a body."""
    warm = {"skin": (0.86, 0.62, 0.58), "hair": (0.68, 0.62, 0.72)}.get(material.kind, (0.70, 0.68, 0.78))
    base = entry["pbrMetallicRoughness"]
    outlined = material.kind in ("skin", "hair", "cloth") and material.alpha_mode == "OPAQUE"  # not around hair cards
    out = {
        "specVersion": "1.0",
        "shadeColorFactor": [a * b for a, b in zip(base["baseColorFactor"][:3], warm, strict=True)],
        "shadingShiftFactor": -0.05,
        "shadingToonyFactor": 0.92,
        "giEqualizationFactor": 0.9,
        "outlineWidthMode": "worldCoordinates" if outlined else "none",
    }
    if "baseColorTexture" in base:
        out["shadeMultiplyTexture"] = {"index": base["baseColorTexture"]["index"]}
    if outlined:
        out |= {"outlineWidthFactor": 0.0008, "outlineColorFactor": [0.12, 0.07, 0.08], "outlineLightingMixFactor": 0.5}
    return out


def write_vrma(avatar: Avatar, performance: Performance, path: Path, config: ExportConfig = DEFAULT) -> None:
    """Write the performance as a VRM animation: head and neck turn, a node per ARKit action carries its weight."""
    ready = stand(avatar, "T")
    skeleton, chunk = ready.skeleton, Chunk()
    local = local_from_world(skeleton, skeleton.world_from_joint)
    nodes: list[dict] = []
    for i, name in enumerate(skeleton.names):
        children = [int(child) for child in np.flatnonzero(skeleton.parents == i)]
        nodes.append({"name": name} | transform(local[i]) | ({"children": children} if children else {}))
    roots = [int(i) for i in np.flatnonzero(skeleton.parents < 0)]
    clip = head_clip(performance, config.clip_rate)
    joint_node = {name: i for i, name in enumerate(skeleton.names)}
    out = joint_animation(chunk, clip, skeleton, joint_node)
    times = out["samplers"][0]["input"]
    grid = np.arange(chunk.accessors[times]["count"]) / clip.rate
    own = np.arange(performance.frames) / performance.rate
    custom = {}
    for name, curve in performance.curves.items():
        if np.ptp(curve) < 1e-4:
            continue
        moves = np.zeros((len(grid), 3), np.float32)
        moves[:, 0] = np.interp(grid, own, curve)  # an expression's weight is its node's x
        custom[name] = {"node": len(nodes)}
        roots.append(len(nodes))
        nodes.append({"name": f"expression_{name}"})
        add_channel(out, custom[name]["node"], "translation", times, chunk.add(moves, "VEC3"))
    bones = {bone: {"node": joint_node[joint]} for bone, joint in HUMAN_BONES.items() if "Eye" not in bone}
    document = {
        "asset": {"version": "2.0", "generator": "digitalme"},
        "scene": 0,
        "scenes": [{"nodes": roots}],
        "nodes": nodes,
        "animations": [out],
        "accessors": chunk.accessors,
        "bufferViews": chunk.views,
        "extensionsUsed": ["VRMC_vrm_animation"],
        "extensions": {
            "VRMC_vrm_animation": {
                "specVersion": "1.0", "humanoid": {"humanBones": bones}, "expressions": {"custom": custom},
            }
        },
    }  # fmt: skip
    write_glb_file(path, document, bytes(chunk.data))
