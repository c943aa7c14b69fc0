"""Bringing an avatar into the pose that a file format or an engine wants, and a performance onto its joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32
from scipy.spatial.transform import Rotation

from digitalme.artifacts import Avatar, AvatarMesh, Clip, Morph, Performance, Skeleton
from digitalme.spaces import rotation_from_euler

NECK_SHARE = 0.4
"""How much of a head turn the neck takes; the head's own joint does the rest."""

_FINGER_CURL = 0.4
"""Share of the relaxed fingers' bend that stays in a T- or A-pose."""


def local_from_world(skeleton: Skeleton, world_from_joint: Float[np.ndarray, "j 4 4"]) -> Float[np.ndarray, "j 4 4"]:
    """Each joint's matrix relative to its parent."""
    local = world_from_joint.astype(np.float64).copy()
    for i, parent in enumerate(skeleton.parents):
        if parent >= 0:
            local[i] = np.linalg.inv(world_from_joint[parent].astype(np.float64)) @ world_from_joint[i]
    return local


def world_from_local(skeleton: Skeleton, local: Float[np.ndarray, "j 4 4"]) -> Float[np.ndarray, "j 4 4"]:
    """Forward kinematics."""
    world = local.copy()
    for i, parent in enumerate(skeleton.parents):
        if parent >= 0:
            world[i] = world[parent] @ local[i]
    return world


def skin_matrices(
    mesh: AvatarMesh, skeleton: Skeleton, world_from_joint: Float[np.ndarray, "j 4 4"]
) -> Float[np.ndarray, "v 4 4"]:
    """Linear blend skinning: the matrix that takes each bind-pose vertex to the pose."""
    joint_moves = world_from_joint @ np.linalg.inv(skeleton.world_from_joint.astype(np.float64))
    return np.einsum("vk,vkij->vij", mesh.weights, joint_moves[mesh.joints])


def pose_mesh(
    mesh: AvatarMesh, skeleton: Skeleton, world_from_joint: Float[np.ndarray, "j 4 4"], weights: Mapping[str, float]
) -> Float[np.ndarray, "v 3"]:
    """Vertices after morphing by `weights` and skinning, world frame, metres: what every engine must show."""
    positions = mesh.positions.astype(np.float64)
    for name, weight in weights.items():
        if name in mesh.morphs:
            positions[mesh.morphs[name].index] += weight * mesh.morphs[name].delta
    moves = skin_matrices(mesh, skeleton, world_from_joint)
    return np.einsum("vij,vj->vi", moves[:, :3, :3], positions) + moves[:, :3, 3]


def rebind(avatar: Avatar, world_from_joint: Float[np.ndarray, "j 4 4"]) -> Avatar:
    """The same character with another bind pose: vertices, normals and morphs are carried there by skinning."""
    meshes = []
    for mesh in avatar.meshes:
        moves = skin_matrices(mesh, avatar.skeleton, world_from_joint)
        turn = moves[:, :3, :3]
        positions = np.einsum("vij,vj->vi", turn, mesh.positions) + moves[:, :3, 3]
        normals = np.einsum("vij,vj->vi", turn, mesh.normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        morphs = {
            name: Morph(m.index, np.einsum("vij,vj->vi", turn[m.index], m.delta).astype(np.float32))
            for name, m in mesh.morphs.items()
        }
        vectors = {"positions": positions.astype(np.float32), "normals": normals.astype(np.float32)}
        meshes.append(replace(mesh, **vectors, morphs=morphs))
    skeleton = replace(avatar.skeleton, world_from_joint=world_from_joint.astype(np.float32))
    return replace(avatar, skeleton=skeleton, meshes=tuple(meshes))


def stand(avatar: Avatar, pose: str = "T") -> Avatar:
    """The avatar on the ground (y = 0) in a T- or A-pose, ready to be a file's bind pose.

    T: arms level, palms down, legs straight. A: the same with the arms 45 degrees down.
    `about["head_lift"]` says how many metres the head rose above the body model's place: subtract it to look at the
    file with the portrait's camera.
    """
    skeleton = avatar.skeleton
    bind = skeleton.world_from_joint.astype(np.float64)
    goal = _goal_rotations(skeleton, pose)
    local = local_from_world(skeleton, bind)
    world = bind.copy()
    for i, parent in enumerate(skeleton.parents):
        if parent >= 0:
            world[i, :3, 3] = world[parent, :3, :3] @ local[i, :3, 3] + world[parent, :3, 3]
            world[i, :3, :3] = world[parent, :3, :3] @ local[i, :3, :3]
        if (rotation := goal.get(skeleton.names[i])) is not None:
            world[i, :3, :3] = rotation
    posed = rebind(avatar, world)
    lift = -min(float(mesh.positions[:, 1].min()) for mesh in posed.meshes)
    raised = world.copy()
    raised[:, 1, 3] += lift
    meshes = tuple(replace(m, positions=m.positions + np.array([0, lift, 0], np.float32)) for m in posed.meshes)
    skeleton = replace(skeleton, world_from_joint=raised.astype(np.float32))
    about = avatar.about | {"ground_y": 0.0, "head_lift": avatar.about.get("head_lift", 0.0) + lift, "pose": pose}
    return replace(posed, skeleton=skeleton, meshes=meshes, about=about)


def _goal_rotations(skeleton: Skeleton, pose: str) -> dict[str, Float[np.ndarray, "3 3"]]:
    """World rotations of the joints that the pose fixes; the others keep their rotation relative to the parent."""
    bind = dict(zip(skeleton.names, skeleton.world_from_joint.astype(np.float64), strict=True))
    goal: dict[str, np.ndarray] = {}
    for prefix, side in (("Left", 1.0), ("Right", -1.0)):
        if f"{prefix}Arm" not in bind:
            continue
        level = np.array([[0, side, 0], [0, 0, -1], [-side, 0, 0]])  # columns: X, Y along the arm, Z palm down
        arm = level if pose == "T" else rotation_from_euler(0, 0, -side * np.pi / 4) @ level
        for bone in ("Arm", "ForeArm", "Hand"):
            goal[f"{prefix}{bone}"] = arm
        hand = bind[f"{prefix}Hand"][:3, :3]
        for finger in ("Index", "Middle", "Ring", "Pinky", "Thumb"):
            parent, turned = hand, arm
            share = 1.0 if finger == "Thumb" else _FINGER_CURL
            for number in range(1, 5):
                name = f"{prefix}Hand{finger}{number}"
                bend = Rotation.from_matrix(parent.T @ bind[name][:3, :3]).as_rotvec()
                turned = turned @ Rotation.from_rotvec(share * bend).as_matrix()
                goal[name], parent = turned, bind[name][:3, :3]
        down = np.diag([-1.0, -1.0, 1.0])
        goal[f"{prefix}UpLeg"] = goal[f"{prefix}Leg"] = down
        for bone in ("Foot", "ToeBase", "Toe_End"):  # level as it stood, but pointing straight ahead
            y = bind[f"{prefix}{bone}"][:3, 1] * [0, 1, 1]
            y /= np.linalg.norm(y)
            x = np.array([-1.0, 0, 0])
            goal[f"{prefix}{bone}"] = np.stack([x, y, np.cross(x, y)], 1)
    return {name: rotation for name, rotation in goal.items() if name in bind}


def head_clip(performance: Performance, rate: float, name: str = "performance") -> Clip:
    """The performance's head pose as rotations of Neck and Head, at `rate` frames a second."""
    count = max(2, round(performance.seconds * rate) + 1) if performance.frames > 1 else 1
    times = np.arange(count) / rate
    angles = np.stack([performance.at(float(t))[1] for t in times]).astype(np.float64)
    whole = Rotation.from_matrix(np.stack([rotation_from_euler(*a) for a in angles])).as_rotvec()
    return Clip(name, rate, {"Neck": _quaternions(whole * NECK_SHARE), "Head": _quaternions(whole * (1 - NECK_SHARE))})


def _quaternions(rotation_vectors: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 4"]:
    """Unit quaternions (x, y, z, w) without sign flips from frame to frame."""
    quaternions = Rotation.from_rotvec(rotation_vectors).as_quat()
    return np.where(quaternions[:, 3:] < 0, -quaternions, quaternions).astype(np.float32)


def idle_clip(seconds: float = 6.0, rate: float = 15.0) -> Clip:
    """A quiet loop: breathing in the chest and shoulders, a slow sway of the head. First and last frame agree."""
    t = np.arange(round(seconds * rate) + 1) / (seconds * rate) * 2 * np.pi
    zero = np.zeros_like(t)
    breath = np.sin(2 * t)
    turns = {
        "Spine1": (-0.006 * breath, 0.008 * np.sin(t), zero),
        "Spine2": (-0.010 * breath, zero, zero),
        "Neck": (0.008 * breath, 0.015 * np.sin(t + 0.6), 0.006 * np.sin(t)),
        "Head": (0.010 * np.sin(t + 1.1) + 0.004 * breath, 0.025 * np.sin(t + 0.4), 0.010 * np.sin(t + 2)),
        "LeftShoulder": (-0.010 * breath, zero, zero),  # about -X a shoulder rises, on either side
        "RightShoulder": (-0.010 * breath, zero, zero),
    }
    return Clip("idle", rate, {joint: _quaternions(np.stack(turn, 1)) for joint, turn in turns.items()})


def pose_clip(avatar: Avatar, pose: str) -> Clip:
    """One frame that brings the avatar from its bind pose into `pose`."""
    skeleton = avatar.skeleton
    here = local_from_world(skeleton, skeleton.world_from_joint)[:, :3, :3]
    there = local_from_world(skeleton, stand(avatar, pose).skeleton.world_from_joint)[:, :3, :3]
    turn = Rotation.from_matrix(np.swapaxes(here, 1, 2) @ there).as_rotvec()
    return Clip(
        f"{pose}-pose",
        1.0,
        {name: _quaternions(turn[i : i + 1]) for i, name in enumerate(skeleton.names)},
    )
