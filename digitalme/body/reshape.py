"""Put an avatar's body surface somewhere else: new bind-pose vertices, optionally bent after the face actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from digitalme.artifacts.avatar import Avatar, Morph
from digitalme.body.character import vertex_normals

Bend = Callable[[np.ndarray], np.ndarray]


def reshape(
    avatar: Avatar,
    vertices: Float[np.ndarray, "vertices 3"],
    actions: Mapping[str, Float[np.ndarray, "vertices 3"]] | None = None,
    bend: Bend | None = None,
) -> Avatar:
    """The avatar with its body surface at `vertices` (the body model's order, world frame).

    `actions` replaces the face actions' displacements (by default the meshes keep their morphs). `bend` maps points
    (vertices, 3) to points: it is applied after the actions, so that a morph's displacement is
    bend(vertices + action) - bend(vertices), and an eye that shuts before the bend is shut after it.
    """
    rest = bend(vertices) if bend else vertices
    surface = np.concatenate(
        [mesh.body_vertices[mesh.faces] for mesh in avatar.meshes if mesh.body_vertices is not None]
    )
    normals = vertex_normals(rest, surface)
    dense: dict[str, np.ndarray] = {}
    if actions is not None:
        dense = {name: (bend(vertices + move) - rest) if bend else move for name, move in actions.items()}
    meshes = []
    for mesh in avatar.meshes:
        source = mesh.body_vertices
        if source is None:
            meshes.append(mesh)
            continue
        morphs = mesh.morphs
        if actions is not None:
            moved = {name: Morph.from_dense(move[source], 1e-5) for name, move in dense.items()}
            morphs = {name: morph for name, morph in moved.items() if len(morph.index)}
        meshes.append(
            replace(
                mesh,
                positions=rest[source].astype(np.float32),
                normals=normals[source].astype(np.float32),
                morphs=morphs,
            )
        )
    return replace(avatar, meshes=tuple(meshes))
