"""An avatar in motion: face weights and a head turn to the positions and normals of every mesh.

Morph targets first, then linear blend skinning: the neck takes a part of the head's turn, the rest of the body stays.
Eyes turn by their eyeLook morphs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32

from digitalme.artifacts import Avatar
from digitalme.rendering.raster import jit
from digitalme.spaces import rotation_from_euler

NECK_SHARE = 0.4
"""The part of the head's turn that the neck makes already."""


@dataclass(frozen=True)
class PosedMesh:
    """World frame, metres; same vertices as the AvatarMesh of the same place in Avatar.meshes."""

    positions: Float32[np.ndarray, "v 3"]
    normals: Float32[np.ndarray, "v 3"]


@jit
@no_type_check
def _add_morph(positions, index, delta, weight):
    for i in range(index.shape[0]):
        v = index[i]
        for c in range(3):
            positions[v, c] += delta[i, c] * weight


@jit
@no_type_check
def _skin(positions, normals, share, neck, head, out_positions, out_normals):
    """share (v, 2): weights of neck and head; what is left stays. neck, head: (3, 4) world from bind."""
    for v in range(positions.shape[0]):
        a, b = share[v, 0], share[v, 1]
        rest = np.float32(1) - a - b
        for r in range(3):
            m0 = a * neck[r, 0] + b * head[r, 0] + (rest if r == 0 else np.float32(0))
            m1 = a * neck[r, 1] + b * head[r, 1] + (rest if r == 1 else np.float32(0))
            m2 = a * neck[r, 2] + b * head[r, 2] + (rest if r == 2 else np.float32(0))
            t = a * neck[r, 3] + b * head[r, 3]
            out_positions[v, r] = m0 * positions[v, 0] + m1 * positions[v, 1] + m2 * positions[v, 2] + t
            out_normals[v, r] = m0 * normals[v, 0] + m1 * normals[v, 1] + m2 * normals[v, 2]


@jit
@no_type_check
def _welded_normals(positions, faces, weld, total):
    """Area-weighted normals (welds, 3), summed over the triangles of all meshes that share a weld."""
    total[:] = 0
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, bx = positions[j, 0] - positions[i, 0], positions[k, 0] - positions[i, 0]
        ay, by = positions[j, 1] - positions[i, 1], positions[k, 1] - positions[i, 1]
        az, bz = positions[j, 2] - positions[i, 2], positions[k, 2] - positions[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for c in range(3):
            w = weld[faces[f, c]]
            total[w, 0] += x
            total[w, 1] += y
            total[w, 2] += z
    for w in range(total.shape[0]):
        x, y, z = total[w, 0], total[w, 1], total[w, 2]
        scale = np.float32(1) / np.sqrt(max(x * x + y * y + z * z, np.float32(1e-30)))
        total[w, 0], total[w, 1], total[w, 2] = x * scale, y * scale, z * scale


@jit
@no_type_check
def _turn_normals(bind, weld, before, after, out):
    """The mesh's own normals, changed by what the geometry's changed: out = unit(bind + after - before)."""
    for v in range(bind.shape[0]):
        w = weld[v]
        x = bind[v, 0] + after[w, 0] - before[w, 0]
        y = bind[v, 1] + after[w, 1] - before[w, 1]
        z = bind[v, 2] + after[w, 2] - before[w, 2]
        scale = np.float32(1) / np.sqrt(max(x * x + y * y + z * z, np.float32(1e-12)))
        out[v, 0], out[v, 1], out[v, 2] = x * scale, y * scale, z * scale


class Rig:
    """An avatar prepared for posing many frames: all meshes in one array, morphs by name, weights of neck and head."""

    def __init__(self, avatar: Avatar):
        self.avatar = avatar
        meshes = avatar.meshes
        self._start = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
        self._positions = np.concatenate([mesh.positions for mesh in meshes]).astype(np.float32)
        self._normals = np.concatenate([mesh.normals for mesh in meshes]).astype(np.float32)
        self._morphs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        for mesh, first in zip(meshes, self._start, strict=False):
            for name, morph in mesh.morphs.items():
                self._morphs.setdefault(name, []).append((morph.index + np.int32(first), morph.delta))
        self._share = np.concatenate([_neck_and_head(avatar, mesh) for mesh in meshes])
        # vertices at one place are one surface (a UV seam, or the border of two meshes): their normals go together
        morphing = [i for i, mesh in enumerate(meshes) if mesh.morphs]
        self._shared_faces = np.concatenate(
            [np.zeros((0, 3), np.int32), *(meshes[i].faces + np.int32(self._start[i]) for i in morphing)]
        ).astype(np.int32)
        key = np.round(self._positions * 1e6).astype(np.int64)
        self._weld = np.unique(key, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)
        welds = int(self._weld.max()) + 1
        self._before, self._after = np.zeros((welds, 3), np.float32), np.zeros((welds, 3), np.float32)
        _welded_normals(self._positions, self._shared_faces, self._weld, self._before)

    @property
    def morph_names(self) -> tuple[str, ...]:
        return tuple(self._morphs)

    def head_transform(self, head: Sequence[float]) -> Float[np.ndarray, "2 3 4"]:
        """World from bind of the neck's and the head's joint, for a head turned by (pitch, yaw, roll)."""
        bones = self.avatar.skeleton
        whole = rotation_from_euler(*head)
        neck = rotation_from_euler(*(np.asarray(head, float) * NECK_SHARE))
        at_neck, at_head = (
            bones.world_from_joint[bones.names.index(name), :3, 3].astype(float) for name in ("Neck", "Head")
        )
        moved_head = neck @ (at_head - at_neck) + at_neck
        return np.stack(
            [np.column_stack([neck, at_neck - neck @ at_neck]), np.column_stack([whole, moved_head - whole @ at_head])]
        )

    def pose(self, weights: Mapping[str, float], head: Sequence[float] = (0.0, 0.0, 0.0)) -> list[PosedMesh]:
        """Every mesh with these morph weights and the head turned by (pitch, yaw, roll) radians.

        Weights of morphs that the avatar lacks are ignored: a performance may carry more than a face can do.
        """
        positions, normals = self._positions, self._normals
        active = [(name, weight) for name, weight in weights.items() if weight and name in self._morphs]
        if active:
            positions = positions.copy()
            for name, weight in active:
                for index, delta in self._morphs[name]:
                    _add_morph(positions, index, delta, np.float32(weight))
            normals = np.empty_like(normals)
            _welded_normals(positions, self._shared_faces, self._weld, self._after)
            _turn_normals(self._normals, self._weld, self._before, self._after, normals)
        neck, turned = self.head_transform(head).astype(np.float32)
        out_positions, out_normals = np.empty_like(positions), np.empty_like(normals)
        _skin(positions, normals, self._share, neck, turned, out_positions, out_normals)
        bounds = zip(self._start[:-1], self._start[1:], strict=True)
        return [PosedMesh(out_positions[a:b], out_normals[a:b]) for a, b in bounds]


def _neck_and_head(avatar: Avatar, mesh) -> Float32[np.ndarray, "v 2"]:
    """Skin weights summed over the neck, and over the head and all joints below it."""
    bones = avatar.skeleton
    if "Head" not in bones.names or "Neck" not in bones.names:
        raise ValueError(f"avatar '{avatar.name}': the skeleton needs joints named Neck and Head")
    group = np.full(len(bones.names), 2)
    for joint, parent in enumerate(bones.parents):
        if bones.names[joint] == "Neck":
            group[joint] = 0
        elif bones.names[joint] == "Head" or (parent >= 0 and group[parent] == 1):
            group[joint] = 1
    share = np.zeros((len(mesh.positions), 3), np.float32)
    for slot in range(4):
        np.add.at(share, (np.arange(len(share)), group[mesh.joints[:, slot]]), mesh.weights[:, slot])
    return np.ascontiguousarray(share[:, :2])


_last: list[Rig] = []


def pose_avatar(
    avatar: Avatar, weights: Mapping[str, float], head: Sequence[float] = (0.0, 0.0, 0.0)
) -> list[PosedMesh]:
    """Positions and normals of every mesh of an avatar; see Rig.pose. The last avatar's Rig is kept."""
    if not _last or _last[0].avatar is not avatar:
        _last[:] = [Rig(avatar)]
    return _last[0].pose(weights, head)
