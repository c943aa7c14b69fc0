"""Bones for hair that hangs below the skull, so that it can swing in programs that simulate it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from digitalme.artifacts import Avatar, AvatarMesh

_CHAINS = (-110, -150, 180, 150, 110)
"""Azimuths of the chains in degrees, seen from above: 0 is the face, 90 the person's left."""
_SHORTEST = 0.07
"""Hair that hangs less far below the head's joint than this stays rigid, metres."""
_JOINTS = 3


def with_hair_bones(avatar: Avatar) -> tuple[Avatar, list[list[str]]]:
    """The avatar with chains of joints down its long hair, and the chains' joint names; unchanged for short hair.

    The skull's hair keeps following the head. Below it each vertex goes over from joint to joint of the two nearest
    chains, by height and azimuth.
    """
    skeleton = avatar.skeleton
    head = skeleton.names.index("Head")
    origin = skeleton.world_from_joint[head, :3, 3].astype(np.float64)
    hair = [mesh for mesh in avatar.meshes if mesh.material.kind == "hair"]
    hanging = [mesh.positions[mesh.positions[:, 1] < origin[1]] for mesh in hair]
    points = np.concatenate(hanging) if hanging else np.zeros((0, 3))
    if not len(points) or origin[1] - points[:, 1].min() < _SHORTEST:
        return avatar, []
    drop = origin[1] - points[:, 1].min()
    azimuth = np.degrees(np.arctan2(points[:, 0] - origin[0], points[:, 2] - origin[2]))
    names, parents, matrices = list(skeleton.names), list(skeleton.parents), list(skeleton.world_from_joint)
    chains: list[list[str]] = []
    angles: list[float] = []
    for angle in _CHAINS:
        near = np.abs((azimuth - angle + 180) % 360 - 180) < 25
        if near.sum() < 20 or origin[1] - points[near, 1].min() < _SHORTEST:
            continue
        radius = np.median(np.hypot(points[near, 0] - origin[0], points[near, 2] - origin[2]))
        chain = []
        for step in range(_JOINTS + 1):  # the last joint only ends the chain
            matrix = np.eye(4)
            matrix[:3, 3] = origin + [
                radius * np.sin(np.radians(angle)), -drop * step / _JOINTS, radius * np.cos(np.radians(angle)),
            ]  # fmt: skip
            parents.append(head if step == 0 else len(names) - 1)
            names.append(f"Hair_{len(chains) + 1}_{step + 1}")
            matrices.append(matrix.astype(np.float32))
            chain.append(names[-1])
        chains.append(chain)
        angles.append(float(angle))
    if not chains:
        return avatar, []
    first = len(skeleton.names)
    meshes = tuple(
        _hang(mesh, origin, drop, np.array(angles), head, first) if mesh.material.kind == "hair" else mesh
        for mesh in avatar.meshes
    )
    grown = replace(
        skeleton, names=tuple(names), parents=np.array(parents, np.int32), world_from_joint=np.stack(matrices)
    )  # fmt: skip
    return replace(avatar, skeleton=grown, meshes=meshes), chains


def _hang(
    mesh: AvatarMesh, origin: np.ndarray, drop: float, angles: np.ndarray, head: int, first: int
) -> AvatarMesh:  # fmt: skip
    """Four weights a vertex: two joints of each of the two nearest chains; the head's own above the chains."""
    away = mesh.positions.astype(np.float64) - origin
    depth = np.clip(-away[:, 1] / drop, 0, 1) * _JOINTS
    azimuth = np.degrees(np.arctan2(away[:, 0], away[:, 2]))
    gap = np.abs((azimuth[:, None] - angles + 180) % 360 - 180)
    nearest = np.argsort(gap, 1)[:, :2] if len(angles) > 1 else np.zeros((len(gap), 2), np.int64)
    closeness = 1 / (np.take_along_axis(gap, nearest, 1) + 5) ** 2
    closeness /= closeness.sum(1, keepdims=True)
    # joint k moves what hangs below it: the share of joint k grows from depth k-0.5 to k+0.5; above, the head's
    low = np.clip(np.floor(depth - 0.5), -1, _JOINTS - 1).astype(np.int64)
    part = np.clip(depth - 0.5 - low, 0, 1)
    part[low == _JOINTS - 1] = 0
    joints, weights = np.zeros((len(away), 4), np.int32), np.zeros((len(away), 4))
    for slot in range(2):
        base = first + nearest[:, slot] * (_JOINTS + 1)
        joints[:, 2 * slot] = np.where(low < 0, head, base + np.maximum(low, 0))
        joints[:, 2 * slot + 1] = base + np.clip(low + 1, 0, _JOINTS - 1)
        weights[:, 2 * slot] = closeness[:, slot] * (1 - part)
        weights[:, 2 * slot + 1] = closeness[:, slot] * part
    front = np.abs(azimuth) < 60  # a fringe stays with the head
    joints[front], weights[front] = [head, 0, 0, 0], [1, 0, 0, 0]
    above = low < 0
    rest = above & (depth <= 0)
    joints[rest], weights[rest] = [head, 0, 0, 0], [1, 0, 0, 0]
    twice = above & ~rest & ~front  # the head stands in slots 0 and 2: join them, a joint may appear once
    weights[twice, 0] += weights[twice, 2]
    joints[twice, 2], weights[twice, 2] = 0, 0
    same = (joints[:, 0] == joints[:, 2]) & ~above & ~front
    weights[same, 0] += weights[same, 2]
    weights[same, 1] += weights[same, 3]
    joints[same, 2:], weights[same, 2:] = 0, 0
    joints[weights == 0] = 0
    return replace(mesh, joints=joints, weights=(weights / weights.sum(1, keepdims=True)).astype(np.float32))
